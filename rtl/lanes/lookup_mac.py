"""Lookup-MAC columns of one cycle per beat: `rows` lanes with a multiplier each, `decode` and
`uniform`; and the choice of the column class by `Micro`."""

from abc import abstractmethod

from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch, Micro
from .binned import BinnedColumn
from .bit_serial import BitSerialColumn
from .column import Column, adder_tree
from .product_table import ProductTableColumn
from .shift_add import ShiftAddColumn


class MacColumn(Column):
    """One output channel's dot product, `acc = sum(level * activation)`, a beat per cycle.

    Stages: operand registers, products, tree sum, accumulator. A lane whose weight field is 0 is
    gated: its operand registers hold and its product is forced to 0. Intermediate sums are kept
    modulo 2^acc_width, which is exact because the finished sum fits (contract section 3).

    Latency: 4 cycles from a beat to an accumulator that contains it. Throughput: 1 beat per cycle.

    Members
    -------
    activations, weights : `rows` activation codes and weight fields of the beat.
    codebook : the shared table, level by code. bypass : fields are levels, not codes.
    advance : the pipeline moves. load : a beat is present.
    add : the tree sum belongs to a beat. restart : that beat begins a sum.
    acc : the accumulator.
    levels, operands, live, products : the registers of the lanes, for tests and traces.
    """

    def __init__(self, arch: Arch) -> None:
        level, product = signed(arch.level_width), signed(arch.level_width + arch.act_width)
        lanes = range(arch.rows)
        self.levels = [Signal(level, name=f"level_{row}") for row in lanes]
        self.operands = [Signal(arch.act_width, name=f"operand_{row}") for row in lanes]
        self.live = [Signal(name=f"live_{row}") for row in lanes]
        self.products = [Signal(product, name=f"product_{row}") for row in lanes]
        super().__init__(arch)

    @staticmethod
    def ports(arch: Arch) -> dict[str, wiring.Member]:
        return {
            "activations": In(data.ArrayLayout(unsigned(arch.act_width), arch.rows)),
            "weights": In(data.ArrayLayout(unsigned(arch.field_width), arch.rows)),
            "codebook": In(data.ArrayLayout(signed(arch.level_width), 1 << arch.weight_width)),
            "bypass": In(1),
            "advance": In(1),
            "load": In(1),
            "add": In(1),
            "restart": In(1),
            "acc": Out(signed(arch.acc_width)),
        }

    @abstractmethod
    def level(self, weight: Value) -> Value:
        """The level that a weight field stands for."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row in range(self.arch.rows):
            self._lane(m, row)
        tree = adder_tree(self.products)
        total = self.total = Signal(signed(min(len(tree), self.arch.acc_width)))
        with m.If(self.advance):
            m.d.sync += total.eq(tree)
            with m.If(self.add):
                with m.If(self.restart):
                    m.d.sync += self.acc.eq(total)
                with m.Else():
                    m.d.sync += self.acc.eq(self.acc + total)
        return m

    def _lane(self, m: Module, row: int) -> None:
        weight, product = self.weights[row], self.products[row]
        level, operand = self.levels[row], self.operands[row]
        use, live = Signal(name=f"use_{row}"), self.live[row]
        m.d.comb += use.eq(self.load & weight.any())
        with m.If(self.advance):
            m.d.sync += live.eq(use)
            with m.If(use):
                m.d.sync += [level.eq(self.level(weight)), operand.eq(self.activations[row])]
            with m.If(live):
                m.d.sync += product.eq(level * operand)
            with m.Else():
                m.d.sync += product.eq(0)


class DecodeColumn(MacColumn):
    """`decode`: the low `weight_width` bits of a field select a level; bypassed, it is one."""

    def level(self, weight: Value) -> Value:
        arch = self.arch
        stored = weight[: arch.level_width].as_signed()
        return Mux(self.bypass, stored, self.codebook[weight[: arch.weight_width]])


class UniformColumn(MacColumn):
    """`uniform`: every field is a level; the codebook and bypass ports are not used."""

    def level(self, weight: Value) -> Value:
        return weight.as_signed()


COLUMNS: dict[Micro, type[Column]] = {
    Micro.DECODE: DecodeColumn,
    Micro.UNIFORM: UniformColumn,
    Micro.BIT_SERIAL: BitSerialColumn,
    Micro.PRODUCT_TABLE: ProductTableColumn,
    Micro.BINNED: BinnedColumn,
    Micro.SHIFT_ADD: ShiftAddColumn,
}
"""The column of every micro-architecture."""


def column_for(arch: Arch) -> Column:
    """The column of the micro-architecture that `arch` names."""
    return COLUMNS[arch.micro](arch)
