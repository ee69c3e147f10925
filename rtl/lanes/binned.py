"""`binned` (PASM): activations are added up by code first, then multiplied once per code."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from amaranth.hdl import Array, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import SizedNetwork
from ..arch.arch import Arch, Need
from ..timing.elementwise import bit_length, least, most, real
from ..timing.schedule import Schedule, bin_count, schedule_widths
from ..timing.tiling import layer_tiles
from .column import Column, adder_tree
from .lookup_mac import LookupMac
from .micro import Micro
from .terms import Adders, LaneLoad, Parts, common_area, level_book_bits, tree_bits


class BinnedColumn(Column):
    """`acc = sum over bins b of level(b) * sum of the lanes' bins b`, one multiplier per column.

    A lane is an adder and its bins: code k adds the activation to bin k - 1 (code 0 is level 0 and
    has none). After the last beat of a sum the bins leave one per cycle: the tree sums them over
    the lanes, the multiplier applies the level, and they are 0 again. Bypassed, bit j of a stored
    level selects bin j, a bit per cycle, and bin j has weight 2^j, the top one -2^j.

    Stages: operand registers, bins, tree sum, product, accumulator. A lane whose weight field is 0
    is gated: its operand registers hold and no bin changes. A bin must hold what a sum adds to it
    (`Arch.bin_width`, checked against the program); the rest is modulo 2^acc_width.

    Latency: 3 cycles from the last bin to the accumulator. Throughput: a beat per cycle (bypassed:
    in level_digits cycles), and final_cycles per sum.

    Members
    -------
    activations, weights, codebook, bypass, advance, take, load, add, restart, acc : as in
    `BitSerialColumn`. level_digit : the level's current bit. working : it is valid.
    final : bin `bin` leaves; top_bin : it is the last one.
    fields, operands, live, bins (by lane), total, level, product : the registers.
    """

    def __init__(self, arch: Arch) -> None:
        lanes = range(arch.rows)
        self.fields = [Signal(arch.field_width, name=f"field_{row}") for row in lanes]
        self.operands = [Signal(arch.act_width, name=f"operand_{row}") for row in lanes]
        self.live = [Signal(name=f"live_{row}") for row in lanes]
        bins = range(bin_count(arch))
        self.bins = [[Signal(arch.bin_width, name=f"bin_{r}_{b}") for b in bins] for r in lanes]
        super().__init__(arch)

    @staticmethod
    def ports(arch: Arch) -> dict[str, wiring.Member]:
        widths = schedule_widths(arch)
        return {
            "activations": In(data.ArrayLayout(unsigned(arch.act_width), arch.rows)),
            "weights": In(data.ArrayLayout(unsigned(arch.field_width), arch.rows)),
            "codebook": In(data.ArrayLayout(signed(arch.level_width), 1 << arch.weight_width)),
            **{name: In(1) for name in ("bypass", "advance", "take", "load")},
            "level_digit": In(widths["level_digits"]),
            "bin": In(widths["final_cycles"]),
            **{name: In(1) for name in ("working", "final", "top_bin", "add", "restart")},
            "acc": Out(signed(arch.acc_width)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        tree = adder_tree([self._lane(m, row) for row in range(arch.rows)])
        total = self.total = Signal(unsigned(min(len(tree), arch.acc_width)))
        level = self.level = Signal(signed(arch.level_width))
        full = total.shape().width + 1 + arch.level_width
        product = self.product = Signal(signed(min(full, arch.acc_width)))
        with m.If(self.advance):
            with m.If(self.final):
                m.d.sync += [total.eq(tree), level.eq(self._level())]
            m.d.sync += product.eq(total * level)
            with m.If(self.add):
                m.d.sync += self.acc.eq(Mux(self.restart, 0, self.acc) + product)
        return m

    def _level(self) -> Value:
        """Weight of the bin that leaves."""
        arch = self.arch
        one = Array(1 << bit for bit in range(arch.level_width))[self.bin]
        place = Mux(self.top_bin, -one, one)
        last = len(self.codebook) - 1
        by_bin = Array(self.codebook[min(b + 1, last)] for b in range(bin_count(arch)))
        return Mux(self.bypass, place, by_bin[self.bin])

    def _lane(self, m: Module, row: int) -> Value:
        """The current bin, before it changes."""
        weight, field, live = self.weights[row], self.fields[row], self.live[row]
        operand, bins = self.operands[row], self.bins[row]
        use = Signal(name=f"use_{row}")
        m.d.comb += use.eq(self.load & weight.any())
        with m.If(self.take):
            m.d.sync += live.eq(use)
            with m.If(use):
                m.d.sync += [field.eq(weight), operand.eq(self.activations[row])]
        index = Signal(range(max(2, len(bins))), name=f"index_{row}")
        code = field[: self.arch.weight_width]
        m.d.comb += index.eq(
            Mux(self.final, self.bin, Mux(self.bypass, self.level_digit, code - 1))
        )
        here, after = Signal(self.arch.bin_width, name=f"here_{row}"), Signal(self.arch.bin_width)
        adds = self.working & live & (~self.bypass | field.bit_select(self.level_digit, 1))
        m.d.comb += [here.eq(Array(bins)[index]), after.eq(Mux(self.final, 0, here + operand))]
        with m.If(self.advance & (self.final | adds)), m.Switch(index):
            for number, entry in enumerate(bins):
                with m.Case(number):
                    m.d.sync += entry.eq(after)
        return here


class Binned(Micro):
    """Activations are added into a bin per code; one multiplier per column ends a sum."""

    name = "binned"
    marker, colour = "P", "#CC79A7"
    column = BinnedColumn
    level_digits = final_cycles = bitwise_levels = True
    least = {"bin_width": 1}

    def needs(self, program: SizedNetwork, *, rows: int, cols: int) -> Iterator[Need]:
        """One bin may take the activation of its lane in every beat."""
        for layer in program.layers:
            if not isinstance(layer, MacLayer | PoolLayer) or not layer.sums:
                continue
            source = program.tensor_format(layer.input)
            channels = program.tensor_shape(layer.input)[0]
            tiles = layer_tiles(layer, channels, rows=rows, cols=cols)
            depth = max(tile.input_blocks for tile in tiles) * layer.taps
            why = f"sums of {depth} codes of tensor {layer.input!r} is {source.name}"
            yield Need("bin_width", (depth * source.max).bit_length(), layer.name, why)

    def schedule(
        self, arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
    ) -> Schedule:
        if level_width is None:
            return Schedule(final_cycles=max(1, levels - 1))
        return Schedule(level_digits=level_width, final_cycles=level_width)

    def compute(self, mac: LookupMac, activations: Int64Array, fields: Int64Array) -> int:
        bins = np.zeros((mac.arch.rows, bin_count(mac.arch)), np.int64)
        lanes = np.arange(mac.arch.rows)
        for codes, chosen in zip(activations, fields, strict=True):
            if mac.codebook is not None:
                live = chosen != 0
                bins[lanes[live], chosen[live] - 1] += codes[live]
                continue
            for bit in range(mac.level_width):
                bins[:, bit] += codes * (chosen >> bit & 1)
        if bins.max(initial=0) >> mac.arch.bin_width:
            raise InputError(f"Bins must be below 2^{mac.arch.bin_width}, not {bins.max()}")
        count = mac.schedule.final_cycles
        if mac.codebook is None:
            worth = [(-1 if bit == count - 1 else 1) << bit for bit in range(count)]
        else:
            worth = [*mac.codebook[1:], 0]
        return sum(int(bins[:, b].sum()) * worth[b] for b in range(count))

    def lane_bits(self, arch: Arch) -> Any:
        return arch.field_width + arch.act_width + 1 + bin_count(arch) * arch.bin_width

    def column_bits(self, arch: Arch) -> Any:
        """Tree sum and level, the multiplier's operands, its product and the accumulator."""
        total = tree_bits(arch, arch.bin_width)
        product = least(total + 1 + arch.level_width, arch.acc_width)
        return total + arch.level_width + product + arch.acc_width

    def area(self, arch: Arch) -> Parts:
        lanes, bins, width = arch.rows * arch.cols, bin_count(arch), arch.bin_width
        total = width + bit_length(most(0, arch.rows - 1))
        entries = 1 << arch.weight_width
        return {
            "bins": {
                "register_area": lanes * bins * width,
                "add_area": lanes * width,
                "mux_area": lanes * (bins - 1) * width,
            },
            "multipliers": {
                "multiply_area": arch.cols * total * arch.level_width,
                "register_area": arch.cols * (2 * arch.level_width + total),
            },
            "codebook registers": {
                "register_area": level_book_bits(arch),
                "mux_area": arch.cols * (entries - 1) * arch.level_width,
            },
        } | common_area(arch, width, arch.field_width + arch.act_width + 1)

    def adders(self, arch: Arch, load: LaneLoad) -> Adders:
        return Adders(width=arch.bin_width, tree_cycles=0)

    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        """Additions into bins; then every bin of every used lane leaves, is cleared, multiplied."""
        width, choices = arch.bin_width, bin_count(arch) - 1
        left = load.sums * load.work.final_cycles
        share = load.active / load.ungated if load.ungated else 0.0
        total = width + bit_length(most(0, load.lanes - 1))
        return {
            "bin_add_bit": load.set_bits * share * width,
            "bin_register_bit": (load.set_bits + left * load.lanes) * width,
            "bin_mux_bit": (load.set_bits + left * load.lanes) * choices * width,
            "multiply_bit2": real(left * total * load.level_width),
        }


MICRO = Binned()
