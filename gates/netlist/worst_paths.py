"""The longest paths of a design in words: from where to where, through what."""

import re
from dataclasses import dataclass

from ..liberty.cells import Cell
from ..liberty.liberty import Library
from .names import kind_of
from .netlist import Netlist
from .static import StaticTiming, TimedPath


@dataclass(frozen=True, kw_only=True, slots=True)
class PathReport:
    """One path; the worst of all that lead from the same registers to the same ones."""

    begin: str
    end: str
    levels: int
    """Gates on the way without buffers."""
    buffers: int
    arrival_ns: float
    setup_ns: float
    slack_ns: float
    through: tuple[str, ...]
    """Named signals on the way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimingReport:
    """A design in a library; times in ns."""

    cells: int
    flip_flops: int
    area: float
    """Without memories, in the library's unit."""
    memories: int
    critical_ns: float
    """Least period: arrival and set-up of the longest path."""
    slack_ns: float
    worst: tuple[PathReport, ...]


def report(timing: StaticTiming, count: int = 10) -> TimingReport:
    """The figures, and the `count` worst paths that differ in more than bits and copies."""
    netlist, library = timing.netlist, timing.library
    found: dict[tuple[str, str], PathReport] = {}
    for end in timing.ends:
        if len(found) >= count:
            break
        path = timing.path(end)
        kind = kind_of(path.begin), kind_of(path.end)
        if kind not in found:
            found[kind] = _described(path, netlist, library, timing.names)
    worst = tuple(found.values())
    slack = timing.ends[0].slack_ns if timing.ends else timing.assumed.period_ns
    return TimingReport(
        cells=len(netlist.gates),
        flip_flops=sum(cell.ff is not None for cell in timing.cells),
        area=netlist.area(library),
        memories=len(netlist.macros),
        critical_ns=timing.assumed.period_ns - slack,
        slack_ns=slack,
        worst=worst,
    )


def _described(
    path: TimedPath, netlist: Netlist, library: Library, names: dict[int, str]
) -> PathReport:
    cells = [library.cell(netlist.gates[number].cell) for number in path.gates]
    buffers = sum(map(is_buffer, cells))
    through = [re.sub(r"\[\d+\]$", "", names[net]) for net in path.nets[1:] if net in names]
    return PathReport(
        begin=path.begin,
        end=path.end,
        levels=len(cells) - buffers,
        buffers=buffers,
        arrival_ns=path.arrival_ns,
        setup_ns=path.setup_ns,
        slack_ns=path.slack_ns,
        through=tuple(dict.fromkeys(through)),
    )


def is_buffer(cell: Cell) -> bool:
    """Whether a cell passes its one input on."""
    if len(cell.inputs) != 1 or len(cell.outputs) != 1 or cell.ff is not None:
        return False
    function = cell.pins[cell.outputs[0]].function
    return function is not None and function.tree == ("pin", cell.inputs[0])
