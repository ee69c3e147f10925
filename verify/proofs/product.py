"""The product table: a lane's products, and the table that is built when codes change."""

from collections.abc import Callable
from typing import Any

from amaranth.hdl import Array, Assert, Assume, Cat, Cover, Mux, Signal, signed

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.shared_table import ProductTable, table_digits

from .multi_cycle import latched, picked, port_list, steady
from .prover import Design


def product_table(a: Arch) -> Design:
    """A lane's product is the word's entry at the digit of the field, 0 without a beat."""
    unit = a.lanes.column(a)
    m, rows, width = unit.elaborate(None), range(a.rows), a.weight_width
    count = table_digits(a, a.level_width)
    m.d.comb += [Assume(unit.words[r][0] == 0) for r in rows]  # level 0 is 0
    m.d.comb += Assume(unit.level_digit < count)
    field = latched(m, unit, [unit.weights[r] for r in rows], a.field_width, "field")
    product = [Signal.like(unit.products[r], name=f"spec_product_{r}") for r in rows]
    beat, expected = (Signal(signed(a.acc_width), name=n) for n in ("spec_sum", "expected"))
    with m.If(unit.advance):
        for r in rows:
            wide = field[r].as_signed()
            if count > 1:
                wide = wide >> picked([d * (width - 1) for d in range(count)], unit.level_digit)
            code = Signal(width, name=f"spec_code_{r}")
            m.d.comb += code.eq(Cat(wide[: width - 1], wide[width - 1] & unit.top))
            words = [unit.words[r][code_].as_unsigned() for code_ in range(1 << width)]
            # 256 words: Amaranth's own selection, as for 256 levels in `columns`
            chosen: Any = Array(words)[code] if width > 4 else picked(words, code)
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
    return Design(module=m, ports=port_list(unit, ("words", "weights"), controls), shown=shown)


def table(a: Arch) -> Design:
    """Once built, word d holds level(code) x d; levels change in the cycle after `start` only.

    The code looked at is a free constant: what holds for it holds for every code.
    """
    code = Signal(a.weight_width, name="code")
    codes = range(1 << a.weight_width)
    return _table(a, ProductTable(a), code, lambda word: Array([word[c] for c in codes])[code])


def _table(a: Arch, unit: ProductTable, code: Signal, of_code: Callable[[Any], Any]) -> Design:
    """`of_code` selects the part of a word that belongs to `code`."""
    m = unit.elaborate(None)
    levels = Cat(unit.bypass, unit.codebook.as_value())
    before, started = Signal.like(levels, name="levels_before"), Signal(name="was_start", init=1)
    m.d.sync += [before.eq(levels), started.eq(unit.start)]
    m.d.comb += Assume(started | (levels == before))
    top = unit.words_count
    m.d.comb += Assert((unit.number >= 1) & (unit.number <= top))
    m.d.comb += Assert(unit.built == (unit.number == top))
    steady(m, code)
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
