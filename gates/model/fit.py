"""Fit: the linear model of one part in one library, as read from a file, with its error."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ...cost.technology.technology import Band
from ...rtl.arch.arch import Arch
from ..array.structure import STRUCTURE, structure
from .linear import predict
from .parts import Part

PLACED = " placed"
"""Behind the name of a library whose fits have wires and a clock tree in them: placed and unplaced
gates are two libraries, whose figures are never taken for each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """The coefficients of one micro-architecture, or of one output unit."""

    library: str
    part: Part
    name: str
    widths: Mapping[str, int]
    energy_fj: Mapping[str, float]
    area_um2: Mapping[str, float]
    """By `STRUCTURE`."""
    error_percent: float
    """Worst absolute error of the tested layers with real operands."""
    sums_fj: Mapping[str, float] | None = None
    """The part of `energy_fj` in the memories of sums, of an array that holds weights."""
    rest_error_percent: float = 0.0
    """Worst error of what is left without them."""
    kind: Mapping[str, int] = field(default_factory=dict)
    """`parts.HELD_KINDS` of an array that holds weights."""
    sizes: tuple[tuple[int, int], ...] = ()
    """(rows, cols) of the arrays that were measured, to fit or to test; none are known: ()."""
    critical_path_ns: float | None = None
    """Of the largest measured netlist, unplaced; None: the file does not say."""
    voltage: float | None = None
    """V, of the library; None: the file does not say."""
    node: str | None = None
    """Of the library, as technologies name it; None: the file does not say."""

    @property
    def placed(self) -> bool:
        """Whether wires and a clock tree are in its energy."""
        return self.library.endswith(PLACED)

    def area(self, rows: int, cols: int) -> float:
        """um2 on an array of that size."""
        return predict(self.area_um2, structure(rows, cols))

    def band(self, pj: float) -> Band:
        """`pj` with the worst error as its bar."""
        error = self.error_percent / 100
        return Band(low=max(0.0, pj * (1 - error)), expected=pj, high=pj * (1 + error))

    def without_sums(self) -> "Fit":
        """The same array without its memories of sums and their adders; areas are the whole's."""
        sums = self.sums_fj or {}
        energy = {name: fj - sums.get(name, 0.0) for name, fj in self.energy_fj.items()}
        return replace(self, energy_fj=energy, sums_fj=None, error_percent=self.rest_error_percent)

    def untested(self, arch: Arch) -> str | None:
        """Why the error does not hold for an array of this size; None where it does."""
        if not self.sizes:
            return "the characterization names no sizes of measured arrays"
        for what, size, measured in (
            ("rows", arch.rows, [rows for rows, _ in self.sizes]),
            ("cols", arch.cols, [cols for _, cols in self.sizes]),
        ):
            low, high = min(measured), max(measured)
            if not low <= size <= high:
                return f"arrays were measured with {low} to {high} {what}, not {size}"
        return None


def constant_area(um2: float) -> dict[str, float]:
    """The area of a part of one size, as coefficients."""
    return dict.fromkeys(STRUCTURE, 0.0) | {"array": um2}


def without_bar(expected: float) -> Band:
    """A number whose error is not known: anything from nothing to no bound."""
    return Band(low=0.0, expected=expected, high=math.inf)


def bar_dict(band: Band) -> dict[str, float | None]:
    """JSON form; low and high are None where there is no bar."""
    if math.isfinite(band.high):
        return dict(band.as_dict())
    return {"low": None, "expected": band.expected, "high": None}
