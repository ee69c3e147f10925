"""Registers of an operand stream as arrays, time first, and how many of their bits change."""

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]


def mask(width: int) -> int:
    """`width` ones."""
    return (1 << width) - 1


def flips(values: Codes, width: int) -> Codes:
    """Bits that differ from the value before, of two's complement of `width` bits."""
    changed = (values[1:] ^ values[:-1]) & mask(width)
    return np.bitwise_count(changed).astype(np.int64)


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
