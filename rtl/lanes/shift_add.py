"""`shift_add`: levels +-2^s and +-C*2^s as shifts, the odd factor C once per output."""

from typing import Any

import numpy as np
from amaranth.hdl import Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...spec.codebook import shift_factor
from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ...spec.program import SizedNetwork
from ..arch.arch import Arch
from ..timing.schedule import Schedule, schedule_widths
from .beat_steps import Control
from .column import Column, adder_tree
from .held import HeldColumn, added, data_register, registered, sum_address_width, sums_memory
from .held_toggles import HeldCycles, beat_numbers
from .lookup_mac import LookupMac
from .micro import Micro
from .shift_codebook import ShiftCodebook, entries_layout, entry_layout
from .terms import Adders, LaneLoad, Parts, common_area, lookup_area, stages, tree_bits
from .toggles import Coded, Codes, levels_of, mask


class ShiftAddColumn(Column):
    """`acc = E + factor * O`: E sums activations shifted for the levels +-2^s, O for the odd ones.

    Stages: operand registers, shifted terms, two tree sums, two accumulators, combination. The
    only multiplier is that of the combination, once per output. A lane whose weight field is 0 is
    gated: its operand registers hold and its term is 0. Bypassed, a stored level is added bit by
    bit: bit j shifts by j, the top one subtracts.

    Latency: 4 cycles from the operand registers' last digit to the result. Throughput: a beat per
    cycle, bypassed in level_digits cycles.

    Members
    -------
    activations, weights, bypass, advance, take, load, add, restart, acc : as in `BitSerialColumn`.
    entries, factor : of the `ShiftCodebook`. level_digit, top : the level's current bit.
    combine : the accumulators hold a finished sum.
    fields, entry, operands, live, terms, odd, totals, sums : the registers; totals and sums are
    those of the plain powers, then of the odd ones.
    """

    def __init__(self, arch: Arch) -> None:
        lanes = range(arch.rows)
        self.fields = [Signal(arch.level_width, name=f"field_{row}") for row in lanes]
        self.entry = [Signal(entry_layout(arch), name=f"entry_{row}") for row in lanes]
        self.operands = [Signal(arch.act_width, name=f"operand_{row}") for row in lanes]
        self.live = [Signal(name=f"live_{row}") for row in lanes]
        term = signed(arch.act_width + arch.level_width)
        self.terms = [Signal(term, name=f"term_{row}") for row in lanes]
        self.odd = [Signal(name=f"odd_{row}") for row in lanes]
        self.sums = [Signal(signed(arch.acc_width), name=f"sum_{kind}") for kind in ("even", "odd")]
        super().__init__(arch)

    @staticmethod
    def ports(arch: Arch) -> dict[str, wiring.Member]:
        return {
            "activations": In(data.ArrayLayout(unsigned(arch.act_width), arch.rows)),
            "weights": In(data.ArrayLayout(unsigned(arch.field_width), arch.rows)),
            "entries": In(entries_layout(arch)),
            "factor": In(arch.level_width),
            **{name: In(1) for name in ("bypass", "advance", "take", "load", "top")},
            "level_digit": In(schedule_widths(arch)["level_digits"]),
            **{name: In(1) for name in ("add", "restart", "combine")},
            "acc": Out(signed(arch.acc_width)),
        }

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for row in range(self.arch.rows):
            self._lane(m, row)
        even, odd = self.sums
        self.totals = []
        for kind, held in enumerate(self.sums):
            chosen = [
                Mux(flag == kind, term, 0) for flag, term in zip(self.odd, self.terms, strict=True)
            ]
            tree = adder_tree(chosen)
            total = Signal(signed(min(len(tree), self.arch.acc_width)), name=f"total_{kind}")
            self.totals.append(total)
            with m.If(self.advance):
                m.d.sync += total.eq(tree)
                with m.If(self.add):
                    m.d.sync += held.eq(Mux(self.restart, 0, held) + total)
        with m.If(self.advance & self.combine):
            m.d.sync += self.acc.eq(even + self.factor * odd)
        return m

    def _lane(self, m: Module, row: int) -> None:
        arch, weight = self.arch, self.weights[row]
        field, operand, live = self.fields[row], self.operands[row], self.live[row]
        kept, use = self.entry[row], Signal(name=f"use_{row}")
        m.d.comb += use.eq(self.load & weight.any())
        with m.If(self.take):
            m.d.sync += live.eq(use)
            with m.If(use):
                m.d.sync += operand.eq(self.activations[row])
                with m.If(self.bypass):
                    m.d.sync += field.eq(weight)
                with m.Else():
                    m.d.sync += kept.eq(self.entries[weight[: arch.weight_width]])
        entry, shifted = (
            Signal.like(kept, name=f"now_{row}"),
            Signal(self.terms[row].shape(), name=f"shifted_{row}"),
        )
        bit = {"present": field.bit_select(self.level_digit, 1), "negative": self.top, "odd": 0}
        bit["shift"] = self.level_digit
        m.d.comb += [
            getattr(entry, name).eq(Mux(self.bypass, value, getattr(kept, name)))
            for name, value in bit.items()
        ]
        m.d.comb += shifted.eq(operand << entry.shift)
        with m.If(self.advance):
            m.d.sync += self.odd[row].eq(entry.odd)
            signed_term = Mux(entry.negative, -shifted, shifted)
            m.d.sync += self.terms[row].eq(Mux(live & entry.present, signed_term, 0))


class HeldShiftAddColumn(HeldColumn):
    """The same two sums; the lanes hold entries or, bypassed, levels.

    E and O need one bank: a sum that ends is combined in the next two cycles, in front of the
    memory that is read, and the next group's first beat begins its place anew. A term is shifted in
    one cycle, and gets its sign and its tree in the next.

    Members
    -------
    bypass, level_digit, top, factor : as in `ShiftAddColumn`. ends : in the next cycle the tree
    sums complete E and O. combined : they did so in the cycle before; combined_place : place of the
    result.
    """

    term_cycles, combine_cycles = 2, 2
    late_ports = (*HeldColumn.late_ports, "ends", "combined", "combined_place")

    @classmethod
    def operand_ports(cls, arch: Arch) -> dict[str, wiring.Member]:
        return super().operand_ports(arch) | {
            **{name: In(1) for name in ("bypass", "top", "ends", "combined")},
            "level_digit": In(schedule_widths(arch)["level_digits"]),
            "factor": In(arch.level_width),
            "combined_place": In(sum_address_width(arch)),
        }

    def terms(self, m: Module) -> list[list[Value]]:
        lanes = [
            self._lane(held, code) for held, code in zip(self.held, self.activations, strict=True)
        ]
        names = ("shifted", "negative", "odd")
        shifted, negative, odd = self.parts = [  # for proofs
            registered(m, name, list(values))
            for name, values in zip(names, zip(*lanes, strict=True), strict=True)
        ]
        terms = [Mux(sign, -term, term) for sign, term in zip(negative, shifted, strict=True)]
        return [
            registered(
                m,
                f"{kind}_term",
                [Mux(flag == at, term, 0) for flag, term in zip(odd, terms, strict=True)],
            )
            for at, kind in enumerate(("even", "odd"))
        ]

    def _lane(self, held: Value, code: Value) -> tuple[Value, Value, Value]:
        """The shifted activation, whether it is subtracted, and whether it belongs to O."""
        entry = data.View(entry_layout(self.arch), held[: entry_layout(self.arch).size])
        bit = held.bit_select(self.level_digit, 1)
        present = Mux(self.bypass, bit, entry.present)
        negative = Mux(self.bypass, self.top, entry.negative)
        places = Mux(self.bypass, self.level_digit, entry.shift)
        shifted = (code << places)[: self.arch.act_width + self.arch.level_width - 1]
        return Mux(present, shifted, 0), negative, ~self.bypass & entry.odd

    def accumulate(self, m: Module, totals: list[Value]) -> None:
        slot = self.now["place"][:-1]
        self.running, self.ended = [], []  # for proofs
        for kind, total in zip(("even", "odd"), totals, strict=True):
            running = sums_memory(m, f"{kind}_sums", self.arch, slot)
            new = added(m, self, running, slot, total)
            complete = data_register(signed(self.arch.acc_width), f"{kind}_sum")
            with m.If(self.now["ends"]):
                m.d.sync += complete.eq(new)
            self.running.append(running)
            self.ended.append(complete)
        sums = self.sums = sums_memory(m, "sums", self.arch, self.read)
        write, drain = sums.write_port(), sums.read_port(domain="comb")
        even, odd = self.ended
        first, product = self.combining = [
            data_register(signed(self.arch.acc_width), name) for name in ("even_part", "odd_part")
        ]
        m.d.sync += [first.eq(even), product.eq(self.factor * odd)]
        m.d.comb += [
            write.addr.eq(self.now["combined_place"]),
            write.en.eq(self.now["combined"]),
            write.data.eq(first + product),
            drain.addr.eq(self.read),
            self.acc.eq(drain.data),
        ]


class ShiftAdd(Micro):
    """Power-of-two and POST codebooks: shifts, two accumulators, the factor once per output."""

    name = "shift_add"
    marker, colour = "X", "#56B4E9"
    column = ShiftAddColumn
    held_column = HeldShiftAddColumn
    level_digits = bitwise_levels = True
    combine_cycles = 1

    def check(self, program: SizedNetwork) -> None:
        for layer in program.layers:
            if layer.codebook is not None and shift_factor(layer.codebook.levels) is None:
                raise InputError(
                    f"Layer {layer.name!r} must have a codebook of levels 0, +-2^s, +-C*2^s, one "
                    f"odd C (PoT, POST), to run on {self.name}, not {layer.codebook.levels}"
                )

    def schedule(
        self, arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
    ) -> Schedule:
        return Schedule(level_digits=level_width or 1)

    def tables(self, m: Module, array: wiring.Component, control: Control) -> dict[str, Value]:
        m.submodules.codebook = book = ShiftCodebook(array.arch)
        wiring.connect(m, wiring.flipped(array.codebook), book.levels)
        return {"entries": book.entries, "factor": book.factor}

    def held_width(self, arch: Arch) -> int:
        entry: int = entry_layout(arch).size
        return max(arch.level_width, entry)

    def held_term(self, arch: Arch) -> tuple[int, int]:
        width: int = arch.level_width + arch.act_width
        return width, width - 1 + 2

    def held_value(self, array: wiring.Component, tables: dict[str, Value], field: Value) -> Value:
        arch, entries = array.arch, tables["entries"]
        entry = entries[field[: arch.weight_width]]
        return Mux(array.bypass, field[: arch.level_width], entry.as_value())

    def compute(self, mac: LookupMac, activations: Int64Array, fields: Int64Array) -> int:
        levels = mac.levels(fields)
        if mac.codebook is None:  # bit by bit, the top one subtracts
            place = [1 << bit for bit in range(mac.level_width)]
            place[-1] = -place[-1]
            bits = levels[..., None] >> np.arange(mac.level_width) & 1
            return sum(
                int((activations * bits[..., b]).sum()) * place[b] for b in range(len(place))
            )
        factor = shift_factor(mac.codebook)
        if factor is None:
            raise InputError(f"Codebook must be of the form 0, +-2^s, +-C*2^s for {self.name}")
        power = (np.abs(levels) & (np.abs(levels) - 1)) == 0  # 0 counts as one
        even = int((activations * levels * power).sum())
        odd = int((activations * (levels // factor) * ~power).sum())
        return even + factor * odd

    def lane_bits(self, arch: Arch) -> Any:
        product = arch.level_width + arch.act_width
        return product + entry_layout(arch).size + product + 2

    def column_bits(self, arch: Arch) -> Any:
        sums = tree_bits(arch, arch.level_width + arch.act_width) + arch.acc_width
        return 2 * sums + arch.acc_width

    def table_bits(self, arch: Arch) -> Any:
        """All entries, that of level 0 included, and the factor."""
        return entry_layout(arch).size * (1 << arch.weight_width) + arch.level_width

    def area(self, arch: Arch) -> Parts:
        lanes, term = arch.rows * arch.cols, arch.act_width + arch.level_width
        entry = entry_layout(arch).size
        shifters = lanes * (stages(arch.level_width) + 1) * term  # the sign is one stage more
        return (
            {
                "shifters": {"mux_area": shifters},
                "combination": {
                    "multiply_area": arch.cols * arch.level_width * arch.acc_width,
                    "add_area": arch.cols * arch.acc_width,
                    "register_area": arch.cols * arch.acc_width,
                },
            }
            | common_area(arch, term, entry + 2 * term + 2, trees=2)
            | lookup_area(arch, entry, entry << arch.weight_width)
        )

    def adders(self, arch: Arch, load: LaneLoad) -> Adders:
        width, trees = load.act_width + load.level_width, 1 + (load.factor > 1)
        return Adders(width=width, trees=trees, tree_cycles=load.work.beat_cycles)

    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        """Shifter and sign of the ungated lanes; the combination once per sum."""
        width = load.act_width + load.level_width
        shifter = stages(load.level_width) + 1  # the sign is one stage more
        counts = load.looked_up(entry_layout(arch).size) | {
            "shift_mux_bit": load.ungated * load.work.beat_cycles * shifter * width,
            "combine_add_bit": float(load.sums * load.acc_width),
            "combine_register_bit": float(load.sums * load.acc_width),
        }
        if load.factor > 1:
            counts["multiply_bit2"] = float(load.sums * load.factor.bit_length() * load.acc_width)
        return counts

    def held_cycles(
        self, arch: Arch, layer: Coded, activations: Codes, fields: Codes
    ) -> HeldCycles:
        """Terms of E and O; levels that are stored are taken bit by bit, into E."""
        beat, number, _ = beat_numbers(layer, len(activations))
        levels, operands = levels_of(layer, fields)[beat], activations[beat]
        held = levels & mask(arch.level_width)
        if layer.codebook:
            factor = shift_factor(tuple(int(word["level"]) for word in layer.codebook)) or 1
            odd = (np.abs(levels) & (np.abs(levels) - 1)) != 0
            even = np.where(odd, 0, levels)
            chosen = even, np.where(odd, levels // factor, 0)
        else:
            top = number == layer.work.level_digits - 1
            place = np.where(top, -1, 1) << number
            chosen = (held >> number[:, None, None] & 1) * place[:, None, None], np.zeros_like(held)
        return HeldCycles(
            operands=operands,
            factors=held,
            terms=tuple(operands[:, None] * part for part in chosen),
            shifts=np.zeros(len(beat), np.int64),
        )

    def held_bits(self, arch: Arch, layer: Coded, fields: Codes) -> Codes:
        """Of entries, or of levels that are stored."""
        levels = levels_of(layer, fields)
        if not layer.codebook:
            return levels & mask(arch.level_width)
        lowest = np.bitwise_count((levels & -levels) - (levels != 0)).astype(np.int64)
        odd = np.abs(levels) >> lowest > 1
        entries: Codes = (levels != 0) | (levels < 0) << 1 | odd << 2 | lowest << 3
        return entries


MICRO = ShiftAdd()
