"""Lanes with a multiplier each, of one cycle per beat: what all such micro-architectures share."""

from abc import abstractmethod
from typing import Any

from amaranth.hdl import Module, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...spec.formats import Int64Array
from ..arch.arch import Arch
from ..timing.schedule import Schedule
from .column import Column, adder_tree, lane_ports
from .held import HeldColumn, registered
from .lookup_mac import LookupMac
from .micro import Micro
from .terms import Adders, LaneLoad, Parts, common_area, tree_bits


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
    advance : the pipeline advances. load : a beat is present.
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
            **lane_ports(arch),
            "bypass": In(1),
            "advance": In(1),
            "load": In(1),
            "add": In(1),
            "restart": In(1),
            "acc": Out(signed(arch.acc_width)),
        }

    @abstractmethod
    def level(self, weight: Value) -> Value:
        """The level of a weight field."""

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


class HeldMacColumn(HeldColumn):
    """A multiplier per lane; the lanes hold levels."""

    def terms(self, m: Module) -> list[list[Value]]:
        lanes = zip(self.held, self.activations, strict=True)
        products = [level.as_signed() * operand for level, operand in lanes]
        return [registered(m, "product", products)]


class Multiplying(Micro):
    """A multiplier per lane."""

    held_column = HeldMacColumn

    def schedule(
        self, arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
    ) -> Schedule:
        return Schedule()

    def compute(self, mac: LookupMac, activations: Int64Array, fields: Int64Array) -> int:
        return sum(int(a @ mac.levels(w)) for a, w in zip(activations, fields, strict=True))

    def lane_bits(self, arch: Arch) -> Any:
        return 2 * (arch.level_width + arch.act_width) + 1

    def column_bits(self, arch: Arch) -> Any:
        return tree_bits(arch, arch.level_width + arch.act_width) + arch.acc_width

    def area(self, arch: Arch) -> Parts:
        product, lanes = arch.act_width + arch.level_width, arch.rows * arch.cols
        multipliers = {"multiply_area": lanes * arch.act_width * arch.level_width}
        return {"multipliers": multipliers} | common_area(arch, product, 2 * product + 1)

    def adders(self, arch: Arch, load: LaneLoad) -> Adders:
        return Adders(width=load.act_width + load.level_width, tree_cycles=1)

    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        bits = load.act_width * load.level_width
        return {
            "multiply_bit2": load.active * bits,
            "multiply_zero_act_bit2": (load.ungated - load.active) * bits,
        }
