"""Footprints of cells: sizes and positions of pins, from the user's LEF or from Liberty areas.

A LEF is read with `sc_leflib` (PyPI `sc-leflib`, Si2's parser in a wheel). Without one a cell is as
wide as its area in rows of a stated height, and all of its pins are in its middle: widths are the
library's own then, positions of pins are off by half a cell at most.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.limits import MAX_TEXT_BYTES
from ...spec.host.text import printable, shown
from ..liberty.liberty import Library
from .quiet import quiet

LARGEST_UM = 1e4
"""Side of a cell; larger ones are errors of units."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Footprint:
    """A cell in um; pins: (x, y) from its lower left corner, () where they are not known."""

    width: float
    height: float
    pins: Mapping[str, tuple[float, float]]

    def pin(self, name: str) -> tuple[float, float]:
        """Position of a pin; the middle of the cell where it is not known."""
        return self.pins.get(name, (self.width / 2, self.height / 2))


@dataclass(frozen=True, kw_only=True, eq=False)
class Footprints:
    """Of a library's cells."""

    source: str
    """Names of the files, or how sizes were found."""
    cells: Mapping[str, Footprint]

    def of(self, cell: str) -> Footprint:
        """The footprint of `cell`; a missing one is refused."""
        if cell not in self.cells:
            raise InputError(f"Cell {shown(cell)} must be a MACRO of {self.source}, not missing")
        return self.cells[cell]

    def row_height(self, used: Iterable[str]) -> float:
        """The height of the lowest of the used cells, which those of all must be multiples of."""
        heights = {name: self.of(name).height for name in used}
        row = min(heights.values())
        for name, height in heights.items():
            if abs(height / row - round(height / row)) > 1e-3:
                raise InputError(
                    f"Cell {shown(name)} must be whole rows of {row:g} um high, not {height:g} um"
                )
        return row


def from_areas(library: Library, row_um: float) -> Footprints:
    """Every cell is its Liberty area in um2 over the height of a row."""
    if not (math.isfinite(row_um) and 0 < row_um <= LARGEST_UM):
        raise InputError(f"Row height must be in um above 0, not {row_um!r}")
    cells = {}
    for name in library.groups:
        area = float(library.cell(name).area)
        if area > 0:
            cells[name] = Footprint(width=area / row_um, height=row_um, pins={})
    return Footprints(
        source=f"areas of Liberty {library.name} in rows of {row_um:g} um", cells=cells
    )


def read_lef(paths: Sequence[Path]) -> Footprints:
    """The MACROs of one or more LEF files; of two of one name the last counts."""
    cells: dict[str, Footprint] = {}
    for path in paths:
        where = f"LEF '{printable(str(path))}'"
        cells |= {
            str(name): _footprint(entry, f"{where}, MACRO {shown(str(name))}")
            for name, entry in _parsed(path, where).get("macros", {}).items()
        }
    source = "LEF " + ", ".join(printable(path.name) for path in paths)
    if not cells:
        raise InputError(f"{source} must have MACROs, not none")
    return Footprints(source=source, cells=cells)


def _parsed(path: Path, where: str) -> dict[str, Any]:
    try:
        import sc_leflib
    except ImportError:
        raise InputError(
            "sc-leflib must be installed to read LEF, not absent: pip install 'adqhw[place]'"
        ) from None
    if not path.is_file():
        raise InputError(f"{where} must be a file")
    if path.stat().st_size > MAX_TEXT_BYTES:
        raise InputError(f"{where} must have at most {MAX_TEXT_BYTES:,} bytes, not more")
    with quiet():
        found = sc_leflib.parse(str(path))
    if not isinstance(found, dict):
        raise InputError(f"{where} must be LEF, which its parser refuses")
    return found


def _footprint(entry: Mapping[str, Any], what: str) -> Footprint:
    size = entry.get("size") or {}
    width, height = (_um(size.get(side), f"{what}, SIZE") for side in ("width", "height"))
    pins = {}
    for name, pin in (entry.get("pins") or {}).items():
        corners = list(_corners(pin))
        if corners:
            xs, ys = [x for x, _ in corners], [y for _, y in corners]
            middle = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
            if not all(math.isfinite(at) and abs(at) <= LARGEST_UM for at in middle):
                raise InputError(f"{what}, PIN {shown(str(name))} must be in the cell, not far off")
            pins[str(name)] = middle
    return Footprint(width=width, height=height, pins=pins)


def _um(value: Any, what: str) -> float:
    if not (isinstance(value, int | float) and 0 < value <= LARGEST_UM):
        raise InputError(f"{what} must be two lengths in um above 0, not {shown(value)}")
    return float(value)


def _corners(pin: Mapping[str, Any]) -> Iterable[tuple[float, float]]:
    """Corners of a pin's shapes on all layers."""
    for port in pin.get("ports") or ():
        for layer in port.get("layer_geometries") or ():
            for shape in layer.get("shapes") or ():
                if "rect" in shape:
                    x0, y0, x1, y1 = shape["rect"]
                    yield x0, y0
                    yield x1, y1
                for kind in ("path", "polygon"):
                    yield from shape.get(kind) or ()
