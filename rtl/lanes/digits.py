"""`uniform` lanes whose multipliers are narrower than the levels: digit after digit.

A plain design of 4-bit weights has 4-bit multipliers; its layers of 8-bit weights take two cycles
per beat in it.
"""

from typing import Any

import numpy as np
from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...spec.formats import Int64Array, twos_complement
from ..arch import registry
from ..arch.arch import Arch
from ..timing.schedule import Schedule, schedule_widths
from .beat_steps import BeatSteps, Control
from .column import Column, add_shifted
from .held import HeldColumn, data_register, registered, shifted
from .held_toggles import HeldCycles, beat_numbers
from .lookup_mac import LookupMac
from .micro import Micro
from .terms import Adders, LaneLoad, Parts, common_area, stages, tree_bits
from .toggles import Beats, Coded, Codes, flips, held, levels_of, mask, running, total


def digits_of(arch: Arch, width: int) -> int:
    """Digits of a stored level of `width` bits."""
    return -(-width // arch.digit_width)


def product_width(arch: Arch) -> int:
    """Signed, of a digit, with or without sign, and an activation."""
    return arch.digit_width + arch.act_width + 1


def shift_width(arch: Arch) -> int:
    """Bits of the place of the highest digit."""
    return max(1, ((digits_of(arch, arch.level_width) - 1) * arch.digit_width).bit_length())


def level_digit(arch: Arch, level: Value, number: Value) -> Value:
    """Digit `number` of a level, the sign repeated above the highest bit."""
    width = arch.digit_width
    count = digits_of(arch, arch.level_width)
    extended = Cat(level, level[-1].replicate(width))
    return Array(extended[i * width : (i + 1) * width] for i in range(count))[number]


def digit_product(digit: Value, top: Value, operand: Value) -> Value:
    """digit * operand, the digit with a sign when `top`: the highest of the multiplier's rows, one
    for each bit of the digit, is subtracted then. It is no wider than one without that choice."""
    row = Mux(digit[-1], operand, 0)
    return digit[:-1] * operand + Mux(top, -row, row).shift_left(len(digit) - 1)


class DigitColumn(Column):
    """`acc = sum over digits i of 2^(i * digit_width) * sum(digit i of level * activation)`.

    Stages: operand registers, products, tree sum, shift and accumulator. Digits have no sign but
    the top one, which is cut from the level's two's complement. A lane whose weight field is 0 is
    gated: its operand registers hold and its product is 0.

    Latency: 3 cycles from the operand registers' last digit to the accumulator. Throughput: a beat
    in level_digits cycles.

    Members
    -------
    activations, weights : of the beat; fields are levels.
    advance, take, load, add, restart, acc : as in `BitSerialColumn`.
    level_digit : the current one. top : it is the highest. shift : place of the tree sum's digit.
    levels, operands, live, products, total : the registers, for tests and proofs.
    """

    def __init__(self, arch: Arch) -> None:
        lanes = range(arch.rows)
        self.levels = [Signal(arch.level_width, name=f"level_{row}") for row in lanes]
        self.operands = [Signal(arch.act_width, name=f"operand_{row}") for row in lanes]
        self.live = [Signal(name=f"live_{row}") for row in lanes]
        product = signed(product_width(arch))
        self.products = [Signal(product, name=f"product_{row}") for row in lanes]
        super().__init__(arch)

    @staticmethod
    def ports(arch: Arch) -> dict[str, wiring.Member]:
        return {
            "activations": In(data.ArrayLayout(unsigned(arch.act_width), arch.rows)),
            "weights": In(data.ArrayLayout(unsigned(arch.field_width), arch.rows)),
            **{name: In(1) for name in ("advance", "take", "load", "top", "add", "restart")},
            "level_digit": In(schedule_widths(arch)["level_digits"]),
            "shift": In(shift_width(arch)),
            "acc": Out(signed(arch.acc_width)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row in range(self.arch.rows):
            self._lane(m, row)
        self.total = add_shifted(m, self, self.products)
        return m

    def _lane(self, m: Module, row: int) -> None:
        weight, level, operand = self.weights[row], self.levels[row], self.operands[row]
        use, live = Signal(name=f"use_{row}"), self.live[row]
        m.d.comb += use.eq(self.load & weight.any())
        with m.If(self.take):
            m.d.sync += live.eq(use)
            with m.If(use):
                m.d.sync += [level.eq(weight), operand.eq(self.activations[row])]
        product = digit_product(level_digit(self.arch, level, self.level_digit), self.top, operand)
        with m.If(self.advance):
            m.d.sync += self.products[row].eq(Mux(live, product, 0))


class HeldDigitColumn(HeldColumn):
    """The same sum over digits; the lanes hold levels. A digit has a register in front of its
    multiplier.

    Members
    -------
    level_digit, top, shift : as in `DigitColumn`. activations : of the beat of the cycle before.
    """

    term_cycles, place_cycles, late_activations = 2, 1, True

    def __init__(self, arch: Arch) -> None:
        super().__init__(arch)
        self.digits = [data_register(arch.digit_width, f"digit_{row}") for row in range(arch.rows)]
        self.signed_digit = data_register(1, "signed_digit")

    @classmethod
    def operand_ports(cls, arch: Arch) -> dict[str, wiring.Member]:
        return super().operand_ports(arch) | {
            "level_digit": In(schedule_widths(arch)["level_digits"]),
            "top": In(1),
            "shift": In(shift_width(arch)),
        }

    def terms(self, m: Module) -> list[list[Value]]:
        m.d.sync += [
            digit.eq(level_digit(self.arch, level, self.level_digit))
            for digit, level in zip(self.digits, self.held, strict=True)
        ]
        m.d.sync += self.signed_digit.eq(self.top)
        products = [
            digit_product(digit, self.signed_digit, operand)
            for digit, operand in zip(self.digits, self.activations, strict=True)
        ]
        return [registered(m, "product", products)]

    def placed(self, m: Module, total: Value) -> list[Value]:
        return [shifted(m, self, total, self.shift)]


class DigitUniform(Micro):
    """A multiplier of `Arch.digit_width` bits on stored levels."""

    name = registry.BASELINE
    marker, colour = "s", "#E69F00"
    stores_levels = level_digits = True
    column = DigitColumn
    held_column = HeldDigitColumn

    def schedule(
        self, arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
    ) -> Schedule:
        width = arch.level_width if level_width is None else level_width
        return Schedule(level_digits=digits_of(arch, width))

    def held_term(self, arch: Arch) -> tuple[int, int]:
        return product_width(arch), arch.digit_width

    def tables(self, m: Module, array: wiring.Component, control: Control) -> dict[str, Value]:
        return {}

    def shift(self, arch: Arch, steps: BeatSteps) -> Value:
        return (steps.level_digit * arch.digit_width)[: shift_width(arch)]

    def shift_bits(self, arch: Arch) -> int:
        return shift_width(arch)

    def compute(self, mac: LookupMac, activations: Int64Array, fields: Int64Array) -> int:
        acc, width, last = 0, mac.arch.digit_width, mac.schedule.level_digits - 1
        for codes, levels in zip(activations, mac.levels(fields), strict=True):
            for at in range(last + 1):
                digit = levels >> at * width
                acc += int(codes @ (digit if at == last else digit & mask(width))) << at * width
        return acc

    def lane_bits(self, arch: Arch) -> Any:
        return arch.level_width + arch.act_width + 1 + product_width(arch)

    def column_bits(self, arch: Arch) -> Any:
        return tree_bits(arch, product_width(arch)) + arch.acc_width

    def table_bits(self, arch: Arch) -> Any:
        return 0

    def area(self, arch: Arch) -> Parts:
        lanes, digits = arch.rows * arch.cols, digits_of(arch, arch.level_width)
        return {
            "multipliers": {"multiply_area": lanes * arch.act_width * arch.digit_width},
            # the digit; the sign of the top row
            "digits": {"mux_area": lanes * ((digits - 1) * arch.digit_width + arch.act_width)},
            "shifters": {"mux_area": arch.cols * arch.acc_width * stages(digits)},
        } | common_area(arch, product_width(arch), self.lane_bits(arch))

    def adders(self, arch: Arch, load: LaneLoad) -> Adders:
        return Adders(width=product_width(arch), tree_cycles=load.work.beat_cycles)

    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        """Every cycle multiplies a digit, an average pool's level 1 as wide as it is stored.

        A digit that is 0 in a level that is not counts as one that is not: an upper bound.
        """
        cycles, digits = load.work.beat_cycles, digits_of(arch, arch.level_width)
        bits = cycles * load.act_width * min(load.level_width, arch.digit_width)
        chosen = load.ungated * cycles * ((digits - 1) * arch.digit_width + load.act_width)
        shifted = load.column_beats * cycles * stages(digits) * load.acc_width
        return {
            "multiply_bit2": load.active * bits,
            "multiply_zero_act_bit2": (load.ungated - load.active) * bits,
            "shift_mux_bit": chosen + shifted,
        }

    def toggles(self, arch: Arch, stream: Beats) -> dict[str, float]:
        """As a multiplier's; what it sees of a level is the digit."""
        cycles = stream.work.beat_cycles
        beat = np.repeat(np.arange(len(stream.first)), cycles)
        number = np.tile(np.arange(cycles), len(stream.first))
        live = stream.weights != 0
        levels = held(twos_complement(stream.weights, stream.level_width), live)
        acts = np.broadcast_to(stream.activations[:, None, :], levels.shape)
        operand, live = held(acts, live)[beat], live[beat]
        digit = _digits(arch, levels[beat], number, cycles)
        product = np.where(live, operand * digit, 0)
        sums = product.sum(axis=2)
        starts = (stream.first[beat] == 1) & (number == 0)
        shifted = sums << (number * arch.digit_width)[:, None]
        bits = digit & mask(arch.digit_width)
        ones_act, ones_digit = np.bitwise_count(operand), np.bitwise_count(bits)
        by_act = flips(operand, arch.act_width) * ones_digit[1:]
        by_digit = flips(bits, arch.digit_width) * ones_act[1:]
        return {
            "bus": total(flips(stream.activations, arch.act_width))
            + total(flips(stream.weights, arch.field_width)),
            "operand": total(flips(operand, arch.act_width)),
            "level": total(flips(levels, arch.level_width)) + total(flips(bits, arch.digit_width)),
            "multiply": total(by_act) + total(by_digit),
            "product": total(flips(product, product_width(arch))),
            "partial": total(ones_act * ones_digit * live),
            "sum": total(flips(sums, arch.acc_width)),
            "accumulator": total(flips(running(shifted, starts), arch.acc_width)),
        }

    def held_cycles(
        self, arch: Arch, layer: Coded, activations: Codes, fields: Codes
    ) -> HeldCycles:
        beat, number, _ = beat_numbers(layer, len(activations))
        digit = _digits(arch, levels_of(layer, fields)[beat], number, layer.work.level_digits)
        return HeldCycles(
            operands=activations[beat],
            factors=digit & mask(arch.digit_width),
            terms=(activations[beat][:, None] * digit,),
            shifts=number * arch.digit_width,
        )

    def followed_cycles(self, beat_cycles: int) -> int:
        return beat_cycles


def _digits(arch: Arch, levels: Codes, number: Codes, count: int) -> Codes:
    """Of levels (T, cols, rows), in each cycle the digit of that number; the top one signed."""
    places = (number * arch.digit_width)[:, None, None]
    top = (number == count - 1)[:, None, None]
    shifted = levels >> places
    return np.where(top, shifted, shifted & mask(arch.digit_width))


MICRO = DigitUniform()
"""What `uniform` lanes are where `Arch.digit_width` is below `level_width`."""
