"""The shared table of level x activation digit: its words, how it is built, its widths."""

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch


def table_slice(arch: Arch) -> int:
    """Bits of the activation digit that the table is indexed with."""
    return min(arch.act_width, 4)


def table_digits(arch: Arch, width: int) -> int:
    """Look-ups for a stored level of `width` bits.

    The table then holds the products of the two's complement integers of `weight_width` bits. The
    top digit uses all of them, a lower one only the non-negative half: weight_width - 1 bits.
    """
    return max(1, -(-(width - 1) // (arch.weight_width - 1)))


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


def build_cycles(arch: Arch) -> int:
    """Cycles in which the table is built: a word each; word 0 is 0, not stored."""
    return (1 << table_slice(arch)) - 1


class ProductTable(wiring.Component):
    """Word a = (level(0) * a, level(1) * a, ..), one adder per code: word a + 1 is word a + word 1.

    It is rebuilt whenever the codebook or the configuration is written, `build_cycles` long
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
        return build_cycles(self.arch)

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
