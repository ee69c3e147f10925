"""What an operand stream does to a `product_table` array: bits that change, cycle by cycle.

Such an array takes a beat in several cycles, and what costs most in it is shared: an activation
digit selects its row's word of all products, and every column hangs on that word. So the words are
followed here (`rtl.lanes.product_table` stage by stage); `stream_toggles` follows multipliers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.lanes.product_table import product_width
from ...rtl.timing.schedule import table_slice
from ...spec.formats import twos_complement
from .bit_counts import flips, held, mask, running, total
from .streams import OperandStream

Codes = npt.NDArray[np.int64]

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


def table_cycles(arch: Arch, stream: OperandStream) -> TableCycles:
    """What the registers hold in every cycle."""
    work, beats = stream.work, len(stream)
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


def table_toggles(arch: Arch, stream: OperandStream) -> dict[str, float]:
    """The numbers of `TABLE_TOGGLES` for the whole stream, all lanes together."""
    cycles = table_cycles(arch, stream)
    width = product_width(arch)
    pairs = (cycles.words[:, None] ^ cycles.words[None]) & mask(width)
    distance = np.bitwise_count(pairs).sum(axis=2).astype(np.int64)
    word = total(distance[cycles.digits[1:], cycles.digits[:-1]])
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


def _signed(stream: OperandStream, fields: Codes) -> Codes:
    """Fields as the digits are cut from them: levels with their sign, codes as they are."""
    return fields if stream.codebook else twos_complement(fields, stream.level_width)


def _words(arch: Arch, stream: OperandStream) -> Codes:
    """Products by digit and code: of the codebook, or of the integers that levels are made of."""
    levels = np.zeros(1 << arch.weight_width, np.int64)
    if stream.codebook:
        for entry in stream.codebook:
            levels[entry["code"]] = entry["level"]
    else:
        levels[:] = twos_complement(np.arange(len(levels)), arch.weight_width)
    return np.arange(1 << table_slice(arch))[:, None] * levels
