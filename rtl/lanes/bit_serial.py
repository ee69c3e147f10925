"""`bit_serial`: levels of the lanes whose activation bit is 1 are summed, bit after bit."""

from typing import Any

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...spec.formats import Int64Array
from ..arch.arch import Arch
from ..timing.elementwise import real
from ..timing.schedule import Schedule, schedule_widths
from .beat_steps import BeatSteps
from .column import Column, add_shifted, lane_ports, looked_up
from .held import HeldColumn, registered, shifted
from .held_toggles import HeldCycles, beat_numbers
from .lookup_mac import LookupMac
from .micro import Micro
from .terms import (
    Adders,
    LaneLoad,
    Parts,
    common_area,
    level_book_bits,
    lookup_area,
    stages,
    tree_bits,
)
from .toggles import Coded, Codes, levels_of, mask


class BitSerialColumn(Column):
    """`acc = sum over bits i of 2^i * sum(level * bit i of activation)`, a bit per cycle.

    Stages: operand registers, terms (level or 0), tree sum, shift and accumulator. There is no
    multiplier: a lane is an AND per level bit, and there is one shifter behind the tree. A lane
    whose weight field is 0 is gated: its operand registers hold and its term is 0.

    Latency: 3 cycles from the operand registers' last bit to the accumulator. Throughput: a beat
    in act_digits cycles, the width of the layer's activations.

    Members
    -------
    activations, weights, codebook, bypass : as in `MacColumn`.
    advance : the pipeline advances. take : it does, with free operand registers. load : a beat
    is present. act_digit : the current bit. shift : that of the tree sum.
    add : the tree sum belongs to a beat. restart : it begins a sum. acc : the accumulator.
    levels, operands, live, terms, total : the registers, for tests and proofs.
    """

    def __init__(self, arch: Arch) -> None:
        level = signed(arch.level_width)
        lanes = range(arch.rows)
        self.levels = [Signal(level, name=f"level_{row}") for row in lanes]
        self.operands = [Signal(arch.act_width, name=f"operand_{row}") for row in lanes]
        self.live = [Signal(name=f"live_{row}") for row in lanes]
        self.terms = [Signal(level, name=f"term_{row}") for row in lanes]
        super().__init__(arch)

    @staticmethod
    def ports(arch: Arch) -> dict[str, wiring.Member]:
        return {
            **lane_ports(arch),
            **{name: In(1) for name in ("bypass", "advance", "take", "load")},
            "act_digit": In(schedule_widths(arch)["act_digits"]),
            "shift": In(schedule_widths(arch)["act_digits"]),
            "add": In(1),
            "restart": In(1),
            "acc": Out(signed(arch.acc_width)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row in range(self.arch.rows):
            self._lane(m, row)
        self.total = add_shifted(m, self, self.terms)
        return m

    def _lane(self, m: Module, row: int) -> None:
        arch, weight = self.arch, self.weights[row]
        level, operand, live = self.levels[row], self.operands[row], self.live[row]
        use = Signal(name=f"use_{row}")
        stored = weight[: arch.level_width].as_signed()
        m.d.comb += use.eq(self.load & weight.any())
        with m.If(self.take):
            m.d.sync += live.eq(use)
            with m.If(use):
                chosen = Mux(self.bypass, stored, self.codebook[weight[: arch.weight_width]])
                m.d.sync += [level.eq(chosen), operand.eq(self.activations[row])]
        with m.If(self.advance):
            bit = operand.bit_select(self.act_digit, 1)
            m.d.sync += self.terms[row].eq(Mux(live & bit, level, 0))


class HeldBitSerialColumn(HeldColumn):
    """The same sum over bits; the lanes hold levels.

    Members
    -------
    act_digit : the current bit. shift : that of the tree sum.
    """

    place_cycles = 1

    @classmethod
    def operand_ports(cls, arch: Arch) -> dict[str, wiring.Member]:
        width = schedule_widths(arch)["act_digits"]
        return super().operand_ports(arch) | {"act_digit": In(width), "shift": In(width)}

    def terms(self, m: Module) -> list[list[Value]]:
        lanes = zip(self.held, self.activations, strict=True)
        gated = [
            Mux(code.bit_select(self.act_digit, 1), level, 0).as_signed() for level, code in lanes
        ]
        return [registered(m, "term", gated)]

    def placed(self, m: Module, total: Value) -> list[Value]:
        return [shifted(m, self, total, self.shift)]


class BitSerial(Micro):
    """One activation bit per cycle: the adder tree sums levels, one shifter per column."""

    name = "bit_serial"
    marker, colour = "^", "#009E73"
    column = BitSerialColumn
    held_column = HeldBitSerialColumn
    act_digits = True

    def schedule(
        self, arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
    ) -> Schedule:
        return Schedule(act_digits=act_width)

    def held_value(self, array: wiring.Component, tables: dict[str, Value], field: Value) -> Value:
        return looked_up(array, tables, field)

    def held_term(self, arch: Arch) -> tuple[int, int]:
        return arch.level_width, 0

    def shift(self, arch: Arch, steps: BeatSteps) -> Value:
        return steps.act_digit

    def shift_bits(self, arch: Arch) -> int:
        return schedule_widths(arch)["act_digits"]

    def compute(self, mac: LookupMac, activations: Int64Array, fields: Int64Array) -> int:
        acc = 0
        for codes, levels in zip(activations, mac.levels(fields), strict=True):
            for bit in range(mac.schedule.act_digits):
                acc += int(levels[codes >> bit & 1 == 1].sum()) << bit
        return acc

    def lane_bits(self, arch: Arch) -> Any:
        return 2 * arch.level_width + arch.act_width + 1

    def column_bits(self, arch: Arch) -> Any:
        return tree_bits(arch, arch.level_width) + arch.acc_width

    def area(self, arch: Arch) -> Parts:
        level = arch.level_width
        shifter = arch.cols * arch.acc_width * stages(arch.act_width)
        return (
            {
                "gates": {"mux_area": arch.rows * arch.cols * level},
                "shifters": {"mux_area": shifter},
            }
            | common_area(arch, level, 2 * level + arch.act_width + 1)
            | lookup_area(arch, level, level_book_bits(arch))
        )

    def adders(self, arch: Arch, load: LaneLoad) -> Adders:
        return Adders(width=load.level_width, tree_cycles=load.work.beat_cycles)

    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        cycles = load.work.beat_cycles
        return load.looked_up(load.level_width) | {
            "and_bit": load.ungated * cycles * load.level_width,
            "shift_mux_bit": real(load.column_beats * cycles * stages(cycles) * load.acc_width),
        }

    def held_cycles(
        self, arch: Arch, layer: Coded, activations: Codes, fields: Codes
    ) -> HeldCycles:
        beat, _, number = beat_numbers(layer, len(activations))
        bits = activations[beat] >> number[:, None] & 1
        levels = levels_of(layer, fields)[beat]
        return HeldCycles(
            operands=bits,
            factors=levels & mask(arch.level_width),
            terms=(np.where(bits[:, None] == 1, levels, 0),),
            shifts=number,
        )


MICRO = BitSerial()
