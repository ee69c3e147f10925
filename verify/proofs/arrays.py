"""The array that holds weights: what a place has, and whose bank is written and read."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Assert, Assume, Cat, Const, Cover, Module, Mux, Signal, Value, signed

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import BASELINE, DEFAULT
from adqhw.rtl.array.banks import BANKS
from adqhw.rtl.array.held_array import HeldArray
from adqhw.rtl.lanes.bit_serial import BitSerial
from adqhw.rtl.lanes.held import HeldColumn
from adqhw.rtl.lanes.product_table import SharedProducts
from adqhw.rtl.lanes.shift_add import ShiftAdd
from adqhw.rtl.lanes.shift_codebook import entry_layout

from .multi_cycle import picked
from .prover import Design
from .streams import SMALL, as_many, inputs, offered_stays

Terms = Callable[[Module, Arch, Any, list[Signal]], list[list[Value]]]
"""By tree, the term of every row that the operands of this cycle give."""


def arch(
    micro: str = DEFAULT, *, rows: int = 2, cols: int = 1, fill: int = 1, **widths: int
) -> Arch:
    options: dict[str, Any] = {"act_width": 2, "weight_width": 2, "level_width": 4, "acc_width": 10}
    options |= widths
    return Arch(
        rows=rows, cols=cols, micro=micro, hold=2, fill=fill, channels=2, threshold_width=1,
        out_width=5, requant=SMALL, **options,
    )  # fmt: skip


# -- terms, as the contract has them -----------------------------------------------------------


def products(m: Module, a: Arch, unit: Any, held: list[Signal]) -> list[list[Value]]:
    """Level times activation."""
    return [[w.as_signed() * x for w, x in zip(held, unit.activations, strict=True)]]


def bits(m: Module, a: Arch, unit: Any, held: list[Signal]) -> list[list[Value]]:
    """The levels whose activation has the current bit."""
    return [
        [
            Mux((x >> unit.act_digit)[0], w.as_signed(), 0)
            for w, x in zip(held, unit.activations, strict=True)
        ]
    ]


def digits(m: Module, a: Arch, unit: Any, held: list[Signal]) -> list[list[Value]]:
    """The digit of the cycle before, with its sign at the top, times the activation."""
    width = a.digit_width
    found: list[Value] = []
    top = kept(1, "spec_top")
    m.d.sync += top.eq(unit.top)
    m.d.comb += Assert(unit.signed_digit == top)
    for row, (level, x) in enumerate(zip(held, unit.activations, strict=True)):
        rest = level.as_signed() >> picked([0, width], unit.level_digit)
        digit = _late(m, rest[:width], f"digit_{row}")
        m.d.comb += Assert(unit.digits[row] == digit)
        found.append(Mux(top, digit.as_signed(), digit) * x)
    return [found]


def entries(m: Module, a: Arch, unit: Any, held: list[Signal]) -> list[list[Value]]:
    """Of the row's word, the product that the field's digit selects."""
    width = a.weight_width
    found: list[Value] = []
    for word, field in zip(unit.words, held, strict=True):
        wide = field.as_signed() >> picked([i * (width - 1) for i in range(3)], unit.level_digit)
        code = Cat(wide[: width - 1], wide[width - 1] & unit.top)
        choices = [word[i].as_unsigned() for i in range(1 << width)]
        found.append(picked(choices, code)[: len(choices[0])].as_signed())
    return [found]


def shifts(m: Module, a: Arch, unit: Any, held: list[Signal]) -> list[list[Value]]:
    """+-activation * 2^shift, in the tree of even or odd entries; levels bit by bit, as even."""
    layout = entry_layout(a)
    even, odd = [], []
    for value, x in zip(held, unit.activations, strict=True):
        entry = {
            name: value[layout[name].offset :][: layout[name].width] for name in layout.members
        }
        plain = Mux(entry["present"], Mux(entry["negative"], -1, 1) * (x << entry["shift"]), 0)
        bit = (value >> unit.level_digit)[0]
        level = Mux(bit, Mux(unit.top, -1, 1) * (x << unit.level_digit), 0)
        flag = entry["odd"] & ~unit.bypass
        even.append(Mux(unit.bypass, level, Mux(flag, 0, plain)))
        odd.append(Mux(flag, plain, 0))
    for kind, wanted in enumerate((even, odd)):  # as they are between the two cycles
        early = [
            Mux(flag == kind, Mux(sign, -value, value), 0)
            for value, sign, flag in zip(*unit.parts, strict=True)
        ]
        m.d.comb += [
            Assert(value == _late(m, term, f"early_{kind}_{row}"))
            for row, (value, term) in enumerate(zip(early, wanted, strict=True))
        ]
    return [even, odd]


# -- a column ----------------------------------------------------------------------------------


def column(a: Arch, terms: Terms) -> Design:
    """Every place has the sum of the terms that were added to it since its last restart.

    Terms are those of the word that was taken last; one place, free but always the same, stands for
    all of them.
    """
    unit = a.lanes.holding(a)(a)
    m = unit.elaborate(None)
    held = _word(m, a, unit)
    if hasattr(unit, "level_digit"):  # as the array's schedule has it
        digits = a.lanes.schedule(a, act_width=a.act_width, level_width=a.level_width).level_digits
        m.d.comb += Assume(unit.level_digit < digits)
    sums = []
    for kind, wanted in enumerate(terms(m, a, unit, held)):
        now, stages = Signal(signed(a.acc_width), name=f"spec_now_{kind}"), unit.stages[kind]
        before = unit.term_cycles - 1 - unit.late_activations
        depth = before + len(stages) - unit.place_cycles
        line = [kept(signed(a.acc_width), f"spec_{kind}_{i}") for i in range(depth)]
        m.d.comb += now.eq(sum(wanted))
        m.d.sync += [new.eq(old) for new, old in zip(line, [now, *line], strict=False)]
        if unit.place_cycles:  # the tree sum at the place of its digit
            line.append(_late(m, (line[-1] << unit.shift)[: a.acc_width].as_signed(), "placed"))
        for stage, spec in zip(stages, line[before:], strict=True):
            m.d.comb += Assert(sum(stage)[: a.acc_width].as_signed() == spec)
        sums.append(line[-1])
    late = {name: _late(m, getattr(unit, name), f"{name}_late") for name in unit.late_ports}
    m.d.comb += [Assert(unit.now[name] == value) for name, value in late.items()]
    place = Signal.like(unit.place, name="any_place")
    always_same(m, place)
    expected = kept(signed(a.acc_width), "expected")
    _combined(m, unit, late, sums, place, expected) if len(sums) > 1 else _added(
        m, late, sums[0], place, expected
    )
    watch = unit.sums.read_port(domain="comb")
    m.d.comb += [
        watch.addr.eq(place),
        Assert(watch.data == expected),
        Assert((unit.read != place) | (unit.acc == expected)),
        Cover(expected < 0),
    ]
    return Design(module=m, ports=[*inputs(unit), place], shown=[*sums, expected])


def kept(shape: Any, name: str) -> Signal:
    """A register that no reset changes, as those of the column."""
    return Signal(shape, name=name, reset_less=True)


def always_same(m: Module, value: Signal) -> None:
    """`steady`, also where there is a reset."""
    before, started = kept(value.shape(), "before"), kept(1, "started")
    m.d.sync += [started.eq(1), before.eq(value)]
    m.d.comb += Assume(~started | (value == before))


def _word(m: Module, a: Arch, unit: HeldColumn) -> list[Signal]:
    """The lanes' registers: a word entered the station, and was taken from there."""
    width = a.lanes.held_width(a)
    station = [kept(width, f"spec_station_{r}") for r in range(a.rows)]
    held = [kept(width, f"spec_held_{r}") for r in range(a.rows)]
    with m.If(unit.enter):
        m.d.sync += [new.eq(value) for new, value in zip(station, unit.weights, strict=True)]
    with m.If(unit.word):
        m.d.sync += [new.eq(value) for new, value in zip(held, station, strict=True)]
    for found, wanted in ((unit.station, station), (unit.held, held)):
        m.d.comb += [Assert(x == y) for x, y in zip(found, wanted, strict=True)]
    return held


def _late(m: Module, value: Value, name: str) -> Signal:
    """What it was in the cycle before; flags are cleared by a reset, as those of the column."""
    late = Signal(value.shape(), name=f"spec_{name}", reset_less=len(value) > 1)
    m.d.sync += late.eq(value)
    return late


def _added(
    m: Module, late: dict[str, Signal], total: Signal, place: Signal, expected: Signal
) -> None:
    """What comes out of the tree is added."""
    with m.If(late["add"] & (late["place"] == place)):
        m.d.sync += expected.eq(Mux(late["restart"], 0, expected) + total)


def _combined(
    m: Module,
    unit: Any,
    late: dict[str, Signal],
    sums: list[Signal],
    place: Signal,
    expected: Signal,
) -> None:
    """Two sums per slot; when they end, the first plus factor times the second is the result.

    Assumed: a sum ends with something that is added, and is combined in the next two cycles.
    """
    ends = late["ends"] & (late["place"] == place)
    ended = _late(m, ends, "ended")
    combined = _late(m, ended, "combined_here")
    m.d.comb += [
        Assume(~unit.ends | unit.add),
        Assume((unit.combined & (unit.combined_place == place)) == ended),
        Assert(~late["ends"] | late["add"]),
        Assert((late["combined"] & (late["combined_place"] == place)) == combined),
    ]
    done = []
    for kind, total in enumerate(sums):
        running, last = (kept(expected.shape(), f"{name}_{kind}") for name in ("run", "done"))
        now = Signal.like(expected, name=f"now_{kind}")
        watch = unit.running[kind].read_port(domain="comb")
        m.d.comb += now.eq(Mux(late["restart"], 0, running) + total)
        with m.If(late["add"] & (late["place"][:-1] == place[:-1])):
            m.d.sync += running.eq(now)
        with m.If(ends):
            m.d.sync += last.eq(now)
        m.d.comb += [
            watch.addr.eq(place[:-1]),
            Assert(watch.data == running),
            Assert(~ended | (unit.ended[kind] == last)),
        ]
        done.append(last)
    products = [done[0], (unit.factor * done[1])[: len(expected)].as_signed()]
    parts = [_late(m, value, f"part_{kind}") for kind, value in enumerate(products)]
    m.d.comb += [
        Assert(~combined | (found == part))
        for found, part in zip(unit.combining, parts, strict=True)
    ]
    with m.If(combined):
        m.d.sync += expected.eq(sum(parts))


# -- the array ---------------------------------------------------------------------------------


def groups(micro: str) -> Design:
    """A group for every `closes` beat, in order; no sum is written in a bank that is offered.

    Words are taken only out of a full station. Assumed: beats of a group come between the one that
    opens and the one that closes it, which ends its pixel's sums; positions come in order.
    """
    unit = HeldArray(arch(micro, rows=1, cols=2, fill=2))
    m = unit.elaborate(None)
    r, beat = unit.registers, unit.beats.payload
    banks, station, complete = r["banks"], r["station"], r["complete"]
    accept = Signal(name="accept")
    m.d.comb += accept.eq(unit.beats.valid & unit.beats.ready)
    grouped = _in_order(m, unit, accept)
    occupied = r["steps"].registers["occupied"] if "steps" in r else r["control"].adds
    closing = occupied & r["closes"]
    pipeline = [closing, *complete[1:], *r["completed"][1:]]  # closed, not complete
    offered_stays(m, unit.groups)
    went = unit.groups.valid & unit.groups.ready
    as_many(m, accept & beat.closes, went, [*pipeline, banks.completed])
    if "steps" in r:  # a beat that closes its group ends its pixel's sums
        m.d.comb += Assert(~closing | r["steps"].registers["last"])
    else:
        m.d.comb += Assert(~closing | r["control"].ends)
    m.d.comb += [
        Assert(banks.taken == sum(pipeline) + banks.completed + grouped),
        Assert(banks.taken <= BANKS),
        Assert(banks.completing == (banks.reading ^ banks.completed[0])),
        Assert(banks.filling == (banks.completing ^ sum(pipeline)[0])),
        Assert(~station.take | station.full),
        Assert(~(accept & beat.word) | station.take),
    ]
    adds = [*r["add"], unit.columns[0].now["add"]]
    m.d.comb += [Assert(~ends | add) for ends, add in zip(r["ends"], adds, strict=True)]
    stages = [occupied, *adds[1:], *r["combined"][1:]]
    for number, (valid, place) in enumerate(zip(stages, r["places"], strict=True)):
        older = sum(pipeline[number + 1 :]) if pipeline[number + 1 :] else Const(0)
        m.d.comb += [
            Assert(~valid | (place[-1] == banks.completing ^ older[0])),
            Assert(~valid | grouped | Cat(pipeline[: number + 1]).any()),
        ]
    writes, place = stages[-1], r["places"][-1]
    m.d.comb += [
        Assert(~(writes & unit.groups.valid & (place[-1] == banks.reading))),
        Cover(writes & unit.groups.valid),
    ]
    return Design(module=m, ports=inputs(unit), shown=[banks.taken, banks.completed])


def _in_order(m: Module, unit: HeldArray, accept: Signal) -> Signal:
    """Assume beats and fields as the feed sends them; a group is open."""
    beat, fields, station = unit.beats.payload, unit.fields, unit.registers["station"]
    grouped, due = Signal(name="grouped"), Signal(name="due")
    with m.If(accept):
        m.d.sync += grouped.eq(~beat.closes)
    with m.If(fields.valid & fields.ready):
        m.d.sync += due.eq(~due)
    m.d.comb += [
        Assume(~unit.beats.valid | (beat.opens == ~grouped)),
        Assume(~beat.closes | beat.last),
        Assume(~fields.valid | (fields.payload.position == due)),
        Assert(~station.full | ~due),
    ]
    return grouped


COLUMNS: tuple[tuple[str, Terms, dict[str, int]], ...] = (
    (DEFAULT, products, {}),
    (BASELINE, digits, {"multiply_width": 2}),
    (BitSerial.name, bits, {}),
    (SharedProducts.name, entries, {}),
    (ShiftAdd.name, shifts, {}),
)
"""Micro, its terms, widths. `DEFAULT` holds levels, as `BASELINE` with wide multipliers does."""
