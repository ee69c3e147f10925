"""Product table: level x activation digit for all codes, built by additions, shared by lanes."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..timing.schedule import schedule_widths, table_build_cycles, table_digits, table_slice
from .column import Column, adder_tree


def product_width(arch: Arch) -> int:
    """Bits of a product of the table: a level, or an integer of `weight_width` bits."""
    return arch.field_width + table_slice(arch)


def words_layout(arch: Arch, codes: int | None = None) -> data.ArrayLayout:
    """The word that each row's activation digit selects: the digit's products by code."""
    word = data.ArrayLayout(signed(product_width(arch)), codes or 1 << arch.weight_width)
    return data.ArrayLayout(word, arch.rows)


def shift_width(arch: Arch) -> int:
    """Bits of the shift amount of a product."""
    most = arch.act_width + arch.level_width + arch.weight_width
    return most.bit_length()


class ProductTable(wiring.Component):
    """Word a = (level(0) * a, level(1) * a, ..), one adder per code: word a + 1 is word a + word 1.

    It is built anew whenever the codebook or the configuration is written, `build_cycles` long
    (word 0 is 0 and is not stored). Bypassed, the levels are the two's complement integers of
    `weight_width` bits, of which stored levels are composed digit by digit.

    Latency: 0 from a digit to its word. Throughput: a word per row and cycle.

    Members
    -------
    codebook, bypass : what to build from. start : build. built : the words are valid.
    digits : of the rows' activations. words : `words_layout`.

    codes: how many; each has its slice of every word, of its level alone (a proof looks at one).
    """

    def __init__(self, arch: Arch, codes: int | None = None) -> None:
        self.arch = arch
        self.codes = codes or 1 << arch.weight_width
        level, codes = signed(arch.level_width), self.codes
        self.words_count = 1 << table_slice(arch)
        super().__init__(
            {
                "codebook": In(data.ArrayLayout(level, codes)),
                "bypass": In(1),
                "start": In(1),
                "built": Out(1),
                "digits": In(data.ArrayLayout(unsigned(table_slice(arch)), arch.rows)),
                "words": Out(words_layout(arch, codes)),
            }
        )

    @property
    def build_cycles(self) -> int:
        return table_build_cycles(self.arch)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        word = words_layout(self.arch, self.codes).elem_shape
        stored = range(1, self.words_count)
        table = self.table = [Signal(word, name=f"word_{i}") for i in stored]
        newest = self.newest = Signal(word)
        following, number = Signal(word), Signal(range(1, self.words_count + 1), init=1)
        self.number = number
        for code in range(self.codes):
            m.d.comb += following[code].eq(newest[code] + self._level(code))
        m.d.comb += self.built.eq(number == self.words_count)
        with m.If(self.start):
            m.d.sync += [number.eq(1), newest.eq(0)]
        with m.Elif(~self.built):
            m.d.sync += [number.eq(number + 1), newest.eq(following)]
            with m.Switch(number):
                for i, entry in zip(stored, table, strict=True):
                    with m.Case(i):
                        m.d.sync += entry.eq(following)
        zero = Const(0, word.size)
        for row in range(self.arch.rows):
            choice = Array([zero, *(entry.as_value() for entry in table)])
            m.d.comb += self.words[row].as_value().eq(choice[self.digits[row]])
        return m

    def _level(self, code: int) -> Value:
        width = self.arch.weight_width
        integer = code - ((1 << width) if code >> (width - 1) else 0)
        return Mux(self.bypass, Const(integer, signed(width)), self.codebook[code])


class ProductTableColumn(Column):
    """`acc = sum(product)`: every lane selects from its row's word with its code; no multiplier.

    Stages: weight registers, selected products, tree sum, shift and accumulator. Activations wider
    than a digit and stored levels take several cycles, each product shifted by its digits' places.
    A lane whose weight field is 0 is gated: its weight register holds and its product is 0.

    Latency: 3 cycles from the weight registers' last digit to the accumulator. Throughput: a beat
    in act_digits * level_digits cycles.

    Members
    -------
    words : of the rows (`words_layout`), shared by the columns. weights : fields.
    advance, take, load, add, restart, acc : as in `BitSerialColumn`.
    level_digit : of the weights, at work. top : it is the highest. shift : of the tree sum.
    fields, live, products, total : the registers, for tests and proofs.
    """

    def __init__(self, arch: Arch) -> None:
        lanes = range(arch.rows)
        self.fields = [Signal(arch.field_width, name=f"field_{row}") for row in lanes]
        self.live = [Signal(name=f"live_{row}") for row in lanes]
        product = signed(product_width(arch))
        self.products = [Signal(product, name=f"product_{row}") for row in lanes]
        super().__init__(arch)

    @staticmethod
    def ports(arch: Arch) -> dict[str, wiring.Member]:
        return {
            "words": In(words_layout(arch)),
            "weights": In(data.ArrayLayout(unsigned(arch.field_width), arch.rows)),
            **{name: In(1) for name in ("advance", "take", "load", "top")},
            "level_digit": In(schedule_widths(arch)["level_digits"]),
            "shift": In(shift_width(arch)),
            "add": In(1),
            "restart": In(1),
            "acc": Out(signed(arch.acc_width)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row in range(self.arch.rows):
            self._lane(m, row)
        tree = adder_tree(self.products)
        total = self.total = Signal(signed(min(len(tree), self.arch.acc_width)))
        with m.If(self.advance):
            m.d.sync += total.eq(tree)
            with m.If(self.add):
                m.d.sync += self.acc.eq(Mux(self.restart, 0, self.acc) + (total << self.shift))
        return m

    def _lane(self, m: Module, row: int) -> None:
        weight, field, live = self.weights[row], self.fields[row], self.live[row]
        use = Signal(name=f"use_{row}")
        m.d.comb += use.eq(self.load & weight.any())
        with m.If(self.take):
            m.d.sync += live.eq(use)
            with m.If(use):
                m.d.sync += field.eq(weight)
        code = Signal(self.arch.weight_width, name=f"code_{row}")
        m.d.comb += code.eq(self._digit(field))
        with m.If(self.advance):
            m.d.sync += self.products[row].eq(Mux(live, self.words[row][code], 0))

    def _digit(self, field: Value) -> Value:
        """The digit at work; below the top one without its highest bit, so that it is positive."""
        width = self.arch.weight_width
        count = table_digits(self.arch, self.arch.level_width)
        extended = Cat(field, field[-1].replicate(width))
        places = (
            extended[at : at + width] for at in range(0, count * (width - 1), max(1, width - 1))
        )
        digit = Array(places)[self.level_digit] if count > 1 else field[:width]
        return Cat(digit[: width - 1], digit[width - 1] & self.top)
