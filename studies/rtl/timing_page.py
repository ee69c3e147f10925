"""docs/timing.md: the tables of `adqhw bench timing` and their assumptions."""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from ...spec.host import markdown
from .synthesis import ECP5, LARGE
from .synthesis_page import plain
from .timing import Placed, Timed

SEE = (
    "[Synthesis](synthesis.md), [emitted Verilog](verilog.md), "
    "[accelerator](accelerator.md), [utilization](results/utilization.md)."
)
_HEAD = """# Timing of whole accelerators

Written by `adqhw bench timing -o docs/timing.md`; do not edit.

{versions}. Every design is an accelerator with its memories, without its AXI ports: {arch}. Designs
without `hold` are the first accelerator (a weight word per pixel), those with `hold` the one that
holds weights, with as many bits of memory in rows of other widths.

"""
_FPGA = """## ECP5

LUTs, FFs, DSPs and BRAMs are yosys's cells of the design alone. fmax is nextpnr's after place and
route (seed 1, {part}) in a wrapper of shift registers around the ports. The longest path by
nextpnr: what part of it is logic, how many steps of logic, and the signals that it begins and ends
with.

"""
_ARRIVALS = """The latest data after the clock, by registers that differ in more than bits and
copies of a unit: where it arrives, and the last signal on the way, or what it is made of.

"""
_GATES = """## Gates of a Liberty

Yosys and abc, no placement, no wires, no clock tree; paths by the package's own static timing
(`gates/netlist/static.py`): from a register's clock through its output and the gates, with the
library's delays and transition times, to a register's data and its set-up time. A memory of at
least 16 words that is read by the clock is one cell: its word comes {access} ns after the clock,
its inputs must be there {setup} ns before; its area is not in the table. Clock and inputs have a
transition time of {slew} ns. Least period is arrival and set-up of the longest path; slack is that
at the stated clock, which the gates were sized for too.

"""
_WORST = """The ten worst paths that differ in more than bits and copies of a unit, and the unit in
which they end. Levels are gates without buffers; where a path has many buffers, its first register
drives many gates, which abc reaches by a chain of them. Signals on the way are those whose names
survive technology mapping.

"""
PLACED = (
    "design", "LUTs", "FFs", "DSPs", "BRAMs", "fmax MHz", "longest ns", "logic ns", "steps",
    "from", "to",
)  # fmt: skip
TIMED = (
    "design", "Liberty", "cells", "flip-flops", "area", "memories", "least period ns", "fmax MHz",
    "clock MHz", "slack ns",
)  # fmt: skip
ARRIVED = ("design", "at", "unit", "last signal", "ns")
_PATHS = (
    "unit", "from", "to", "levels", "buffers", "arrival ns", "set-up ns", "slack ns", "on the way",
)  # fmt: skip
_SHOWN = 4
"""Named signals of a path: the first ones, and the last."""


@dataclass(kw_only=True)
class Record:
    """What was measured so far."""

    versions: dict[str, str]
    arch: str
    placed: list[Placed] = field(default_factory=list)
    timed: list[Timed] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def page(record: Record) -> str:
    """The Markdown page."""
    versions = "; ".join(f"{name}: {text}" for name, text in record.versions.items())
    parts = [_HEAD.format(versions=versions, arch=record.arch)]
    if record.placed:
        parts += [_FPGA.format(part=" ".join(LARGE[ECP5])), _table(PLACED, placed_rows(record), 1)]
        notes = [f"- {row.design}: {plain(row.figures.note)}\n" for row in record.placed
                 if row.figures.note]  # fmt: skip
        parts += ["Notes:\n\n", *notes, "\n"] if notes else []
        parts += [_ARRIVALS, _table(ARRIVED, list(_arrivals(record)), 4)]
    if record.timed:
        assumed = record.timed[0].assumed
        parts.append(
            _GATES.format(
                access=assumed.access_ns, setup=assumed.memory_setup_ns, slew=assumed.slew_ns
            )
        )
        parts += [_table(TIMED, timed_rows(record), 2), _WORST]
        parts += [part for row in record.timed for part in _worst(row)]
    return "".join(parts).rstrip("\n") + "\n"


def _worst(row: Timed) -> Iterator[str]:
    yield f"### {plain(row.design)}, {plain(row.liberty)}\n\n"
    cells = [
        (
            unit_of(path.end), path.begin, path.end, path.levels, path.buffers,
            f"{path.arrival_ns:.3f}", f"{path.setup_ns:.3f}", f"{path.slack_ns:.3f}",
            _shortened(path.through),
        )
        for path in row.timing.worst
    ]  # fmt: skip
    yield _table(_PATHS, cells, 3)


def _arrivals(record: Record) -> Iterator[tuple[Any, ...]]:
    for entry in record.placed:
        for one in entry.arrivals:
            yield entry.design, one.end, unit_of(one.end), one.net, f"{one.ns:.2f}"


UNITS = (
    (r"column\S*\bsums", "column: read a sum, add, write it"),
    (r"column\S*(partial|total|acc)", "column: adder tree"),
    (r"column\S*(product|term)", "column: multiply"),
    (r"column\S*(station|held)", "column: the word of weights"),
    (r"column", "column"),
    (r"(banks|station)", "array: which sums and words are free"),
    (r"array", "array: control and activations"),
    (r"lane_\d+\S*(operand|multiplier|bias)\b", "output lane: operands"),
    (r"lane_\d+\S*(scaled|residual)", "output lane: multiply"),
    (r"lane_\d+\S*(bases|biases|middle|upper|total)", "output lane: sum of products and bias"),
    (r"lane_\d+\S*(coarse|shifted)", "output lane: shift"),
    (r"lane_\d+\S*(below|above|within|code)", "output lane: limits"),
    (r"lane_\d+", "output lane: thresholds"),
    (r"(requant_rows|threshold_rows|parameters)", "parameter memories"),
    (r"stage", "output stage: walk and words"),
    (r"requant", "requantization"),
    (r"threshold", "thresholds"),
    (r"(feeder|walker|buffer)", "feed: walk over words"),
    (r"(weights|planes)", "weight memory"),
    (r"(sequencer|counters|descriptor|config)", "sequencer: descriptor, counters"),
    (r"(memory|bank|writer)", "activation memory"),
    (r"fold", "fold unit"),
    (r"pool", "maximum"),
)
"""What a register of such a name belongs to; the first pattern counts."""


def unit_of(name: str) -> str:
    """The unit that a path ends in, in words."""
    return next((words for pattern, words in UNITS if re.search(pattern, name)), "ports")


def _shortened(names: tuple[str, ...]) -> str:
    if len(names) > _SHOWN:
        names = (*names[: _SHOWN - 1], "..", names[-1])
    return ", ".join(names) or "-"


def placed_rows(record: Record) -> list[tuple[Any, ...]]:
    """Cells of the FPGA's table."""
    rows = []
    for entry in record.placed:
        figures, hops = entry.figures, entry.hops
        logic = [hop for hop in hops if hop.kind != "routing"]
        inner = [hop for hop in hops if hop.kind == "logic"]
        rows.append(
            (
                entry.design, figures.luts, figures.ffs, figures.dsps, figures.brams,
                figures.fmax_mhz if figures.fmax_mhz is not None else "-",
                f"{sum(hop.ns for hop in hops):.1f}" if hops else "-",
                f"{sum(hop.ns for hop in logic):.1f}" if hops else "-",
                len(inner) if hops else "-",
                hops[0].net if hops else "-",
                hops[-1].net if hops else "-",
            )
        )  # fmt: skip
    return rows


def timed_rows(record: Record) -> list[tuple[Any, ...]]:
    """Cells of the gates' table."""
    rows = []
    for entry in record.timed:
        timing, period = entry.timing, entry.assumed.period_ns
        rows.append(
            (
                entry.design, entry.liberty, timing.cells, timing.flip_flops, f"{timing.area:.0f}",
                timing.memories, f"{timing.critical_ns:.3f}", f"{1000 / timing.critical_ns:.0f}",
                f"{1000 / period:.0f}", f"{timing.slack_ns:.3f}",
            )
        )  # fmt: skip
    return rows


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]], texts: int) -> str:
    """A table whose first `texts` columns and columns of signals are text."""
    words = {*names[:texts], "from", "to", "on the way", "last signal"}
    columns: list[markdown.Column] = [n if n in words else (n, "---:") for n in names]
    cells = [[plain(str(cell)) for cell in row] for row in rows]
    return "\n".join([*markdown.table(columns, cells), "", ""])
