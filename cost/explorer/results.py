"""Results of other commands as points of the page: what `sweep --json`, `estimate --json` print.

They are shown as they are: nothing of them is computed anew, and no control changes them.
"""

import json
import math
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.limits import MAX_TEXT_BYTES
from ...spec.host.reading import read_text
from ...spec.host.text import one_line, printable, shown

MOST_POINTS = 20_000
FIGURES = ("cycles", "energy_pj", "area_um2")


def read_results(path: Path) -> list[dict[str, Any]]:
    """Points of a file: name, technology, accuracy (None if unknown), cycles, energy, area.

    Errors: `InputError` for a file that is neither command's.
    """
    text = read_text(path, "Results", MAX_TEXT_BYTES)
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"Results {str(path)!r} must be JSON: {one_line(error)}") from error
    try:
        rows = [_swept(row) for row in record["rows"]] if "rows" in record else [_estimated(record)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"Results {str(path)!r} must be what `sweep --json` or `estimate --json` printed, not "
            f"a file that fails with {one_line(error)}"
        ) from error
    if len(rows) > MOST_POINTS:
        raise InputError(
            f"Results {str(path)!r} must have at most {MOST_POINTS:,} rows, not {len(rows):,}"
        )
    return [row | {"file": printable(path.name, len(path.name))} for row in rows]


def _swept(row: Any) -> dict[str, Any]:
    held = _held(row)
    name = f"{row['program']} {row['micro']} {row['rows']}x{row['cols']}{held}"
    accuracy = None if row["accuracy"] is None else _number(row["accuracy"])
    figures = row["cycles"], row["energy_pj_expected"], row["area_um2"]
    return _point(name, row["technology"], accuracy, figures)


def _estimated(record: Any) -> dict[str, Any]:
    arch, total = record["arch"], record["total"]
    subject = Path(record.get("program") or record["topology"]).stem
    held = _held(arch)
    name = f"{subject} {arch['micro']} {arch['rows']}x{arch['cols']}{held}"
    figures = total["cycles"], total["energy_pj"]["expected"], total["area_um2"]
    return _point(name, record["technology"], None, figures)


def _held(lanes: Any) -> str:
    """How an array holds weights, as designs are named; nothing where it holds none."""
    if lanes.get("hold", 1) == 1:  # an Arch leaves out what is as by default
        return ""
    return f" h{lanes['hold']} f{lanes.get('fill', 1)} o{lanes.get('out_lanes', 1)}"


def _point(
    name: str, technology: Any, accuracy: float | None, figures: tuple[Any, ...]
) -> dict[str, Any]:
    if not isinstance(technology, str):
        raise TypeError(f"technology {shown(technology)}")
    numbers = dict(zip(FIGURES, map(_number, figures), strict=True))
    known = {"name": printable(name, len(name)), "technology": technology, "accuracy": accuracy}
    return known | numbers


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"number {shown(value)}")
    return float(value)
