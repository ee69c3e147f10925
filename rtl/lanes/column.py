"""Base of the columns of all micro-architectures."""

from abc import ABC, abstractmethod

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from ..arch.arch import Arch
from ..timing.timing import column_latency


class Column(wiring.Component, ABC):
    """One output channel's dot product, `acc = sum(level * activation)`, modulo 2^acc_width.

    The finished sum fits (contract section 3), so that modulo loses nothing.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(self.ports(arch))

    @staticmethod
    @abstractmethod
    def ports(arch: Arch) -> dict[str, wiring.Member]:
        """Members of the signature; all but `acc` are inputs, driven by the array."""

    @property
    def latency(self) -> int:
        """Cycles from a beat to its sum, in a layer of one cycle per beat."""
        return column_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1


def adder_tree(terms: list[Value]) -> Value:
    """Balanced, growing sum: no bit is lost."""
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = pairs + ([terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def lane_ports(arch: Arch) -> dict[str, wiring.Member]:
    """Members of every column whose lanes look levels up: the beat's operands and the table."""
    return {
        "activations": In(data.ArrayLayout(unsigned(arch.act_width), arch.rows)),
        "weights": In(data.ArrayLayout(unsigned(arch.field_width), arch.rows)),
        "codebook": In(data.ArrayLayout(signed(arch.level_width), 1 << arch.weight_width)),
    }


def add_shifted(m: Module, column: wiring.Component, terms: list[Signal]) -> Signal:
    """Tree sum and accumulator of a column that takes its operands digit by digit; the tree sum."""
    tree = adder_tree(terms)
    total = Signal(signed(min(len(tree), column.arch.acc_width)), name="total")
    with m.If(column.advance):
        m.d.sync += total.eq(tree)
        with m.If(column.add):
            m.d.sync += column.acc.eq(Mux(column.restart, 0, column.acc) + (total << column.shift))
    return total


def codebook_levels(m: Module, array: wiring.Component) -> Value:
    """Registers of the array's codebook, level by code."""
    arch, entry = array.arch, array.codebook.payload
    # Level 0 is 0 (contract section 2): it costs no flip-flops.
    codes = range(1, 1 << arch.weight_width)
    levels = [Signal(signed(arch.level_width), name=f"level_{code}") for code in codes]
    with m.If(array.codebook.valid), m.Switch(entry.code):
        for code, level in zip(codes, levels, strict=True):
            with m.Case(code):
                m.d.sync += level.eq(entry.level)
    return Cat(Const(0, arch.level_width), *levels)


def looked_up(array: wiring.Component, tables: dict[str, Value], field: Value) -> Value:
    """The level of a weight field: of the codebook or, bypassed, the field itself."""
    arch = array.arch
    shape = data.ArrayLayout(signed(arch.level_width), 1 << arch.weight_width)
    book = data.View(shape, tables["codebook"])
    stored = field[: arch.level_width].as_signed()
    return Mux(array.bypass, stored, book[field[: arch.weight_width]])
