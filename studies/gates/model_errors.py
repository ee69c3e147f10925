"""Errors of characterizations on data that was not fitted, computed from their files.

The test rows of `[micro.NAME]` and `[unit.NAME]` have the energy of the gates and the prediction;
errors are computed from these two, not from the summaries beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...gates.array.streams import RANDOM, REAL
from ...gates.model.characterization_file import AREA, part_of, read_content
from ...gates.model.fit import PLACED
from ...gates.model.linear import Errors
from ...gates.model.parts import ARRAYS, PER, Part
from ...spec.errors import InputError
from ...spec.host.markdown import Column, table
from ...spec.host.reading import LEAST, MOST
from ...spec.host.text import one_line, printable, shown

MEDIAN_LIMIT, WORST_LIMIT, AREA_LIMIT = 5.0, 10.0, 10.0
"""Percent; accepted errors of the model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """One micro-architecture, or one unit of the output stage, in one library."""

    library: str
    name: str
    array: str
    """`16x16`; empty for a unit."""
    program: str
    """Digest of the program whose layers were played."""
    cells: int
    area_mm2: float
    area_error: float | None
    """Percent, signed; a unit's area is measured, not predicted."""
    layers: dict[str, float]
    """Signed error in percent by layer, real operands."""
    random: dict[str, float]
    """The same with random operands."""

    @property
    def errors(self) -> Errors:
        """Of the layers with real operands."""
        return _summed(self.layers)

    @property
    def kept(self) -> bool:
        """Whether the limits hold."""
        area = abs(self.area_error or 0.0)
        measured = self.errors
        small = measured.median <= MEDIAN_LIMIT and abs(measured.worst) <= WORST_LIMIT
        return small and area <= AREA_LIMIT


def subjects(path: Path) -> list[Subject]:
    """Every micro-architecture and unit in a file of `adqhw characterize`."""
    content = read_content(path)
    part, about = part_of(content), content["characterization"]
    return [
        _subject(str(path), part, name, about, table, sums=sums)
        for name, table in content[part].items()
        for sums in ((True, False) if part is Part.HELD else (True,))
    ]


def _subject(
    where: str, part: Part, name: str, about: dict[str, Any], table: dict[str, Any], *, sums: bool
) -> Subject:
    """sums: with the memories of sums of an array that holds weights; else all the rest."""
    try:
        size = [_number(side) for side in about["test_size"]] if part in ARRAYS else []
        area_error = table.get("area_error_percent")
        test = table["test"] if sums else [_without_sums(row, PER[part]) for row in table["test"]]
        real, random = (_errors(test, PER[part], name) for name in (REAL, RANDOM))
        title = name
        if part is Part.HELD:
            title += f", hold {_number(table['hold']):.0f}" + ("" if sums else ", without sums")
        return Subject(
            library=printable(about["liberty"]) + (PLACED if about.get("placed") else ""),
            name=printable(title),
            array="x".join(f"{side:.0f}" for side in size), program=_text(about["program"]),
            cells=int(_number(table["cells"])), area_mm2=_number(table[AREA[part]]) / 1e6,
            area_error=None if area_error is None else _number(area_error),
            layers=_some(real), random=random,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        raise InputError(
            f"Characterization {where!r}, {part} {shown(name)} must have all that `adqhw "
            f"characterize` writes, not lack or spoil {one_line(error)}"
        ) from error


def _without_sums(row: dict[str, Any], per: str) -> dict[str, Any]:
    """A test row of what is left without the memories of sums."""
    rest = {
        f"{what}_{per}": _number(row[f"{what}_{per}"]) - _number(row[f"{what}_sums_{per}"])
        for what in ("measured", "predicted")
    }
    return {**row, **rest}


def _errors(rows: Sequence[dict[str, Any]], per: str, operands: str) -> dict[str, float]:
    """Percent by layer; the output stage plays real operands only and does not name them."""
    return {
        _text(row["layer"]): 100
        * (_number(row[f"predicted_{per}"]) / _number(row[f"measured_{per}"]) - 1)
        for row in rows
        if row.get("operands", REAL) == operands
    }


def _number(value: object) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or (not LEAST <= abs(value) <= MOST and value != 0):  # type: ignore[arg-type]
        raise TypeError(f"the number {shown(value)}")
    return float(value)  # type: ignore[arg-type]


def _text(value: object) -> str:
    """A name for a table of the page, on one line."""
    if not isinstance(value, str):
        raise TypeError(f"the text {shown(value)}")
    return printable(value)


def _some(layers: dict[str, float]) -> dict[str, float]:
    if not layers:
        raise ValueError("test rows with real operands")
    return layers


def _summed(percent: dict[str, float]) -> Errors:
    ratios = np.array([*percent.values()]) / 100 + 1
    return Errors.of(ratios, np.ones(len(ratios)))


SEE = (
    "[Gates](../gates.md), [the bars of the events](event-bars.md), [bit budgets](bit-budgets.md)."
)
HEAD = f"""# The model of the gates against the gates

Written by `{{command}}`; do not edit.

Signed errors of the predicted energy, in percent of what the netlist drew, on whole layers and an
image that were not fitted; arrays are of a size that was not fitted either. How it is measured:
[gates](../gates.md). Limits: median {MEDIAN_LIMIT:.0f}, worst {WORST_LIMIT:.0f}, area
{AREA_LIMIT:.0f}. **{{kept}} of {{all}}** keep them.
"""
COLUMNS = (
    "part", "array", ("median error %", "---:"), ("worst %", "---:"),
    ("worst, random operands %", "---:"), ("area error %", "---:"), ("cells", "---:"),
    ("mm2", "---:"), "program", "limits",
)  # fmt: skip


def page(measured: Sequence[Subject], command: str) -> str:
    """Markdown: by library a line per subject, then every layer of every subject."""
    kept = sum(subject.kept for subject in measured)
    lines = [HEAD.format(command=command, kept=kept, all=len(measured))]
    for library in dict.fromkeys(subject.library for subject in measured):
        mine = [subject for subject in measured if subject.library == library]
        lines += [f"## {library}", "", *table(COLUMNS, map(_cells, mine)), ""]
    return "\n".join([*lines, *_layers(measured)])


def _cells(subject: Subject) -> list[str]:
    errors = subject.errors
    drawn = f"{_summed(subject.random).worst:+.1f}" if subject.random else "-"
    area = "measured" if subject.area_error is None else f"{subject.area_error:+.1f}"
    return [
        subject.name, subject.array or "-", f"{errors.median:.1f}",
        f"{errors.worst:+.1f}", drawn, area, f"{subject.cells:,}", f"{subject.area_mm2:.4f}",
        f"{subject.program[:12]}...", "kept" if subject.kept else "**missed**",
    ]  # fmt: skip


def _layers(measured: Sequence[Subject]) -> list[str]:
    """A table per library: layers by parts."""
    lines = []
    for library in dict.fromkeys(subject.library for subject in measured):
        mine = [subject for subject in measured if subject.library == library]
        names = dict.fromkeys(layer for subject in mine for layer in subject.layers)
        lines += [f"## {library}, layer by layer", ""]
        rows = []
        for name in names:
            errors = [subject.layers.get(name) for subject in mine]
            rows.append([name, *("-" if error is None else f"{error:+.1f}" for error in errors)])
        columns: list[Column] = ["layer", *((subject.name, "---:") for subject in mine)]
        lines += [*table(columns, rows), ""]
    return lines
