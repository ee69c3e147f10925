"""docs/synthesis.md: the table of `adqhw bench synth` and its assumptions."""

import re
from dataclasses import asdict
from typing import Any

from ...spec.host import markdown
from ...spec.host.text import printable
from .synthesis import ECP5, LANE, LARGE, PLACED, Synthesis

COLUMNS = ("design", "target", "LUTs", "FFs", "DSPs", "BRAMs", "fmax MHz", "cells", "area")
_KEYS = ("design", "target", "luts", "ffs", "dsps", "brams", "fmax_mhz", "cells", "area")

SEE = "[Lookup MACs](lookup_macs.md), [timing](timing.md), [gates](gates.md)."
_HEAD = """# Synthesis of the lookup-MAC family

Written by `adqhw bench synth -o docs/synthesis.md`; do not edit.

{versions}. Every design is {lane}.

- **1 lane** is a lane array of 1 row and 1 column: one lane, its accumulator, and everything that
  an array has once (codebook or product table, control). **engine 8x8** is 64 lanes with drain,
  threshold unit and requant unit.
- LUTs, FFs, DSPs and BRAMs are yosys's cells of the design alone; the iCE40 part has no
  DSPs, its multipliers are LUTs. fmax is nextpnr's after place and route (seed 1, {parts};
  engines on ecp5 {large}), in a wrapper of shift registers around the ports: no pad is in a path;
  `-`: it does not fit.
- Cells and area of a Liberty are yosys's and abc's: no placement, no wires, no clock tree. Only
  areas are printed, nothing of a library.

"""


def page(record: dict[str, Any]) -> str:
    """The Markdown page."""
    head = _HEAD.format(
        versions="; ".join(f"{name}: {text}" for name, text in record["versions"].items()),
        lane=", ".join(f"{name} {value}" for name, value in LANE.items()),
        large=" ".join(LARGE[ECP5]),
        parts=", ".join(f"{name} {' '.join(options)}" for name, options in PLACED.items()),
    )
    columns: list[markdown.Column] = [*COLUMNS[:2], *((name, "---:") for name in COLUMNS[2:])]
    cells = [
        ["-" if cell is None else plain(str(cell)) for cell in row] for row in table(record["rows"])
    ]
    lines = markdown.table(columns, cells)
    notes = [
        f"- {row.design}, {plain(row.target)}: {plain(row.note)}"
        for row in record["rows"]
        if row.note
    ]
    tail = ["", "Where a tool failed:", "", *notes] if notes else []
    return head + "\n".join([*lines, *tail]) + "\n"


def plain(text: str) -> str:
    """A Liberty's file name or a tool's message, without markup and control characters."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", printable(text))


def table(rows: list[Synthesis]) -> list[tuple[Any, ...]]:
    """Cells of the table."""
    return [tuple(getattr(row, key) for key in _KEYS) for row in rows]


def as_dict(record: dict[str, Any]) -> dict[str, Any]:
    """The JSON object of `adqhw bench synth --json`."""
    return {"versions": record["versions"], "rows": [asdict(row) for row in record["rows"]]}
