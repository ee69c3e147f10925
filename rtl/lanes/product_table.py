"""`product_table`: level x activation digit for all codes, built by additions, shared by lanes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from amaranth.hdl import Array, Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...spec.formats import Int64Array, twos_complement
from ..arch.arch import Arch
from ..timing.elementwise import real
from ..timing.schedule import Schedule, schedule_widths
from .beat_steps import BeatSteps, Control
from .column import Column, add_shifted, codebook_levels
from .held import HeldColumn, registered, shifted
from .held_toggles import HeldCycles, beat_numbers
from .lookup_mac import LookupMac
from .micro import Micro
from .shared_table import (
    ProductTable,
    build_cycles,
    product_width,
    shift_width,
    table_digits,
    table_slice,
    words_layout,
)
from .terms import Adders, LaneLoad, Parts, common_area, level_book_bits, stages, tree_bits
from .toggles import Beats, Coded, Codes, flips, held, mask, running, total


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
    level_digit : current one of the weights. top : it is the highest. shift : of the tree sum.
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
        self.total = add_shifted(m, self, self.products)
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
        m.d.comb += code.eq(level_digit(self, field))
        with m.If(self.advance):
            m.d.sync += self.products[row].eq(Mux(live, self.words[row][code], 0))


def level_digit(column: wiring.Component, field: Value) -> Value:
    """The column's current digit; below the top one without its highest bit, so that it is
    positive."""
    width = column.arch.weight_width
    count = table_digits(column.arch, column.arch.level_width)
    extended = Cat(field, field[-1].replicate(width))
    places = (extended[at : at + width] for at in range(0, count * (width - 1), max(1, width - 1)))
    digit = Array(places)[column.level_digit] if count > 1 else field[:width]
    return Cat(digit[: width - 1], digit[width - 1] & column.top)


class HeldTableColumn(HeldColumn):
    """The same selection; the lanes hold fields.

    Members
    -------
    words : of the rows (`words_layout`). level_digit, top : as in `ProductTableColumn`.
    shift : of the tree sum.
    """

    place_cycles = 1

    @classmethod
    def operand_ports(cls, arch: Arch) -> dict[str, wiring.Member]:
        return {
            "words": In(words_layout(arch)),
            "level_digit": In(schedule_widths(arch)["level_digits"]),
            "top": In(1),
            "shift": In(shift_width(arch)),
        }

    def terms(self, m: Module) -> list[list[Value]]:
        chosen = [
            word[level_digit(self, field)]
            for word, field in zip(self.words, self.held, strict=True)
        ]
        return [registered(m, "product", chosen)]

    def placed(self, m: Module, total: Value) -> list[Value]:
        return [shifted(m, self, total, self.shift)]


TABLE_TOGGLES = (
    "bus", "digit", "word", "reach", "field", "code", "select", "product", "sum", "accumulator",
)  # fmt: skip
"""In bits. bus: beats change. digit: the rows' activation digits. word: the products that they
select. reach: these, once for every column. field: weight registers. code: what a lane selects
with. select: what it selects, gated or not. product, sum, accumulator: those registers."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TableCycles:
    """The registers of an array without stalls, T cycles of N beats."""

    digits: Codes
    """(T, rows) of the activations."""
    words: Codes
    """(2^slice, codes) signed products by digit and code."""
    fields: Codes
    """(T, cols, rows) as held while lanes are gated."""
    codes: Codes
    selected: Codes
    products: Codes
    """(T, cols, rows) each."""
    sums: Codes
    accumulators: Codes
    """(T, cols) each."""


def table_cycles(arch: Arch, stream: Beats) -> TableCycles:
    """Values of the registers in every cycle."""
    work, beats = stream.work, len(stream.first)
    beat = np.repeat(np.arange(beats), work.beat_cycles)
    level_digit = np.tile(np.repeat(np.arange(work.level_digits), work.act_digits), beats)
    act_digit = np.tile(np.arange(work.act_digits), beats * work.level_digits)
    width, part = arch.weight_width, table_slice(arch)

    digits = (stream.activations[beat] >> (act_digit * part)[:, None]) & mask(part)
    live = (stream.weights != 0)[beat]
    fields = held(stream.weights, stream.weights != 0)[beat]
    top = (level_digit == work.level_digits - 1)[:, None, None]
    places = (level_digit * (width - 1))[:, None, None]
    codes = (_signed(stream, fields) >> places) & np.where(top, mask(width), mask(width - 1))

    words = _words(arch, stream)
    selected = words[digits[:, None, :], codes]
    products = np.where(live, selected, 0)
    sums = products.sum(axis=2)
    starts = (stream.first[beat] == 1) & (act_digit == 0) & (level_digit == 0)
    shifted = sums << (act_digit * part + level_digit * (width - 1))[:, None]
    return TableCycles(
        digits=digits, words=words, fields=fields, codes=codes, selected=selected,
        products=products, sums=sums, accumulators=running(shifted, starts),
    )  # fmt: skip


def _signed(stream: Coded, fields: Codes) -> Codes:
    """Fields as the digits are cut from them: levels with their sign, codes as they are."""
    return fields if stream.codebook else twos_complement(fields, stream.level_width)


def _words(arch: Arch, stream: Coded) -> Codes:
    """Products by digit and code: of the codebook, or of the integers that levels are made of."""
    levels = np.zeros(1 << arch.weight_width, np.int64)
    if stream.codebook:
        for entry in stream.codebook:
            levels[entry["code"]] = entry["level"]
    else:
        levels[:] = twos_complement(np.arange(len(levels)), arch.weight_width)
    return np.arange(1 << table_slice(arch))[:, None] * levels


def _selected_bits(arch: Arch, words: Codes, digits: Codes) -> Codes:
    """(T - 1, rows) changed bits of the words that digits (T, rows) select."""
    pairs = (words[:, None] ^ words[None]) & mask(product_width(arch))
    distance = np.bitwise_count(pairs).sum(axis=2).astype(np.int64)
    found: Codes = distance[digits[1:], digits[:-1]]
    return found


class SharedProducts(Micro):
    """One shared table of level x activation digit, built per pass by additions; no multiplier."""

    name = "product_table"
    marker, colour = "v", "#D55E00"
    column = ProductTableColumn
    held_column = HeldTableColumn
    act_digits = level_digits = True

    def schedule(
        self, arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
    ) -> Schedule:
        digits = 1 if level_width is None else table_digits(arch, level_width)
        return Schedule(act_digits=-(-act_width // table_slice(arch)), level_digits=digits)

    def held_width(self, arch: Arch) -> int:
        return arch.field_width

    def held_value(self, array: wiring.Component, tables: dict[str, Value], field: Value) -> Value:
        return field

    def held_term(self, arch: Arch) -> tuple[int, int]:
        return product_width(arch), 0

    def build_cycles(self, arch: Arch) -> int:
        """Before a layer's first beat."""
        return build_cycles(arch)

    def tables(self, m: Module, array: wiring.Component, control: Control) -> dict[str, Value]:
        """The table's words, and the registers of the rows' activations, whose digit selects."""
        arch, levels = array.arch, codebook_levels(m, array)
        m.submodules.products = table = ProductTable(arch)
        m.d.comb += [
            table.codebook.eq(levels),
            table.bypass.eq(array.bypass),
            table.start.eq(array.configured | array.codebook.valid),
            control.built.eq(table.built),
        ]
        for row, code in enumerate(array.beats.payload.activations):
            operand = Signal(arch.act_width, name=f"operand_{row}")
            with m.If(control.take & control.load):
                m.d.sync += operand.eq(code)
            m.d.comb += table.digits[row].eq(operand.word_select(control.digit, table_slice(arch)))
        return {"words": table.words}

    def shift(self, arch: Arch, steps: BeatSteps) -> Value:
        places = steps.act_digit * table_slice(arch)
        places += steps.level_digit * (arch.weight_width - 1)
        return places[: shift_width(arch)]

    def shift_bits(self, arch: Arch) -> int:
        return shift_width(arch)

    def compute(self, mac: LookupMac, activations: Int64Array, fields: Int64Array) -> int:
        width, piece = mac.arch.weight_width, table_slice(mac.arch)
        half = 1 << (width - 1)
        integers = [code - (2 * half if code >= half else 0) for code in range(2 * half)]
        levels = integers if mac.codebook is None else [*mac.codebook]
        table = np.multiply.outer(np.arange(1 << piece), np.array(levels))
        acc, last = 0, mac.schedule.level_digits - 1
        signed = mac.levels(fields) if mac.codebook is None else fields
        for codes, chosen in zip(activations, signed, strict=True):
            for at in range(mac.schedule.level_digits):
                digit = chosen >> at * (width - 1) & (2 * half - 1 if at == last else half - 1)
                for step in range(mac.schedule.act_digits):
                    part = codes >> step * piece & ((1 << piece) - 1)
                    acc += int(table[part, digit].sum()) << at * (width - 1) + step * piece
        return acc

    def lane_bits(self, arch: Arch) -> int:
        return arch.field_width + 1 + product_width(arch)

    def column_bits(self, arch: Arch) -> Any:
        return tree_bits(arch, product_width(arch)) + arch.acc_width

    def table_bits(self, arch: Arch) -> Any:
        """The codebook, the words and the rows' operands."""
        codes, words = 1 << arch.weight_width, 1 << table_slice(arch)
        stored = words * codes * product_width(arch)  # not word 0, but the newest one twice
        book = level_book_bits(arch)
        return book + stored + words.bit_length() + arch.rows * arch.act_width

    def area(self, arch: Arch) -> Parts:
        codes, words, width = 1 << arch.weight_width, 1 << table_slice(arch), product_width(arch)
        lanes, word = arch.rows * arch.cols, codes * width
        choice = arch.rows * (words - 1) * word + lanes * (word - width)
        shifter = arch.cols * arch.acc_width * stages(arch.act_width + arch.level_width)
        return {
            "product table": {"register_area": words * word, "add_area": word},
            "product selection": {"mux_area": choice},
            "shifters": {"mux_area": shifter},
            "operand registers": {"register_area": arch.rows * arch.act_width},
            "codebook registers": {"register_area": level_book_bits(arch)},
        } | common_area(arch, width, arch.field_width + width + 1)

    def adders(self, arch: Arch, load: LaneLoad) -> Adders:
        return Adders(width=product_width(arch), tree_cycles=load.work.beat_cycles)

    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        """A row's digit selects its word of the layer's products, a lane one of the word's with its
        code."""
        codes, words = 1 << (load.codes or arch.weight_width), 1 << table_slice(arch)
        cycles, width = load.work.beat_cycles, product_width(arch)
        shifts = load.column_beats * cycles * stages(cycles) * load.acc_width
        return {
            "word_mux_bit": real(load.beats * arch.rows * cycles * (words - 1) * codes * width),
            "product_mux_bit": load.ungated * cycles * (codes - 1) * width,
            "shift_mux_bit": real(shifts),
        }

    def pass_events(self, arch: Arch, passes: Any) -> dict[str, Any]:
        """The table is built in every pass, also in those that do not use it."""
        words = real(passes * self.build_cycles(arch) * product_width(arch))
        built = words * (1 << arch.weight_width)
        return {
            "table_build_add_bit": built,
            "table_build_register_bit": 2.0 * built,  # the word, and the newest one
        }

    toggle_names = TABLE_TOGGLES

    def toggles(self, arch: Arch, stream: Beats) -> dict[str, float]:
        """What costs most is shared: the words that digits select, which every column reads."""
        cycles = table_cycles(arch, stream)
        width = product_width(arch)
        word = total(_selected_bits(arch, cycles.words, cycles.digits))
        return {
            "bus": total(flips(stream.activations, arch.act_width))
            + total(flips(stream.weights, arch.field_width)),
            "digit": total(flips(cycles.digits, table_slice(arch))),
            "word": word,
            "reach": word * stream.weights.shape[1],
            "field": total(flips(cycles.fields, arch.field_width)),
            "code": total(flips(cycles.codes, arch.weight_width)),
            "select": total(flips(cycles.selected, width)),
            "product": total(flips(cycles.products, width)),
            "sum": total(flips(cycles.sums, arch.acc_width)),
            "accumulator": total(flips(cycles.accumulators, arch.acc_width)),
        }

    def followed_cycles(self, beat_cycles: int) -> int:
        return beat_cycles

    def held_cycles(
        self, arch: Arch, layer: Coded, activations: Codes, fields: Codes
    ) -> HeldCycles:
        beat, level, step = beat_numbers(layer, len(activations))
        width, part = arch.weight_width, table_slice(arch)
        digits = activations[beat] >> (step * part)[:, None] & mask(part)
        top = (level == layer.work.level_digits - 1)[:, None, None]
        places = (level * (width - 1))[:, None, None]
        below = np.where(top, mask(width), mask(width - 1))
        codes = (_signed(layer, fields)[beat] >> places) & below
        words = _words(arch, layer)
        return HeldCycles(
            operands=digits,
            factors=codes,
            terms=(words[digits[:, None], codes],),
            shifts=step * part + level * (width - 1),
            words=_selected_bits(arch, words, digits).sum(axis=1),
        )

    def held_bits(self, arch: Arch, layer: Coded, fields: Codes) -> Codes:
        return fields & mask(arch.field_width)


MICRO = SharedProducts()
