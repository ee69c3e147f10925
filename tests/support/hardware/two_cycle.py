"""`two_cycle`: a micro-architecture in one file, as a user would add it: a multiplier per lane that
takes half of the activation's bits in a cycle.
"""

from typing import Any

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.beat_steps import BeatSteps
from adqhw.rtl.lanes.column import Column, add_shifted, lane_ports
from adqhw.rtl.lanes.lookup_mac import LookupMac
from adqhw.rtl.lanes.micro import Micro
from adqhw.rtl.lanes.terms import (
    Adders,
    LaneLoad,
    Parts,
    common_area,
    level_book_bits,
    lookup_area,
    tree_bits,
)
from adqhw.rtl.timing.schedule import Schedule, schedule_widths


def half(arch: Arch) -> int:
    """Bits of an activation that a cycle takes."""
    return -(-arch.act_width // 2)


class TwoCycleColumn(Column):
    """`acc = sum(level * low half) + (sum(level * high half) << half)`.

    Stages: operand registers, products, tree sum, shift and accumulator. Latency: 3 cycles from the
    last half to the accumulator.
    """

    def __init__(self, arch: Arch) -> None:
        level, product = signed(arch.level_width), signed(arch.level_width + half(arch))
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
            **{name: In(1) for name in ("bypass", "advance", "take", "load", "add", "restart")},
            "act_digit": In(schedule_widths(arch)["act_digits"]),
            "shift": In(half(arch).bit_length()),
            "acc": Out(signed(arch.acc_width)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row in range(self.arch.rows):
            self._lane(m, row)
        self.total = add_shifted(m, self, self.products)
        return m

    def _lane(self, m: Module, row: int) -> None:
        arch, weight = self.arch, self.weights[row]
        level, operand, live = self.levels[row], self.operands[row], self.live[row]
        use = Signal(name=f"use_{row}")
        m.d.comb += use.eq(self.load & weight.any())
        with m.If(self.take):
            m.d.sync += live.eq(use)
            with m.If(use):
                stored = weight[: arch.level_width].as_signed()
                chosen = Mux(self.bypass, stored, self.codebook[weight[: arch.weight_width]])
                m.d.sync += [level.eq(chosen), operand.eq(self.activations[row])]
        with m.If(self.advance):
            digit = operand.word_select(self.act_digit, half(arch))
            m.d.sync += self.products[row].eq(Mux(live, level * digit, 0))


class TwoCycle(Micro):
    """A multiplier of half an activation, twice."""

    name = "two_cycle"
    marker, colour = "*", "#999999"
    column = TwoCycleColumn
    act_digits = True

    def schedule(
        self, arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
    ) -> Schedule:
        return Schedule(act_digits=-(-act_width // half(arch)))

    def shift(self, arch: Arch, steps: BeatSteps) -> Value:
        return (steps.act_digit * half(arch))[: self.shift_bits(arch)]

    def shift_bits(self, arch: Arch) -> int:
        return half(arch).bit_length()

    def compute(self, mac: LookupMac, activations: np.ndarray, fields: np.ndarray) -> int:
        acc, bits = 0, half(mac.arch)
        for codes, levels in zip(activations, mac.levels(fields), strict=True):
            for digit in range(mac.schedule.act_digits):
                part = codes >> digit * bits & ((1 << bits) - 1)
                acc += int(levels @ part) << digit * bits
        return acc

    def lane_bits(self, arch: Arch) -> Any:
        return 2 * arch.level_width + arch.act_width + half(arch) + 1

    def column_bits(self, arch: Arch) -> Any:
        return tree_bits(arch, arch.level_width + half(arch)) + arch.acc_width

    def area(self, arch: Arch) -> Parts:
        lanes, product = arch.rows * arch.cols, arch.level_width + half(arch)
        multipliers = {"multiply_area": lanes * arch.level_width * half(arch)}
        return (
            {"multipliers": multipliers, "shifters": {"mux_area": arch.cols * arch.acc_width}}
            | common_area(arch, product, arch.level_width + arch.act_width + product + 1)
            | lookup_area(arch, arch.level_width, level_book_bits(arch))
        )

    def adders(self, arch: Arch, load: LaneLoad) -> Adders:
        width = load.level_width + half(arch)
        return Adders(width=width, tree_cycles=load.work.beat_cycles)

    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        cycles = load.work.beat_cycles
        bits = cycles * half(arch) * load.level_width
        shifted = float(load.column_beats * load.acc_width) * cycles if cycles > 1 else 0.0
        return load.looked_up(load.level_width) | {
            "multiply_bit2": load.active * bits,
            "multiply_zero_act_bit2": (load.ungated - load.active) * bits,
            "shift_mux_bit": shifted,
        }


MICRO = TwoCycle()
