"""Lookup-MAC columns: acc is the sum of level x activation of every beat since the last restart."""

from amaranth.hdl import Assert, Assume, Cat, Cover, Module, Mux, Signal, signed

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import DEFAULT
from adqhw.rtl.lanes.multiplying import MacColumn

from .multi_cycle import picked, port_list
from .prover import Design

OPERANDS = ("activations", "weights", "codebook")
CONTROLS = ("bypass", "advance", "load", "add", "restart")


def arch(*, weight_width: int, act_width: int, micro: str = DEFAULT, rows: int = 2) -> Arch:
    return Arch(
        rows=rows, cols=1, micro=micro, act_width=act_width, weight_width=weight_width,
        level_width=8, acc_width=14 + act_width,
    )  # fmt: skip


def specified_level(a: Arch, unit: MacColumn, row: int):
    """Contract section 2: the level of a field. The selection is written as a sum of products.

    256 levels: as Amaranth's own selection, so that z3 need not prove two selectors equal.
    """
    weight = unit.weights[row]
    stored = weight[: a.level_width].as_signed()
    if a.lanes.stores_levels:
        return stored
    code = weight[: a.weight_width]
    if a.weight_width > 4:
        return Mux(unit.bypass, stored, unit.codebook[code])
    levels = [unit.codebook[i] for i in range(1 << a.weight_width)]
    looked_up = picked(levels, code)[: a.level_width].as_signed()
    return Mux(unit.bypass, stored, looked_up)


def column(a: Arch) -> Design:
    """Every stage's registers against the stages of the specification, all under `advance`."""
    unit = a.lanes.column(a)
    m = unit.elaborate(None)
    advance, rows = unit.advance, range(a.rows)
    assume_inputs(m, a, unit)
    level = [Signal(signed(a.level_width), name=f"spec_level_{r}") for r in rows]
    act = [Signal(a.act_width, name=f"spec_act_{r}") for r in rows]
    product = [Signal.like(unit.products[r], name=f"spec_product_{r}") for r in rows]
    beat = Signal(signed(a.acc_width), name="spec_sum")
    expected = Signal(signed(a.acc_width), name="expected")
    with m.If(advance):
        for r in rows:
            m.d.sync += level[r].eq(Mux(unit.load, specified_level(a, unit, r), 0))
            m.d.sync += act[r].eq(unit.activations[r])
            m.d.sync += product[r].eq(level[r] * act[r])
        m.d.sync += beat.eq(sum(product))
        with m.If(unit.add):
            m.d.sync += expected.eq(Mux(unit.restart, beat, expected + beat))
    for r in rows:
        same = (unit.levels[r] == level[r]) & (unit.operands[r] == act[r])
        m.d.comb += Assert(Mux(unit.live[r], same, level[r] == 0))
        m.d.comb += Assert(unit.products[r] == product[r])
    m.d.comb += [
        Assert(unit.total == beat),
        Assert(unit.acc == expected),
    ]
    _cover(m, unit, product, expected)
    ports = port_list(unit, OPERANDS, CONTROLS)
    return Design(module=m, ports=ports, shown=[unit.total, beat, unit.acc, expected])


def assume_inputs(m, a, unit):
    """The contract: level 0 is 0; a code has no bits above its width."""
    if a.lanes.stores_levels:
        return
    m.d.comb += Assume(unit.codebook[0] == 0)
    assume_codes(m, a, unit)


def assume_codes(m, a, unit):
    """A field that is a code has no bits above its width."""
    high = Cat(*(weight[a.weight_width :] for weight in unit.weights))
    m.d.comb += Assume(unit.bypass | (high == 0))


def _cover(m, unit, product, expected):
    """A stalled and a gated lane, and a sum of two beats of both signs."""
    second = Signal()
    with m.If(unit.advance & unit.add):
        m.d.sync += second.eq(~unit.restart)
    m.d.comb += [
        Cover(second & (expected < 0) & ~unit.advance),
        Cover(second & (expected > 0) & (product[0] == 0) & (product[-1] != 0)),
    ]


def overflow(a: Arch) -> Design:
    """No sum of a program whose bound fits acc_width wraps, at any time (contract section 3).

    Each product gets a lower and an upper bound on this side and that side of 0 (`product_bound`);
    what is assumed is that the sums of the bounds fit.
    """
    unit = a.lanes.column(a)
    m = unit.elaborate(None)
    wide = signed(a.acc_width + 4)
    ports = []
    lows: list[Signal] = []
    highs: list[Signal] = []
    for r, term in enumerate(unit.products):
        low, high = Signal(term.shape(), name=f"low_{r}"), Signal(term.shape(), name=f"high_{r}")
        ports += [low, high]
        m.d.comb += Assume((low <= term) & (term <= high) & (low <= 0) & (high >= 0))
        lows.append(low)
        highs.append(high)
    beat = {n: Signal(wide, name=f"beat_{n}") for n in ("low", "high", "sum")}
    run = {n: Signal(wide, name=f"run_{n}") for n in beat}
    after = {n: Signal(wide, name=f"next_{n}") for n in beat}
    limit = 1 << (a.acc_width - 1)
    m.d.comb += [after[n].eq(Mux(unit.restart, beat[n], run[n] + beat[n])) for n in beat]
    # A beat is part of a sum whose bound fits: so does the bound of the beat alone.
    fits = (after["low"] >= -limit) & (after["high"] < limit)
    m.d.comb += Assume(~(unit.advance & unit.add) | fits)
    with m.If(unit.advance):
        for n, terms in (("low", lows), ("high", highs), ("sum", unit.products)):
            m.d.sync += beat[n].eq(sum(terms))
        with m.If(unit.add):
            m.d.sync += [run[n].eq(after[n]) for n in beat]
    inside = [(s["low"] <= s["sum"]) & (s["sum"] <= s["high"]) for s in (beat, run)]
    around = [(s["low"] <= 0) & (s["high"] >= 0) for s in (beat, run)]
    reach = a.rows << (a.level_width + a.act_width)
    small = (run["low"] >= -limit) & (run["high"] < limit)
    small &= (beat["low"] >= -reach) & (beat["high"] <= reach)
    cut = beat["sum"][: a.acc_width].as_signed()
    m.d.comb += [Assert(fact) for fact in (*inside, *around, small)]
    m.d.comb += [
        # A total as wide as acc may wrap until its beat is known to be part of a fitting sum.
        Assert(unit.total == (beat["sum"] if len(unit.total) < a.acc_width else cut)),
        Assert(unit.acc == run["sum"]),
        Cover(unit.acc < -(limit >> 3)),
        Cover(unit.acc > (limit >> 3)),
    ]
    ports = [*port_list(unit, OPERANDS, CONTROLS), *ports]
    return Design(module=m, ports=ports, shown=[unit.acc, run["sum"]])


def product_bound(*, level_width: int, act_width: int) -> Design:
    """A real product lies between 0 and the level times the largest activation."""
    m = Module()
    level, act = Signal(signed(level_width), name="level"), Signal(act_width, name="act")
    term = Signal(signed(level_width + act_width), name="made")
    edge = Signal(signed(level_width + act_width), name="edge")
    tick = Signal()
    m.d.sync += tick.eq(~tick)  # smtbmc requires a clocked design
    m.d.comb += [
        term.eq(level * act),
        edge.eq((level << act_width) - level),
        Assert(Mux(level < 0, (term <= 0) & (term >= edge), (term >= 0) & (term <= edge))),
        Cover((term == edge) & (level < -1)),
        Cover((term == 0) & (level > 1)),
    ]
    return Design(module=m, ports=[level, act], shown=[level, act, term])


def bit_serial(a: Arch) -> Design:
    """`bit_serial` for any sequence of digits: each bit adds the levels it selects, shifted.

    With `digit_sum` this is level x activation when the digits of a beat come once each.
    """
    unit = a.lanes.column(a)
    m = unit.elaborate(None)
    rows = range(a.rows)
    assume_inputs(m, a, unit)
    level = [Signal(signed(a.level_width), name=f"spec_level_{r}") for r in rows]
    act = [Signal(a.act_width, name=f"spec_act_{r}") for r in rows]
    term = [Signal.like(unit.terms[r], name=f"spec_term_{r}") for r in rows]
    beat, expected = (Signal(signed(a.acc_width), name=n) for n in ("spec_sum", "expected"))
    with m.If(unit.take):
        for r in rows:
            m.d.sync += level[r].eq(Mux(unit.load, specified_level(a, unit, r), 0))
            m.d.sync += act[r].eq(unit.activations[r])
    with m.If(unit.advance):
        for r in rows:
            m.d.sync += term[r].eq(Mux((act[r] >> unit.act_digit)[0], level[r], 0))
        m.d.sync += beat.eq(sum(term))
        with m.If(unit.add):
            m.d.sync += expected.eq(Mux(unit.restart, 0, expected) + (beat << unit.shift))
    for r in rows:
        same = (unit.levels[r] == level[r]) & (unit.operands[r] == act[r])
        m.d.comb += Assert(Mux(unit.live[r], same, level[r] == 0))
        m.d.comb += Assert(unit.terms[r] == term[r])
    m.d.comb += [
        Assert(unit.total == beat), Assert(unit.acc == expected),
        Cover((expected < 0) & (unit.shift == 1) & ~unit.advance & (act[0] == 3)),
    ]  # fmt: skip
    controls = ("bypass", "advance", "take", "load", "act_digit", "shift", "add", "restart")
    shown = [unit.total, beat, unit.acc, expected]
    return Design(module=m, ports=port_list(unit, OPERANDS, controls), shown=shown)


def digit_sum(*, level_width: int, act_width: int) -> Design:
    """A real product is the sum of the level shifted by each set bit of the activation."""
    m = Module()
    level, act = Signal(signed(level_width), name="level"), Signal(act_width, name="act")
    term = Signal(signed(level_width + act_width), name="made")
    added = Signal(signed(level_width + act_width), name="added")
    tick = Signal()
    m.d.sync += tick.eq(~tick)
    m.d.comb += [
        term.eq(level * act),
        added.eq(sum(Mux(act[bit], level << bit, 0) for bit in range(act_width))),
        Assert(term == added),
        Cover((term < -1) & act.all()),
    ]
    return Design(module=m, ports=[level, act], shown=[level, act, term, added])
