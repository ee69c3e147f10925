"""Systolic: SCALE-Sim's stall-free compute cycles in closed form, for comparison with its users.

A layer is a product of (pixels x window) by (window x filters). The dataflow lays two of the three
extents on the rows and columns of the array and streams the third (T) through it:

    dataflow              rows     columns   T         cycles of a fold
    os output stationary  pixels   filters   window    T + rows + cols - 2
    ws weight stationary  window   filters   pixels    T + 2 rows + cols - 2
    is input stationary   window   pixels    filters   T + 2 rows + cols - 2

with ceil(extent / size) folds along rows and columns. Operands enter skewed, so a fold lasts until
its last output leaves the far corner; ws and is load the stationary operand first, a row per cycle.
Folds do not overlap. SCALE-Sim reports the number of the layer's last cycle, counted from 0: one
less than all folds together. This is another machine than the lane array of `cycles.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.host.text import shown
from ..events.memories import Count
from .topology import LayerSize, Topology

MOST_ELEMENTS = 1 << 20
"""Of a side: far beyond any array, and no count of a bounded topology wraps."""


class Dataflow(StrEnum):
    """Operand that stays in the array, by SCALE-Sim's names."""

    OUTPUT = "os"
    WEIGHT = "ws"
    INPUT = "is"

    @classmethod
    def of(cls, text: str) -> "Dataflow":
        if text not in set(cls):
            raise InputError(f"Dataflow must be one of {', '.join(cls)}, not {shown(text)}")
        return cls(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class SystolicCycles:
    """One layer; vectors when rows and cols are."""

    name: str
    folds: Count
    cycles: Count
    """As SCALE-Sim reports them: the number of the last cycle."""
    utilization: float | npt.NDArray[np.float64]
    """MACs per processing element and cycle."""


def layer_systolic(size: LayerSize, rows: Count, cols: Count, dataflow: Dataflow) -> SystolicCycles:
    """Cycles of `size` on `rows` x `cols` processing elements, numbers or vectors."""
    match dataflow:
        case Dataflow.OUTPUT:
            across, along, streamed = size.pixels, size.filters, size.window
        case Dataflow.WEIGHT:
            across, along, streamed = size.window, size.filters, size.pixels
        case Dataflow.INPUT:
            across, along, streamed = size.window, size.pixels, size.filters
        case _:
            assert_never(dataflow)
    folds = -(-across // rows) * -(-along // cols)
    loading = 0 if dataflow is Dataflow.OUTPUT else rows
    cycles = size.repeat * (folds * (streamed + loading + rows + cols - 2) - 1)
    return SystolicCycles(
        name=size.name,
        folds=size.repeat * folds,
        cycles=cycles,
        utilization=size.macs / (rows * cols * (cycles + size.repeat)),
    )


def topology_systolic(
    topology: Topology, rows: Count, cols: Count, dataflow: Dataflow
) -> list[SystolicCycles]:
    """Every layer of `topology`; layers follow each other."""
    for what, value in (("rows", rows), ("cols", cols)):
        if np.any(np.asarray(value) < 1):
            raise InputError(f"Systolic {what} must be at least 1, not {value}")
        if np.any(np.asarray(value) > MOST_ELEMENTS):
            raise InputError(f"Systolic {what} must be at most {MOST_ELEMENTS:,}, not {value}")
    return [layer_systolic(size, rows, cols, dataflow) for size in topology.layers]


def total_cycles(layers: Sequence[SystolicCycles]) -> Count:
    """Cycles of a network: the sum that SCALE-Sim's users take."""
    return sum(layer.cycles for layer in layers)
