"""Exploration: programs x arrays x micro-architectures x technologies -> designs, Pareto set, CSV.

A `Workload` is a program with what is known of it (accuracy, measured activity); it is prepared
once and costed on every array. Each `Design` carries its uniform baseline: the same integers on
the same array in the same technology, with levels stored instead of codes.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...rtl.arch.registry import BASELINE, DEFAULT
from ...spec.errors import InputError
from ...spec.host.files import atomic_path
from ...spec.host.text import csv_text, printable
from ...spec.program import Program
from ..estimate.energy import ratio
from ..estimate.estimate import Estimate
from ..events.traffic import Options
from ..technology.technology import Band, Technology
from .arrays import Lanes, lanes_label, micro_label, multiplier_of

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity


@dataclass(frozen=True, kw_only=True, eq=False)
class Workload:
    """A program and its measurements."""

    name: str
    program: Program
    activity: "Mapping[str, LayerActivity] | None" = None
    accuracy: float | None = None
    """Top-1 of the integer program in percent; None if absent."""
    accuracy_source: str = "unknown"
    """Its source: `evaluated on N images` or `provenance of the program`."""
    accuracy_images: int | None = None
    """Images behind it; None if unknown."""

    @cached_property
    def digest(self) -> str:
        """Of the program; hashed once, not once per design."""
        return self.program.digest

    @property
    def accuracy_error(self) -> float | None:
        """Standard error of the accuracy in points: images are draws, sqrt(p (1 - p) / n)."""
        if self.accuracy is None or not self.accuracy_images:
            return None
        share = self.accuracy / 100.0
        return 100.0 * float(np.sqrt(share * (1.0 - share) / self.accuracy_images))


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Every combination is one design per workload."""

    arrays: tuple[tuple[int, ...], ...] = ((16, 16),)
    """(rows, cols), or `Lanes` of arrays that hold weights."""
    micros: tuple[str, ...] = (DEFAULT, BASELINE)
    """Names; `uniform:4` has multipliers of 4 bits."""
    technologies: tuple[Technology, ...] = ()
    options: Options = field(default_factory=Options)

    def __post_init__(self) -> None:
        if not self.arrays or not self.micros or not self.technologies:
            raise InputError("Sweep must have at least one array, micro and technology")
        names = [table.name for table in self.technologies]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:  # their designs would share a table, an axis and a front
            raise InputError(
                f"Technologies of a sweep must have different names, not {twice!r} twice"
            )

    def check_arrays(self) -> None:
        """Refuse a size or a micro-architecture by name before anything is computed."""
        for lanes in self.lanes:
            lanes.check()
        for micro in self.micros:
            multiplier_of(micro)

    @property
    def lanes(self) -> list[Lanes]:
        return [Lanes(*array) for array in self.arrays]

    @property
    def size(self) -> int:
        return len(self.arrays) * len(self.micros) * len(self.technologies)


@dataclass(frozen=True, kw_only=True, eq=False)
class Design:
    """One workload on one array in one technology, beside its uniform baseline."""

    workload: Workload
    estimate: Estimate
    baseline: Estimate
    pareto: bool = False
    """No other design of the same technology is more accurate for less energy."""

    @property
    def label(self) -> str:
        arch = self.estimate.arch
        return f"{self.workload.name} {micro_label(arch)} {lanes_label(arch)}"

    @property
    def bits(self) -> float:
        """Average weight bits of the hidden layers (those with a codebook)."""
        return self.workload.program.average_weight_bits

    def to_uniform(self, *splits: str) -> Band | None:
        """Energy as a multiple of the uniform baseline's, of the total or of some splits."""
        return ratio(self.estimate.energy, self.baseline.energy, *([splits] if splits else []))

    def row(self) -> dict[str, Any]:
        """One line of the sweep's table; energies in pJ per image."""
        arch, energy, against = self.estimate.arch, self.estimate.energy, self.to_uniform()
        bits = self.bits
        return {
            "program": self.workload.name,
            "digest": self.workload.digest,
            "average_weight_bits": None if np.isnan(bits) else bits,
            "rows": arch.rows,
            "cols": arch.cols,
            "hold": arch.hold,
            "fill": arch.fill,
            "out_lanes": arch.out_lanes,
            "micro": micro_label(arch),
            "technology": self.estimate.technology.name,
            "accuracy": self.workload.accuracy,
            "accuracy_error": self.workload.accuracy_error,
            "accuracy_source": self.workload.accuracy_source,
            "statistics": self.estimate.statistics,
            **({f"to_uniform_{k}": v for k, v in against.as_dict().items()} if against else {}),
            "cycles": self.estimate.cycles,
            **{f"energy_pj_{k}": v for k, v in energy.total.as_dict().items()},
            **{f"{name}_pj": band.expected for name, band in energy.split.items()},
            "area_um2": self.estimate.total_area.expected,
            "pareto": self.pareto,
        }


def mark_pareto(designs: Sequence[Design]) -> list[Design]:
    """The same designs with `pareto` set: accuracy against expected energy, per technology.

    A design without a known accuracy is on no front.
    """
    chosen: set[int] = set()
    for name in {d.estimate.technology.name for d in designs}:
        known = [
            i
            for i, d in enumerate(designs)
            if d.estimate.technology.name == name and d.workload.accuracy is not None
        ]
        points = [
            (designs[i].estimate.energy.total.expected, -float(designs[i].workload.accuracy or 0))
            for i in known
        ]
        mask = pareto_mask(np.array(points, dtype=np.float64).reshape(-1, 2))
        chosen |= {i for i, on in zip(known, mask, strict=True) if on}
    return [
        Design(workload=d.workload, estimate=d.estimate, baseline=d.baseline, pareto=i in chosen)
        for i, d in enumerate(designs)
    ]


def pareto_mask(points: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """(N,) True where no other point of (N, K) is <= in every column and < in one (minimized).

    Equal points stay together: none dominates the other.
    """
    mask = np.ones(len(points), dtype=np.bool_)
    for i, point in enumerate(points):
        dominates = (points <= point).all(axis=1) & (points < point).any(axis=1)
        mask[i] = not dominates.any()
    return mask


def table_cell(value: Any) -> Any:
    """A value of a table: a text without control characters, and no formula for a spreadsheet."""
    return csv_text(printable(value, len(value))) if isinstance(value, str) else value


def write_parquet(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """The same table as `write_csv`, with its types; absent values are null."""
    import pyarrow
    from pyarrow import parquet

    columns = list(dict.fromkeys(key for row in rows for key in row))
    table = pyarrow.table({name: [table_cell(row.get(name)) for row in rows] for name in columns})
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary)


def write_csv(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """`rows` as CSV with the union of their keys as columns; absent values are empty."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as stream,
    ):
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow(["" if (x := row.get(c)) is None else table_cell(x) for c in columns])
