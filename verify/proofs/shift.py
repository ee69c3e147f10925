"""Shift and add: terms of a lane, its even and its odd sum, and the entries of the codebook."""

from functools import reduce
from operator import or_

from amaranth.hdl import Array, Assert, Assume, Cover, Mux, Signal, signed

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.shift_codebook import ShiftCodebook

from .columns import assume_codes
from .multi_cycle import latched, picked, port_list, steady
from .prover import Design


def shift_add(a: Arch) -> Design:
    """A lane adds +-(activation << shift) to the even or the odd sum; factor once per output."""
    unit = a.lanes.column(a)
    m, rows = unit.elaborate(None), range(a.rows)
    steady(m, unit.bypass)
    assume_codes(m, a, unit)
    m.d.comb += Assume(~unit.entries[0].present)  # level 0 is 0
    m.d.comb += Assume(unit.level_digit < a.level_width)
    size = len(unit.entries[0].as_value())
    looked_up = [
        picked([e.as_value() for e in unit.entries], unit.weights[r][: a.weight_width])
        if a.weight_width <= 4
        else unit.entries[unit.weights[r][: a.weight_width]].as_value()
        for r in rows
    ]
    entry = latched(m, unit, looked_up, size, "entry")
    field = latched(m, unit, [unit.weights[r] for r in rows], a.level_width, "field")
    act = latched(m, unit, [unit.activations[r] for r in rows], a.act_width, "act")
    term = [[Signal.like(unit.terms[r], name=f"spec_term_{k}_{r}") for r in rows] for k in (0, 1)]
    total = [Signal(signed(a.acc_width), name=f"spec_total_{k}") for k in (0, 1)]
    stored = [Signal(signed(a.acc_width), name=f"spec_held_{k}") for k in (0, 1)]
    expected = Signal(signed(a.acc_width), name="expected")
    with m.If(unit.advance):
        for r in rows:
            present, negative, odd, shift = entry[r][0], entry[r][1], entry[r][2], entry[r][3:]
            place = Mux(unit.bypass, unit.level_digit, shift)
            size = (act[r] << place)[: len(unit.terms[r]) - 1]
            value = Mux(Mux(unit.bypass, unit.top, negative), -size, size)
            counts = Mux(unit.bypass, (field[r] >> unit.level_digit)[0], present)
            for kind in (0, 1):
                mine = counts & ((odd & ~unit.bypass) == kind)
                m.d.sync += term[kind][r].eq(Mux(mine, value, 0))
        for kind in (0, 1):
            m.d.sync += total[kind].eq(sum(term[kind]))
            with m.If(unit.add):
                m.d.sync += stored[kind].eq(Mux(unit.restart, 0, stored[kind]) + total[kind])
        with m.If(unit.combine):
            m.d.sync += expected.eq(stored[0] + unit.factor * stored[1])
    for r in rows:
        same = Mux(
            unit.bypass, unit.fields[r] == field[r], unit.entry[r].as_value() == entry[r]
        ) & (unit.operands[r] == act[r])
        nothing = Mux(unit.bypass, field[r] == 0, ~entry[r][0])
        m.d.comb += Assert(Mux(unit.live[r], same, nothing))
        for kind in (0, 1):
            mine = Mux(unit.odd[r] == kind, unit.terms[r], 0)
            m.d.comb += Assert(mine == term[kind][r])
    for kind in (0, 1):
        m.d.comb += Assert(unit.totals[kind] == total[kind])
        m.d.comb += Assert(unit.sums[kind] == stored[kind])
    m.d.comb += [
        Assert(unit.acc == expected),
        Cover((expected < 0) & (stored[1] != 0) & ~unit.advance),
    ]
    controls = ("bypass", "advance", "take", "load", "top", "level_digit", "add", "restart")
    ports = port_list(unit, ("activations", "weights", "entries"), (*controls, "combine", "factor"))
    return Design(module=m, ports=ports, shown=[*unit.sums, *stored, unit.acc, expected])


def shift_codebook(a: Arch) -> Design:
    """Entries are the levels written, if those are 0, +-2^s or +-C * 2^s with one odd C > 1."""
    unit = ShiftCodebook(a)
    m, payload = unit.elaborate(None), unit.levels.payload
    common = Signal(a.level_width, name="common")
    steady(m, common)
    size = Signal(a.level_width, name="size")
    bits = range(a.level_width)
    powers = reduce(or_, [size == 1 << s for s in bits])
    # a magnitude has level_width bits: 2^(level_width - 1) is one
    odd = reduce(or_, [size == (common << s) for s in bits])
    m.d.comb += [
        size.eq(Mux(payload.level < 0, -payload.level, payload.level)),
        Assume(common[0] & (common > 1)),
        Assume(~unit.levels.valid | (size == 0) | powers | odd),
    ]
    code = Signal(a.weight_width, name="code")  # free: what holds for it holds for every code
    steady(m, code)
    written = Signal(signed(a.level_width), name="written")
    with m.If(unit.levels.valid & (payload.code == code)):
        m.d.sync += written.eq(payload.level)
    e = Signal.like(unit.entries[0], name="entry_of_code")
    m.d.comb += e.eq(Array([unit.entries[c] for c in range(1 << a.weight_width)])[code])
    value = Mux(e.odd, common, 1) << e.shift
    level = Mux(e.present, Mux(e.negative, -value, value), 0)
    m.d.comb += [
        Assert(written == level),
        Assert(~e.odd | (unit.factor == common)),
        Cover(e.odd & (written < -common)),
    ]
    ports = [payload.as_value(), unit.levels.valid, common, code]
    return Design(module=m, ports=ports, shown=[unit.factor, common])
