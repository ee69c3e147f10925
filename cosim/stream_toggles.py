"""What an operand stream does to a lane array's registers: the statistics that its energy follows.

Counted in bits over a whole stream, without gates and without a simulator. They mirror the stages
of `rtl.lookup_mac` (operand registers that hold while gated, products that are then 0, tree sum,
accumulator). Arrays that take several cycles per beat have other stages; there the same numbers
describe the operands, and the fit (`gate_fit`) finds what each is worth.
"""

import numpy as np
import numpy.typing as npt

from ..rtl.arch import Arch
from .gate_streams import OperandStream, field_levels

Codes = npt.NDArray[np.int64]

STRUCTURE = ("array", "row", "column", "lane")
"""Per cycle: what an array of a size costs whatever it computes (clock, leakage, control)."""
TOGGLES = ("bus", "operand", "level", "multiply", "product", "partial", "sum", "accumulator")
"""In bits. bus: beats change. operand, level: a lane's registers change. multiply: changed bits of
one factor times ones of the other. product, sum, accumulator: those registers change. partial:
ones of the activation times ones of the level."""


def structure(rows: int, cols: int) -> dict[str, float]:
    """How many of each an array has."""
    return {"array": 1.0, "row": float(rows), "column": float(cols), "lane": float(rows * cols)}


def stream_cycles(stream: OperandStream) -> int:
    """Cycles of the stream without stalls."""
    work = stream.work
    return len(stream) * work.beat_cycles + int(stream.last.sum()) * work.final_cycles


def stream_toggles(arch: Arch, stream: OperandStream) -> dict[str, float]:
    """The numbers of `TOGGLES` for the whole stream, all lanes together."""
    levels = field_levels(stream)  # (N, cols, rows)
    live = stream.weights != 0
    acts = np.broadcast_to(stream.activations[:, None, :], levels.shape)
    operand = _held(acts, live)
    level = _held(levels & _mask(arch.level_width), live)
    product = np.where(live, acts * levels, 0)
    sums = product.sum(axis=2)
    ones_act, ones_level = np.bitwise_count(operand), np.bitwise_count(level)
    by_act = _flips(operand, arch.act_width) * ones_level[1:]
    by_level = _flips(level, arch.level_width) * ones_act[1:]
    return {
        "bus": _total(_flips(stream.activations, arch.act_width))
        + _total(_flips(stream.weights, arch.field_width)),
        "operand": _total(_flips(operand, arch.act_width)),
        "level": _total(_flips(level, arch.level_width)),
        "multiply": _total(by_act) + _total(by_level),
        "product": _total(_flips(product, arch.level_width + arch.act_width)),
        "partial": _total(ones_act * ones_level * live),
        "sum": _total(_flips(sums, arch.acc_width)),
        "accumulator": _total(_flips(_running(sums, stream.first), arch.acc_width)),
    }


def _held(values: Codes, live: npt.NDArray[np.bool_]) -> Codes:
    """Registers that take `values` where `live` and hold elsewhere; 0 before the first."""
    beats = np.arange(len(values)).reshape(-1, 1, 1)
    latest = np.maximum.accumulate(np.where(live, beats, -1), axis=0)
    taken = np.take_along_axis(values, np.maximum(latest, 0), axis=0)
    return np.where(latest < 0, 0, taken)


def _running(sums: Codes, first: Codes) -> Codes:
    """Accumulators: sums from the latest `first` on."""
    totals = np.cumsum(sums, axis=0)
    starts = np.maximum.accumulate(np.where(first == 1, np.arange(len(first)), 0))
    return totals - (totals - sums)[starts]


def _flips(values: Codes, width: int) -> npt.NDArray[np.int64]:
    """Bits that differ from the value before, of two's complement of `width` bits."""
    changed = (values[1:] ^ values[:-1]) & _mask(width)
    return np.bitwise_count(changed).astype(np.int64)


def _mask(width: int) -> int:
    return (1 << width) - 1


def _total(counts: npt.NDArray[np.integer]) -> float:
    return float(counts.sum())
