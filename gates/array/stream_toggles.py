"""What an operand stream does to a lane array's registers: the statistics that its energy follows.

Counted in bits over a whole stream, without gates and without a simulator. They mirror the stages
of `rtl.lanes.lookup_mac` (operand registers hold while gated, products are then 0, tree sum,
accumulator). Arrays that take several cycles per beat have other stages; there the same numbers
describe the operands, and the fit (`model.linear`) finds what each is worth.
"""

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch, Micro
from .bit_counts import flips, held, mask, running, total
from .streams import OperandStream, field_levels
from .table_toggles import TABLE_TOGGLES, table_toggles

Codes = npt.NDArray[np.int64]

STRUCTURE = ("array", "row", "column", "lane")
"""Per cycle: what an array of a size costs whatever it computes (clock, leakage, control)."""
TOGGLES = ("bus", "operand", "level", "multiply", "product", "partial", "sum", "accumulator")
"""In bits. bus: beats change. operand, level: a lane's registers change. multiply: changed bits of
one factor times ones of the other. product, sum, accumulator: those registers change. partial:
ones of the activation times ones of the level."""


def toggle_names(micro: str) -> tuple[str, ...]:
    """What is counted of a stream on arrays of a micro-architecture, beside `STRUCTURE`."""
    return TABLE_TOGGLES if micro == Micro.PRODUCT_TABLE else TOGGLES


def structure(rows: int, cols: int) -> dict[str, float]:
    """How many of each an array has."""
    return {"array": 1.0, "row": float(rows), "column": float(cols), "lane": float(rows * cols)}


def stream_cycles(stream: OperandStream) -> int:
    """Cycles of the stream without stalls."""
    work = stream.work
    return len(stream) * work.beat_cycles + int(stream.last.sum()) * work.final_cycles


def stream_toggles(arch: Arch, stream: OperandStream) -> dict[str, float]:
    """The numbers of `toggle_names` for the whole stream, all lanes together."""
    if arch.micro is Micro.PRODUCT_TABLE:
        return table_toggles(arch, stream)
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
