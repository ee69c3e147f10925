"""Plots of the report: PNG bytes, matplotlib's Agg, loaded on first use.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; shape or position always
says the same as colour. Every axis has its unit, every energy its bar and its technology.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..rtl.arch import Micro
from ..spec.errors import InputError
from .events import PARTS, SPLITS
from .explore import Design
from .technology import Band

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#000000", "#999999"
SPLIT_COLOURS = dict(zip(SPLITS, (BLUE, ORANGE, GREEN), strict=True))
PART_COLOURS = dict(
    zip(
        PARTS,
        (BLUE, RED, SKY, "#7F9FBF", BLACK, GREY, ORANGE, YELLOW, PURPLE, GREEN),
        strict=True,
    )
)
MICRO_STYLE = {
    Micro.DECODE: ("o", BLUE),
    Micro.UNIFORM: ("s", ORANGE),
    Micro.BIT_SERIAL: ("^", GREEN),
    Micro.PRODUCT_TABLE: ("v", RED),
    Micro.BINNED: ("P", PURPLE),
    Micro.SHIFT_ADD: ("X", SKY),
}
FILLS = ("full", "none", "left", "top", "right", "bottom")
"""Markers of the arrays: full, hollow, half."""
ENERGY_UNITS = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"))


ACCURACY_STYLE: dict[str, Any] = {"fmt": "D", "color": BLACK, "ecolor": GREY, "capsize": 3, "lw": 1}


def energy_unit(largest_pj: float) -> tuple[float, str]:
    """(pJ per unit, unit) in which `largest_pj` reads as at least 1."""
    return next((u for u in ENERGY_UNITS if largest_pj >= u[0]), ENERGY_UNITS[-1])


def pareto_png(designs: Sequence[Design]) -> bytes:
    """Bits against accuracy and energy, and accuracy against energy with the Pareto front.

    designs: all of one technology.
    """
    technology = designs[0].estimate.technology
    figure = new_figure(10.5, 6.4)
    axes = figure.subplot_mosaic(
        [["accuracy", "front"], ["energy", "front"]], width_ratios=[1, 1.3]
    )
    scale, unit = energy_unit(max(d.estimate.energy.total.high for d in designs))
    known = [d for d in designs if d.workload.accuracy is not None]
    _bits_panels(axes["accuracy"], axes["energy"], designs, scale, unit)
    _front_panel(axes["front"], known, scale, unit)
    marks = {h.get_label(): h for a in axes.values() for h in a.get_legend_handles_labels()[0]}
    figure.legend(handles=list(marks.values()), loc="outside lower right", ncols=5, fontsize=8)
    figure.suptitle(
        f"Estimated energy per image in technology {technology.name} ({technology.node}). "
        "Energy bars: the technology's low and high corner;\n"
        "accuracy bars: one standard error of a share of that many test images.",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    return png_of(figure)


def layers_png(design: Design) -> bytes:
    """Energy of every layer of one design, split into datapath, memory and DRAM."""
    layers = design.estimate.layers
    figure = new_figure(8.5, 1.2 + 0.26 * len(layers))
    axis = figure.subplots()
    scale, unit = energy_unit(max(layer.energy.total.high for layer in layers))
    bars = [(layer.name, layer.energy.split, layer.energy.total) for layer in layers]
    _stacked(axis, bars, SPLIT_COLOURS, scale)
    _finish(axis, design, f"energy per image [{unit}]")
    return png_of(figure)


def parts_png(designs: Sequence[Design]) -> bytes:
    """Energy of whole designs by part of the machine, side by side, one technology."""
    figure = new_figure(8.5, 1.5 + 0.34 * len(designs))
    axis = figure.subplots()
    scale, unit = energy_unit(max(d.estimate.energy.total.high for d in designs))
    bars = [(d.label, d.estimate.energy.parts, d.estimate.energy.total) for d in designs]
    _stacked(axis, bars, PART_COLOURS, scale)
    _finish(axis, designs[0], f"energy per image [{unit}]", named=False)
    return png_of(figure)


def area_png(designs: Sequence[Design]) -> bytes:
    """Area by component, side by side, one technology."""
    figure = new_figure(8.5, 1.5 + 0.34 * len(designs))
    axis = figure.subplots()
    names = list(dict.fromkeys(name for d in designs for name in d.estimate.area))
    palette = (BLUE, SKY, "#7F9FBF", BLACK, PURPLE, "#8A5A83", ORANGE, YELLOW, GREEN, RED, GREY)
    colours = dict(zip(names, palette, strict=True))
    bars = [(d.label, d.estimate.area, d.estimate.total_area) for d in designs]
    _stacked(axis, bars, colours, 1e6)
    _finish(axis, designs[0], "area [mm²]", named=False)
    return png_of(figure)


def _bits_panels(
    accuracy: "Axes", energy: "Axes", designs: Sequence[Design], scale: float, unit: str
) -> None:
    """Left column: accuracy and energy over the average weight bits."""
    series = _series([d for d in designs if np.isfinite(d.bits)])
    for i, (name, style, chosen) in enumerate(series):
        bits = [d.bits + 0.03 * i for d in chosen]  # the bars of a program side by side
        totals = [d.estimate.energy.total for d in chosen]
        _errorbar(energy, bits, totals, scale, label=name, **style)
    seen = {d.workload.name: d for d in designs if d.workload.accuracy is not None}
    points = [d for d in seen.values() if np.isfinite(d.bits)]
    for d in points:
        accuracy.errorbar(d.bits, _accuracy(d), d.workload.accuracy_error, **ACCURACY_STYLE)
    accuracy.set_ylabel("top-1 of the integer\nprogram [%]")
    energy.set_ylabel(f"energy per image [{unit}]")
    energy.set_xlabel("average weight bits of the hidden layers")
    energy.set_ylim(bottom=0)
    accuracy.sharex(energy)
    energy.locator_params(axis="x", nbins=7)
    if not points:
        _nothing(accuracy)
    for axis in (accuracy, energy):
        axis.margins(x=0.08)
        axis.grid(alpha=0.3)


def _front_panel(axis: "Axes", designs: Sequence[Design], scale: float, unit: str) -> None:
    """Right: accuracy against energy; the front joins the designs that nothing beats."""
    for name, style, chosen in _series(designs):
        totals = [d.estimate.energy.total for d in chosen]
        _errorbar(axis, totals, [_accuracy(d) for d in chosen], scale, label=name, **style)
        for d, total in zip(chosen, totals, strict=True):
            if d.workload.accuracy_error is not None:
                bar = {"ecolor": GREY, "fmt": "none", "lw": 1, "capsize": 3, "zorder": 0}
                place = total.expected / scale
                axis.errorbar(place, _accuracy(d), d.workload.accuracy_error, **bar)
    front = sorted((d.estimate.energy.total.expected, _accuracy(d)) for d in designs if d.pareto)
    if front:
        x, y = (np.array(side) for side in zip(*front, strict=True))
        label = "Pareto front (expected energy)"
        axis.step(x / scale, y, where="post", color=GREEN, lw=2, zorder=1, label=label)
    cheapest: dict[tuple[str, str], Design] = {}  # one label per program and micro-architecture
    for design in sorted(designs, key=lambda d: d.estimate.energy.total.expected):
        cheapest.setdefault((design.workload.name, design.estimate.arch.micro), design)
    for design in cheapest.values():
        place = (design.estimate.energy.total.expected / scale, _accuracy(design))
        axis.annotate(design.workload.name, place, xytext=(4, 6), textcoords="offset points",
                      fontsize=8)  # fmt: skip
    if not designs:
        _nothing(axis)
    axis.margins(x=0.12, y=0.12)
    axis.set_xlim(left=0)
    axis.set_xlabel(f"energy per image [{unit}]")
    axis.set_ylabel("top-1 of the integer program [%]")
    axis.grid(alpha=0.3)


def _series(designs: Sequence[Design]) -> list[tuple[str, dict[str, Any], list[Design]]]:
    """(label, style, designs) by micro-architecture (shape, colour) and array (filling)."""
    arrays = list(dict.fromkeys((d.estimate.arch.rows, d.estimate.arch.cols) for d in designs))
    groups = []
    for micro, (marker, colour) in MICRO_STYLE.items():
        for i, (rows, cols) in enumerate(arrays):
            chosen = [
                d
                for d in designs
                if (d.estimate.arch.micro, d.estimate.arch.rows, d.estimate.arch.cols)
                == (micro, rows, cols)
            ]
            fill = FILLS[i % len(FILLS)]
            style = {"fmt": marker, "color": colour, "fillstyle": fill}
            if chosen:
                groups.append((f"{micro} {rows}x{cols}", style, chosen))
    return groups


def _accuracy(design: Design) -> float:
    accuracy = design.workload.accuracy
    assert accuracy is not None  # callers choose the designs that have one
    return accuracy


def _errorbar(axis: "Axes", x: Any, y: Any, scale: float, **style: Any) -> None:
    """Points with the bar of whichever of `x`, `y` holds bands."""
    bands = x if isinstance(x[0], Band) else y
    middle = np.array([b.expected for b in bands]) / scale
    reach = np.array([[b.expected - b.low for b in bands], [b.high - b.expected for b in bands]])
    style |= {"capsize": 3, "lw": 1, "alpha": 0.9}
    if bands is x:
        axis.errorbar(middle, y, xerr=reach / scale, **style)
    else:
        axis.errorbar(x, middle, yerr=reach / scale, **style)


def _stacked(axis: "Axes", bars: Sequence[Any], colours: dict[str, str], scale: float) -> None:
    """Horizontal stacks of expected values; the total's bar on top of each."""
    places = np.arange(len(bars))
    left = np.zeros(len(bars))
    for name, colour in colours.items():
        widths = np.array([b[1][name].expected if name in b[1] else 0.0 for b in bars]) / scale
        axis.barh(places, widths, left=left, color=colour, label=name, height=0.72)
        left += widths
    totals = [b[2] for b in bars]
    reach = [[t.expected - t.low for t in totals], [t.high - t.expected for t in totals]]
    axis.errorbar(left, places, xerr=np.array(reach) / scale, fmt="none", ecolor="#444444",
                  capsize=2, lw=1, label="low to high")  # fmt: skip
    axis.set_yticks(places, [b[0] for b in bars], fontsize=8)
    axis.set_ylim(len(bars) - 0.4, -0.6)


def _finish(axis: "Axes", design: Design, xlabel: str, *, named: bool = True) -> None:
    axis.set_xlabel(xlabel)
    axis.set_xlim(left=0)
    axis.grid(axis="x", alpha=0.3)
    axis.set_axisbelow(True)
    axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    what = f"{design.label}, " if named else ""
    axis.set_title(f"{what}technology {design.estimate.technology.name}", loc="left", fontsize=9)


def _nothing(axis: "Axes") -> None:
    axis.text(0.5, 0.5, "accuracy not known", transform=axis.transAxes, ha="center", color=GREY)


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches; refused where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError(
            "matplotlib must be installed for plots: pip install 'adqhw[cosim]'"
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def png_of(figure: "Figure") -> bytes:
    """The figure as PNG, without a date or a version in it."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()
