"""The picture of a sweep: bits against accuracy and energy, accuracy against energy, the front."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rtl.arch import registry
from ...spec.host.pictures import canvas, png_of, shown
from ..sweep.arrays import lanes_label, micro_label
from ..sweep.designs import Design
from ..technology.technology import Band
from .labels import Label, place, short_names
from .plots import BLACK, GREEN, GREY, energy_label, energy_unit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ...rtl.lanes.micro import Micro

FILLS = ("full", "none", "left", "top", "right", "bottom")
"""Markers of the arrays: full, hollow, half."""
MOST_LABELS = 20
"""Names in the picture; beyond it each program has one, and a table holds the names of all."""
WIDE = 10.0
"""Energies that differ by more have a logarithmic axis: the front is at its low end."""
ACCURACY_STYLE: dict[str, Any] = {"fmt": "D", "color": BLACK, "ecolor": GREY, "capsize": 3, "lw": 1}


def pareto_png(designs: Sequence[Design]) -> bytes:
    """Bits against accuracy and energy, and accuracy against energy with the Pareto front.

    designs: all of one technology.
    """
    technology = designs[0].estimate.technology
    scale, unit = energy_unit(max(d.estimate.energy.total.high for d in designs), technology)
    label = energy_label(technology, unit)
    known = [d for d in designs if d.workload.accuracy is not None]
    with canvas(10.5, 6.4) as figure:
        axes = figure.subplot_mosaic(
            [["accuracy", "front"], ["energy", "front"]], width_ratios=[1, 1.3]
        )
        _bits_panels(axes["accuracy"], axes["energy"], designs, scale, label)
        _front_panel(axes["front"], known, scale, label)
        marks = {h.get_label(): h for a in axes.values() for h in a.get_legend_handles_labels()[0]}
        figure.legend(handles=list(marks.values()), loc="outside lower right", ncols=5, fontsize=8)
        bars = "" if technology.counts else " Energy bars: the technology's low and high corner;"
        figure.suptitle(
            f"Estimated {label.split(' [')[0]}, technology {shown(technology.name)} "
            f"({shown(technology.node, 60)}).{bars}\n"
            "accuracy bars: one standard error of a share of that many test images.",
            x=0.01, ha="left", fontsize=10,
        )  # fmt: skip
        _label_front(axes["front"], known, scale)
        return png_of(figure)


def _bits_panels(
    accuracy: "Axes", energy: "Axes", designs: Sequence[Design], scale: float, label: str
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
    energy.set_ylabel(label)
    energy.set_xlabel("average weight bits of the hidden layers")
    energy.set_ylim(bottom=0)
    accuracy.sharex(energy)
    energy.locator_params(axis="x", nbins=7)
    if not points:
        _nothing(accuracy)
    for axis in (accuracy, energy):
        axis.margins(x=0.08)
        axis.grid(alpha=0.3)


def _front_panel(axis: "Axes", designs: Sequence[Design], scale: float, label: str) -> None:
    """Right: accuracy against energy; the front joins the designs that nothing beats."""
    for name, style, chosen in _series(designs):
        totals = [d.estimate.energy.total for d in chosen]
        _errorbar(axis, totals, [_accuracy(d) for d in chosen], scale, label=name, **style)
    errors = {d: e for d in designs if (e := d.workload.accuracy_error) is not None}
    if errors:
        at, heights = [_energy(d) / scale for d in errors], [_accuracy(d) for d in errors]
        bar: dict[str, Any] = {"ecolor": GREY, "fmt": "none", "lw": 1, "capsize": 3, "zorder": 0}
        axis.errorbar(at, heights, list(errors.values()), **bar)
    front = sorted((d.estimate.energy.total.expected, _accuracy(d)) for d in designs if d.pareto)
    if front:
        x, y = (np.array(side) for side in zip(*front, strict=True))
        said = "Pareto front (expected energy)"
        axis.step(x / scale, y, where="post", color=GREEN, lw=2, zorder=1, label=said)
    if not designs:
        _nothing(axis)
    axis.margins(x=0.16, y=0.16)  # room for the labels of the outermost points
    energies = [_energy(d) for d in designs if _energy(d) > 0]
    if energies and max(energies) > WIDE * min(energies):
        axis.set_xscale("log")
        axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")  # no formula as a number
        axis.xaxis.set_minor_formatter(lambda value, _: "")
    else:
        axis.set_xlim(left=0)
    axis.set_xlabel(label)
    axis.set_ylabel("top-1 of the integer program [%]")
    axis.grid(alpha=0.3)


def _label_front(axis: "Axes", designs: Sequence[Design], scale: float) -> None:
    """Names of programs: the front first, then the cheapest of each program and array kind."""
    if not designs:
        return
    names = short_names([d.workload.name for d in designs])
    order = sorted(designs, key=lambda d: (not d.pareto, d.estimate.energy.total.expected))
    cheapest: dict[tuple[str, str], Design] = {}
    for d in order:
        cheapest.setdefault((d.workload.name, micro_label(d.estimate.arch)), d)
    once = list({d.workload.name: d for d in reversed(cheapest.values())}.values())[::-1]
    again = [d for d in cheapest.values() if d not in once]
    chosen = [*once, *again] if len(cheapest) <= MOST_LABELS else once[:MOST_LABELS]
    labels = [
        Label(x=_energy(d) / scale, y=_accuracy(d), text=names[d.workload.name]) for d in chosen
    ]
    place(axis, labels, [(_energy(d) / scale, _accuracy(d)) for d in designs])


def _series(designs: Sequence[Design]) -> Iterator[tuple[str, dict[str, Any], list[Design]]]:
    """(label, style, designs) by micro-architecture (shape, colour) and array (filling).

    More arrays than fillings share a series: a legend of a hundred entries is not readable.
    """
    arrays = list(dict.fromkeys(lanes_label(d.estimate.arch) for d in designs))
    few = len(arrays) <= len(FILLS)
    for name, micro in _micros(designs):
        mine = [d for d in designs if micro_label(d.estimate.arch) == name]
        style: dict[str, Any] = {"fmt": micro.marker, "color": micro.colour, "fillstyle": "full"}
        if name != micro.name:  # narrower multipliers of the same micro-architecture
            style["alpha"] = 0.5
        if not few:
            yield f"{name}, {len(arrays)} arrays", style, mine
        for lanes, fill in zip(arrays, FILLS, strict=False) if few else ():
            chosen = [d for d in mine if lanes_label(d.estimate.arch) == lanes]
            if chosen:
                yield f"{name} {lanes}", style | {"fillstyle": fill}, chosen


def _micros(designs: Sequence[Design]) -> "list[tuple[str, Micro]]":
    """Labels of the micro-architectures that occur, in the registry's order."""
    found = {micro_label(d.estimate.arch): d.estimate.arch.micro for d in designs}
    order = registry.names()
    labels = sorted(found, key=lambda label: (order.index(found[label]), label))
    return [(label, registry.micro(found[label])) for label in labels]


def _energy(design: Design) -> float:
    return design.estimate.energy.total.expected


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


def _nothing(axis: "Axes") -> None:
    axis.text(0.5, 0.5, "accuracy not known", transform=axis.transAxes, ha="center", color=GREY)
