"""The picture of `adqhw bench budgets`: top-1 against energy, a panel per library, the front."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...cost.report.labels import Label, place
from ...cost.report.plots import energy_unit
from ...cost.technology.technology import Band
from ...gates.model.parts import lanes_of
from ...rtl.arch import registry
from ...spec.host.files import write_file
from ...spec.host.pictures import canvas, drawn, png_of, shown
from .break_even import BreakEven, break_evens
from .budgets import MEMORIES, Row
from .page import break_even_path


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


def write_pictures(rows: Sequence[Row], picture: Path) -> list[Path]:
    """Write both pictures beside a page, as far as they can be drawn; their paths."""
    drawings = {
        picture: drawn(picture.name, lambda: budgets_png(rows)),
        break_even_path(picture): drawn("break-even picture", lambda: break_even_png(rows)),
    }
    written = {path: png for path, png in drawings.items() if png is not None}
    for path, png in written.items():
        write_file(path, png)
    return list(written)


def budgets_png(rows: Sequence[Row]) -> bytes:
    """PNG; programs are numbered from the most bits to the fewest."""
    panels = list(dict.fromkeys(panel_of(row) for row in rows))
    programs = sorted({(-r.weight_bits, -r.top1, r.program) for r in rows})
    numbers = {name: str(number) for number, (_, _, name) in enumerate(programs, start=1)}
    with canvas(5.6 * len(panels), 5.4) as figure:
        axes = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
        for axis, panel in zip(axes, panels, strict=True):
            axis.set_title(shown(panel), fontsize=9, loc="left")
            _library_panel(axis, [row for row in rows if panel_of(row) == panel])
        axes[0].set_ylabel("top-1 of the integer program [%]")
        marks = {h.get_label(): h for a in axes for h in a.get_legend_handles_labels()[0]}
        figure.legend(handles=list(marks.values()), loc="outside lower right", ncols=7, fontsize=7)
        key = "; ".join(f"{number} {shown(name)}" for name, number in numbers.items())
        figure.suptitle(f"Bars: low to high. {key}", fontsize=7, x=0.01, ha="left", wrap=True)
        for axis, panel in zip(axes, panels, strict=True):
            _number(axis, [row for row in rows if panel_of(row) == panel], numbers)
        return png_of(figure)


def panel_of(row: Row) -> str:
    """Title of the panel that shows a row."""
    return f"{row.library}, sums in {row.sums}" if row.sums else row.library


def _library_panel(axis: Any, rows: Sequence[Row]) -> None:
    """Points of one library by micro-architecture, and the front."""
    scale, unit = energy_unit(max(total_pj(row).high for row in rows))
    for name in sorted({row.micro for row in rows}, key=_place):
        micro, narrow = lanes_of(name)
        lanes = registry.micro(micro)
        mine = [row for row in rows if row.micro == name]
        totals = [total_pj(row) for row in mine]
        middle = np.array([band.expected for band in totals]) / scale
        reach = np.array([[b.expected - b.low, b.high - b.expected] for b in totals]).T / scale
        axis.errorbar(
            middle, [row.top1 for row in mine], xerr=reach, fmt=lanes.marker,
            color=lanes.colour, ecolor=lanes.colour, elinewidth=0.6, alpha=0.8, label=name,
            fillstyle="none" if narrow else "full",
        )  # fmt: skip
    best = front(rows)
    axis.step(
        [total_pj(row).expected / scale for row in best], [row.top1 for row in best],
        where="post", color="#444444", lw=1.5, zorder=0, label="front (expected energy)",
    )  # fmt: skip
    axis.set_xlabel(f"array, output stage and memories, one image [{unit}]")
    axis.set_xlim(left=0)
    axis.margins(y=0.08)
    axis.grid(alpha=0.3)


def _place(name: str) -> tuple[int, str]:
    """Order of lanes in legends: that of the registry."""
    return registry.names().index(lanes_of(name)[0]), name


def _number(axis: Any, rows: Sequence[Row], numbers: Mapping[str, str]) -> None:
    """Numbers of the programs, those of the front first, as far as there is room."""
    scale, _ = energy_unit(max(total_pj(row).high for row in rows))
    best = front(rows)
    order = [*best, *(row for row in rows if row not in best)]
    points = [(total_pj(row).expected / scale, row.top1) for row in order]
    labels = [
        Label(x=x, y=y, text=numbers[row.program])
        for (x, y), row in zip(points, order, strict=True)
    ]
    place(axis, labels, points, size=7)


def break_even_png(rows: Sequence[Row]) -> bytes | None:
    """PNG: break-even price by layer, of the programs with the most and the fewest bits.

    Of arrays that hold weights those with sums in flip-flops. None where no row can be compared.
    """
    rows = [row for row in rows if row.sums != MEMORIES]
    breaks = break_evens(rows)
    if not breaks:
        return None
    bits = {row.program: row.weight_bits for row in rows}
    most, least = (pick({b.program for b in breaks}, key=bits.__getitem__) for pick in (max, min))
    libraries = list(dict.fromkeys(entry.library for entry in breaks))
    programs = list(dict.fromkeys((most, least)))
    with canvas(5.6 * len(programs), 3.6 * len(libraries)) as figure:
        axes = figure.subplots(len(libraries), len(programs), squeeze=False, sharey="row")
        for row, library in zip(axes, libraries, strict=True):
            for axis, program in zip(row, programs, strict=True):
                mine = [b for b in breaks if (b.library, b.program) == (library, program)]
                if mine:  # a library may lack one of the two
                    _break_even_panel(axis, mine)
                axis.set_title(f"{shown(program)}, {shown(library)}", fontsize=8, loc="left")
            row[0].set_ylabel("break-even [fJ per weight bit read]")
        marks = {h.get_label(): h for a in axes.flat for h in a.get_legend_handles_labels()[0]}
        figure.legend(handles=list(marks.values()), loc="outside lower right", ncols=7, fontsize=7)
        return png_of(figure)


def _break_even_panel(axis: Any, breaks: Sequence[BreakEven]) -> None:
    for entry in breaks:
        lanes = registry.micro(entry.micro)
        names = [shown(layer.layer) for layer in entry.layers]
        axis.plot(
            names, [layer.price_fj.expected for layer in entry.layers], marker=lanes.marker, ms=4,
            color=lanes.colour, lw=0.8, label=entry.micro,
        )  # fmt: skip
    price = breaks[0].memory_fj
    axis.axhspan(price.low, price.high, color="#999999", alpha=0.2)
    axis.axhline(price.expected, color="#444444", lw=1, ls="--", label="memory, low to high")
    axis.axhline(0, color="#444444", lw=0.6)
    axis.set_yscale("symlog", linthresh=10)
    axis.yaxis.set_major_formatter(lambda value, _: f"{value:g}")  # no formula as a number
    axis.tick_params(axis="x", labelrotation=90, labelsize=6)
    axis.grid(alpha=0.3)
