"""What paths are measured against, and the words for their parts."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from ...spec.errors import InputError
from ..liberty.cells import Cell
from ..liberty.liberty import Library
from ..netlist.netlist import clock_pin
from ..placement.clocked import clock_pins


@dataclass(frozen=True, kw_only=True, slots=True)
class Clocking:
    """What paths are measured against."""

    period_ns: float
    io_share: float = 0.2
    """Of the period, before inputs arrive and after outputs are due; 0.2 in the constraint files of
    OpenROAD-flow-scripts (`clk_io_pct`)."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.period_ns) and self.period_ns > 0):
            raise InputError(f"Period must be in ns above 0, not {self.period_ns!r}")
        if not 0 <= self.io_share < 0.5:
            raise InputError(f"Share of inputs must be from 0 to below 0.5, not {self.io_share!r}")


class Stage(NamedTuple):
    """One gate of a path: in at a pin with an edge, out at another."""

    gate: int
    pin: str
    edge: int
    out: str
    out_edge: int


End = tuple[int, str]
"""A register's pin, or (-1 - net, "") of an output port."""


def register_clocks(library: Library, cell: Cell) -> tuple[str, ...]:
    """Clock pins of a cell that keeps something; () of a gate."""
    marked = clock_pins(library, cell.name)
    return marked or ((clock_pin(cell),) if cell.ff is not None else ())
