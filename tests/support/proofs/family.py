"""Columns without a multiplier per lane: every stage against its specification, for any digits.

What the array's schedule sends (each digit of a beat once) makes of these stages a sum of
level x activation: `columns.digit_sum`, `tests/formal/test_proofs.py`; for bins, distributivity.
"""

from collections.abc import Callable
from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Module, Mux, Signal, signed

from adqhw.rtl.arch import Arch
from adqhw.rtl.lookup_mac import column_for
from adqhw.rtl.product_table import ProductTable
from adqhw.rtl.schedule import bin_count, table_digits
from adqhw.rtl.shift_add import ShiftCodebook

from .columns import assume_codes, assume_inputs
from .prover import Design


def _kept(m: Module, unit, wanted: list, shape, name: str) -> list[Signal]:
    """What `take` keeps of each row: `wanted`, or 0 without a beat."""
    kept = [Signal(shape, name=f"spec_{name}_{r}") for r in range(len(wanted))]
    with m.If(unit.take):
        m.d.sync += [k.eq(Mux(unit.load, w, 0)) for k, w in zip(kept, wanted, strict=True)]
    return kept


def _ports(unit, arrays: tuple[str, ...], controls: tuple[str, ...]) -> list:
    return [getattr(unit, n).as_value() for n in arrays] + [getattr(unit, n) for n in controls]


def _picked(choices: list, index) -> object:
    """`choices[index]` as a sum of masked choices: another selector than the unit's."""
    return reduce(or_, [Mux(index == i, c, 0) for i, c in enumerate(choices)])


def product_table(a: Arch) -> Design:
    """A lane's product is the word's entry at the digit of the field, 0 without a beat."""
    unit = column_for(a)
    m, rows, width = unit.elaborate(None), range(a.rows), a.weight_width
    count = table_digits(a, a.level_width)
    m.d.comb += [Assume(unit.words[r][0] == 0) for r in rows]  # level 0 is 0
    m.d.comb += Assume(unit.level_digit < count)
    field = _kept(m, unit, [unit.weights[r] for r in rows], a.field_width, "field")
    product = [Signal.like(unit.products[r], name=f"spec_product_{r}") for r in rows]
    beat, expected = (Signal(signed(a.acc_width), name=n) for n in ("spec_sum", "expected"))
    with m.If(unit.advance):
        for r in rows:
            wide = field[r].as_signed()
            if count > 1:
                wide = wide >> _picked([d * (width - 1) for d in range(count)], unit.level_digit)
            code = Signal(width, name=f"spec_code_{r}")
            m.d.comb += code.eq(Cat(wide[: width - 1], wide[width - 1] & unit.top))
            words = [unit.words[r][code_].as_unsigned() for code_ in range(1 << width)]
            # 256 words: Amaranth's own selection, as for 256 levels in `columns`
            chosen = Array(words)[code] if width > 4 else _picked(words, code)
            m.d.sync += product[r].eq(chosen[: len(product[r])].as_signed())
        m.d.sync += beat.eq(sum(product))
        with m.If(unit.add):
            m.d.sync += expected.eq(Mux(unit.restart, 0, expected) + (beat << unit.shift))
    for r in rows:
        m.d.comb += Assert(unit.live[r] == (field[r] != 0))
        m.d.comb += Assert(~unit.live[r] | (unit.fields[r] == field[r]))
        m.d.comb += Assert(unit.products[r] == product[r])
    m.d.comb += [
        Assert(unit.total == beat), Assert(unit.acc == expected),
        Cover((expected < 0) & (unit.shift == 1) & ~unit.advance & (product[0] != 0)),
    ]  # fmt: skip
    controls = ("advance", "take", "load", "top", "level_digit", "shift", "add", "restart")
    shown = [unit.total, beat, unit.acc, expected]
    return Design(module=m, ports=_ports(unit, ("words", "weights"), controls), shown=shown)


def table(a: Arch) -> Design:
    """Once built, word d holds level(code) x d; levels change in the cycle after `start` only.

    The code looked at is a free constant: what holds for it holds for every code.
    """
    code = Signal(a.weight_width, name="code")
    codes = range(1 << a.weight_width)
    return _table(a, ProductTable(a), code, lambda word: Array([word[c] for c in codes])[code])


def _table(a: Arch, unit: ProductTable, code: Signal, of_code: Callable[[Any], Any]) -> Design:
    """`of_code` picks what belongs to `code` from a word."""
    m = unit.elaborate(None)
    levels = Cat(unit.bypass, unit.codebook.as_value())
    before, started = Signal.like(levels, name="levels_before"), Signal(name="was_start", init=1)
    m.d.sync += [before.eq(levels), started.eq(unit.start)]
    m.d.comb += Assume(started | (levels == before))
    top = unit.words_count
    m.d.comb += Assert((unit.number >= 1) & (unit.number <= top))
    m.d.comb += Assert(unit.built == (unit.number == top))
    _steady(m, code)
    # contract section 2: stored levels are two's complement
    level = Signal(signed(a.level_width), name="level")
    m.d.comb += level.eq(Mux(unit.bypass, code.as_signed(), of_code(unit.codebook)))
    times = [Signal.like(unit.newest[0], name=f"times_{d}") for d in range(top)]
    m.d.comb += [times[d].eq(times[d - 1] + level) for d in range(1, top)]
    newest = Signal.like(unit.newest[0], name="newest_of_code")
    m.d.comb += newest.eq(of_code(unit.newest))
    for d in range(top):
        m.d.comb += Assert((unit.number != d + 1) | (newest == times[d]))
        if d:
            m.d.comb += Assert((unit.number <= d) | (of_code(unit.table[d - 1]) == times[d]))
        for row in range(a.rows):
            selected = of_code(unit.words[row]) == times[d]
            m.d.comb += Assert(~unit.built | (unit.digits[row] != d) | selected)
    m.d.comb += [
        Cover(unit.built & (of_code(unit.words[0]) < -1)),
        Cover(unit.built & unit.bypass & (unit.digits[0] == top - 1)),
    ]
    ports = [unit.codebook.as_value(), unit.bypass, unit.start, unit.digits.as_value(), code]
    return Design(module=m, ports=ports, shown=[unit.number, newest, level])


class _AnyCode(ProductTable):
    """The slice of one code; which one, and so what it is worth bypassed, is left open."""

    def __init__(self, arch: Arch) -> None:
        super().__init__(arch, codes=1)
        self.code = Signal(arch.weight_width, name="code")

    def _level(self, code):
        return Mux(self.bypass, self.code.as_signed(), self.codebook[code])


def table_slice(a: Arch) -> Design:
    """`table` for one slice: all slices are made by one loop and share the counter alone."""
    unit = _AnyCode(a)
    return _table(a, unit, unit.code, lambda word: word[0])


def _steady(m: Module, value: Signal) -> None:
    """`value` is free, but the same for ever: the array changes it only when it is empty."""
    before, started = Signal.like(value, name="steady"), Signal(name="started")
    m.d.sync += [started.eq(1), before.eq(value)]
    m.d.comb += Assume(~started | (value == before))


def shift_add(a: Arch) -> Design:
    """A lane adds +-(activation << shift) to the even or the odd sum; factor once per output."""
    unit = column_for(a)
    m, rows = unit.elaborate(None), range(a.rows)
    _steady(m, unit.bypass)
    assume_codes(m, a, unit)
    m.d.comb += Assume(~unit.entries[0].present)  # level 0 is 0
    m.d.comb += Assume(unit.level_digit < a.level_width)
    size = len(unit.entries[0].as_value())
    looked_up = [
        _picked([e.as_value() for e in unit.entries], unit.weights[r][: a.weight_width])
        if a.weight_width <= 4
        else unit.entries[unit.weights[r][: a.weight_width]].as_value()
        for r in rows
    ]
    entry = _kept(m, unit, looked_up, size, "entry")
    field = _kept(m, unit, [unit.weights[r] for r in rows], a.level_width, "field")
    act = _kept(m, unit, [unit.activations[r] for r in rows], a.act_width, "act")
    term = [[Signal.like(unit.terms[r], name=f"spec_term_{k}_{r}") for r in rows] for k in (0, 1)]
    total = [Signal(signed(a.acc_width), name=f"spec_total_{k}") for k in (0, 1)]
    held = [Signal(signed(a.acc_width), name=f"spec_held_{k}") for k in (0, 1)]
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
                m.d.sync += held[kind].eq(Mux(unit.restart, 0, held[kind]) + total[kind])
        with m.If(unit.combine):
            m.d.sync += expected.eq(held[0] + unit.factor * held[1])
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
        m.d.comb += Assert(unit.sums[kind] == held[kind])
    m.d.comb += [
        Assert(unit.acc == expected),
        Cover((expected < 0) & (held[1] != 0) & ~unit.advance),
    ]
    controls = ("bypass", "advance", "take", "load", "top", "level_digit", "add", "restart")
    ports = _ports(unit, ("activations", "weights", "entries"), (*controls, "combine", "factor"))
    return Design(module=m, ports=ports, shown=[*unit.sums, *held, unit.acc, expected])


def shift_codebook(a: Arch) -> Design:
    """Entries are the levels written, if those are 0, +-2^s or +-C * 2^s with one odd C > 1."""
    unit = ShiftCodebook(a)
    m, payload = unit.elaborate(None), unit.levels.payload
    common = Signal(a.level_width, name="common")
    _steady(m, common)
    size = Signal(a.level_width, name="size")
    places = range(a.level_width)
    powers = reduce(or_, [size == 1 << s for s in places])
    # a magnitude has level_width bits: 2^(level_width - 1) is one
    odd = reduce(or_, [size == (common << s) for s in places])
    m.d.comb += [
        size.eq(Mux(payload.level < 0, -payload.level, payload.level)),
        Assume(common[0] & (common > 1)),
        Assume(~unit.levels.valid | (size == 0) | powers | odd),
    ]
    code = Signal(a.weight_width, name="code")  # free: what holds for it holds for every code
    _steady(m, code)
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


def binned(a: Arch) -> Design:
    """Any bin is the sum of the activations of its code; one that leaves adds its level times it.

    Bins are modulo 2^bin_width, which is exact because a bin is checked to hold its sum.
    """
    unit = column_for(a)
    m, rows, bins = unit.elaborate(None), range(a.rows), bin_count(a)
    _steady(m, unit.bypass)
    assume_inputs(m, a, unit)
    m.d.comb += Assume((unit.bin < bins) & (unit.level_digit < a.level_width))
    m.d.comb += Assume(~unit.bypass | (unit.bin < a.level_width))
    field = _kept(m, unit, [unit.weights[r] for r in rows], a.field_width, "field")
    act = _kept(m, unit, [unit.activations[r] for r in rows], a.act_width, "act")
    which = Signal(range(bins), name="which")  # free: what holds for it holds for every bin
    _steady(m, which)
    m.d.comb += Assume(which < bins)
    held = [Signal(a.bin_width, name=f"spec_bin_{r}") for r in rows]
    total = Signal.like(unit.total, name="spec_total")
    level, product = Signal.like(unit.level, name="spec_level"), Signal.like(unit.product)
    left = Signal(name="left")  # what left last is that bin
    expected = Signal(signed(a.acc_width), name="expected")
    with m.If(unit.advance):
        for r in rows:
            bit = field[r].bit_select(which, 1) & (unit.level_digit == which)
            hit = Mux(unit.bypass, bit, field[r][: a.weight_width] == which + 1)
            with m.If(unit.final), m.If(unit.bin == which):
                m.d.sync += held[r].eq(0)
            with m.Elif(unit.working & hit):
                m.d.sync += held[r].eq(held[r] + act[r])
        with m.If(unit.final):
            one = Array(1 << bit for bit in range(a.level_width))[which]
            place = Mux(unit.top_bin, -one, one)[: a.level_width]
            codes = [unit.codebook[min(b + 1, len(unit.codebook) - 1)] for b in range(bins)]
            worth = Mux(unit.bypass, place.as_signed(), Array(codes)[which])
            m.d.sync += [total.eq(sum(held)), level.eq(worth), left.eq(unit.bin == which)]
        m.d.sync += product.eq(unit.total * unit.level)
        with m.If(unit.add):
            m.d.sync += expected.eq(Mux(unit.restart, 0, expected) + product)
    for r in rows:
        same = (unit.fields[r] == field[r]) & (unit.operands[r] == act[r])
        m.d.comb += Assert(~unit.live[r] | same)
        m.d.comb += Assert(unit.live[r] == (field[r] != 0))
        m.d.comb += Assert(unit.bypass | (field[r][a.weight_width :] == 0))
        m.d.comb += [Assert((which != b) | (unit.bins[r][b] == held[r])) for b in range(bins)]
    m.d.comb += [
        Assert(~left | ((unit.total == total) & (unit.level == level))),
        Assert(unit.product == product), Assert(unit.acc == expected),
        Cover(left & (expected < 0) & ~unit.advance & (total > 1)),
    ]  # fmt: skip
    controls = ("bypass", "advance", "take", "load", "level_digit", "bin", "working", "final")
    ports = _ports(unit, ("activations", "weights", "codebook"), controls)
    ports += [unit.top_bin, unit.add, unit.restart, which]
    return Design(module=m, ports=ports, shown=[unit.total, total, unit.acc, expected])
