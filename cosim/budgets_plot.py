"""The picture of `adqhw bench budgets`: top-1 against energy, a panel per library, the front."""

from collections.abc import Sequence

import numpy as np

from .budgets import Row
from .plots import MICRO_STYLE, energy_unit, new_figure, png_of
from .technology import Band


def total_pj(row: Row) -> Band:
    """Array, output stage and memories of one image."""
    return row.array_pj + row.shared_pj


def front(rows: Sequence[Row]) -> list[Row]:
    """Rows that no other one beats in both top-1 and expected energy, cheapest first."""
    kept: list[Row] = []
    for row in sorted(rows, key=lambda r: (total_pj(r).expected, -r.top1)):
        if not kept or row.top1 > kept[-1].top1:
            kept.append(row)
    return kept


def budgets_png(found: Sequence[Row]) -> bytes:
    """PNG; programs are numbered from the most bits to the fewest."""
    libraries = list(dict.fromkeys(row.library for row in found))
    programs = sorted({(-r.weight_bits, -r.top1, r.program) for r in found})
    numbers = {name: number for number, (_, _, name) in enumerate(programs, start=1)}
    figure = new_figure(5.6 * len(libraries), 5.4)
    axes = np.atleast_1d(figure.subplots(1, len(libraries), sharey=True))
    for axis, library in zip(axes, libraries, strict=True):
        rows = [row for row in found if row.library == library]
        scale, unit = energy_unit(max(total_pj(row).high for row in rows))
        for micro, (marker, colour) in MICRO_STYLE.items():
            mine = [row for row in rows if row.micro == micro]
            if not mine:
                continue
            totals = [total_pj(row) for row in mine]
            middle = np.array([band.expected for band in totals]) / scale
            reach = np.array([[b.expected - b.low, b.high - b.expected] for b in totals]).T / scale
            axis.errorbar(
                middle, [row.top1 for row in mine], xerr=reach, fmt=marker, color=colour,
                ecolor=colour, elinewidth=0.6, alpha=0.8, label=str(micro),
            )  # fmt: skip
            for row, x in zip(mine, middle, strict=True):
                axis.annotate(
                    str(numbers[row.program]), (x, row.top1), xytext=(3, 4),
                    textcoords="offset points", fontsize=7,
                )  # fmt: skip
        best = front(rows)
        axis.step(
            [total_pj(row).expected / scale for row in best], [row.top1 for row in best],
            where="post", color="#444444", lw=1.5, zorder=0, label="front (expected energy)",
        )  # fmt: skip
        axis.set_title(library, fontsize=9, loc="left")
        axis.set_xlabel(f"array, output stage and memories, one image [{unit}]")
        axis.set_xlim(left=0)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("top-1 of the integer program [%]")
    marks = {h.get_label(): h for a in axes for h in a.get_legend_handles_labels()[0]}
    figure.legend(handles=list(marks.values()), loc="outside lower right", ncols=7, fontsize=7)
    key = "; ".join(f"{number} {name}" for name, number in numbers.items())
    figure.suptitle(f"Bars: low to high. {key}", fontsize=7, x=0.01, ha="left", wrap=True)
    return png_of(figure)
