"""Toggles: bits of a lane array that an operand stream changes, counted without its gates.

Registers are arrays with the time first. They mirror the stages of the columns: operand registers
hold while their lane is gated, products are then 0; then tree sum and accumulator.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...spec.formats import twos_complement
from ..arch.arch import Arch
from ..timing.schedule import Schedule

Codes = npt.NDArray[np.int64]


def mask(width: int) -> int:
    """`width` ones."""
    return (1 << width) - 1


def flips(values: Codes, width: int) -> Codes:
    """Bits that differ from the value before, of two's complement of `width` bits."""
    changed = (values[1:] ^ values[:-1]) & mask(width)
    counts: Codes = np.bitwise_count(changed).astype(np.int64)
    return counts


def held(values: Codes, live: npt.NDArray[np.bool_]) -> Codes:
    """Registers (N, cols, rows) that take `values` where `live` and hold elsewhere; 0 at first."""
    beats = np.arange(len(values)).reshape(-1, 1, 1)
    latest = np.maximum.accumulate(np.where(live, beats, -1), axis=0)
    taken = np.take_along_axis(values, np.maximum(latest, 0), axis=0)
    return np.where(latest < 0, 0, taken)


def running(terms: Codes, starts: npt.NDArray[np.integer | np.bool_]) -> Codes:
    """Accumulators (N, cols): sums of `terms` from the latest of `starts` on."""
    totals = np.cumsum(terms, axis=0)
    since = np.maximum.accumulate(np.where(starts != 0, np.arange(len(starts)), 0))
    return totals - (totals - terms)[since]


def total(counts: npt.NDArray[np.integer]) -> float:
    """Of all of them."""
    return float(counts.sum())


class Coded(Protocol):
    """A layer on an array: what its weight fields are, and its time."""

    @property
    def weight_bits(self) -> int:
        """Bits of a stored weight."""

    @property
    def level_width(self) -> int:
        """Of a field that is a level."""

    @property
    def codebook(self) -> Sequence[dict[str, Any]]:
        """Code and level of every entry; empty: fields are levels."""

    @property
    def work(self) -> Schedule: ...


class Beats(Coded, Protocol):
    """N beats of one layer on an array."""

    @property
    def activations(self) -> Codes:
        """(N, rows)"""

    @property
    def weights(self) -> Codes:
        """(N, cols, rows) fields: codes, or levels as two's complement."""

    @property
    def first(self) -> Codes:
        """(N,) 1 where a sum begins."""


def field_levels(stream: Beats) -> Codes:
    """(N, cols, rows) levels of the weight fields."""
    return levels_of(stream, stream.weights)


def levels_of(layer: Coded, fields: Codes) -> Codes:
    """Levels of weight fields of a layer."""
    if not layer.codebook:
        return twos_complement(fields, layer.level_width)
    table = np.zeros(1 << max(1, layer.weight_bits), np.int64)
    for word in layer.codebook:
        if word["code"] < len(table):
            table[word["code"]] = word["level"]
    return table[fields]


TOGGLES = ("bus", "operand", "level", "multiply", "product", "partial", "sum", "accumulator")
"""In bits. bus: beats change. operand, level: a lane's registers change. multiply: changed bits of
one factor times ones of the other. product, sum, accumulator: those registers change. partial:
ones of the activation times ones of the level."""


def multiplier_toggles(arch: Arch, stream: Beats) -> dict[str, float]:
    """The numbers of `TOGGLES` for the whole stream, all lanes together."""
    levels = field_levels(stream)  # (N, cols, rows)
    live = stream.weights != 0
    acts = np.broadcast_to(stream.activations[:, None, :], levels.shape)
    operand = held(acts, live)
    level = held(levels & mask(arch.level_width), live)
    product = np.where(live, acts * levels, 0)
    sums = product.sum(axis=2)
    ones_act, ones_level = np.bitwise_count(operand), np.bitwise_count(level)
    by_act = flips(operand, arch.act_width) * ones_level[1:]
    by_level = flips(level, arch.level_width) * ones_act[1:]
    return {
        "bus": total(flips(stream.activations, arch.act_width))
        + total(flips(stream.weights, arch.field_width)),
        "operand": total(flips(operand, arch.act_width)),
        "level": total(flips(level, arch.level_width)),
        "multiply": total(by_act) + total(by_level),
        "product": total(flips(product, arch.level_width + arch.act_width)),
        "partial": total(ones_act * ones_level * live),
        "sum": total(flips(sums, arch.acc_width)),
        "accumulator": total(flips(running(sums, stream.first), arch.acc_width)),
    }
