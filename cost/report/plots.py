"""Bars of the report: energy by layer and by part, area by component, as PNG bytes.

Colours are Okabe and Ito's, which colour-blind readers can tell apart; shape or position always
repeats the colour. Every axis has its unit, every energy its bar and its technology.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...spec.host.pictures import canvas, png_of, shown
from ..events.events import PARTS, SPLITS
from ..sweep.designs import Design
from ..technology.technology import Band, Technology

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREEN, RED = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK, GREY = "#CC79A7", "#56B4E9", "#F0E442", "#000000", "#999999"
PALETTE = (BLUE, RED, SKY, "#7F9FBF", BLACK, ORANGE, YELLOW, PURPLE, GREEN, "#8A5A83", GREY)
HATCHES = ("", "///", "...", "xxx")
"""A colour comes again with another hatch: there may be more components than colours."""
ENERGY_UNITS = ((1e12, "J"), (1e9, "mJ"), (1e6, "µJ"), (1e3, "nJ"), (1.0, "pJ"))
COUNT_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
"""Of a technology that counts: its numbers are events, not energies."""
MOST_BARS = 60
"""A picture of more bars cannot be read; the table holds them all."""

Styles = Mapping[str, Mapping[str, str]]


def energy_unit(largest: float, technology: Technology | None = None) -> tuple[float, str]:
    """(pJ per unit, unit) in which `largest` reads as at least 1; of a counting technology a
    prefix alone."""
    units = COUNT_UNITS if technology is not None and technology.counts else ENERGY_UNITS
    return next((u for u in units if largest >= u[0]), units[-1])


def energy_label(technology: Technology, unit: str) -> str:
    """Label of an axis of energies."""
    if not technology.counts:
        return f"energy per image [{unit}]"
    return f"events per image, each at 1 [{unit}]" if unit else "events per image, each at 1"


def styles_of(names: Iterable[str]) -> Styles:
    """A colour, and with more names than colours a hatch, for each of any number of names."""
    return {
        name: {
            "color": PALETTE[i % len(PALETTE)],
            "hatch": HATCHES[i // len(PALETTE) % len(HATCHES)],
            "edgecolor": "white",
        }
        for i, name in enumerate(dict.fromkeys(names))
    }


def layers_png(design: Design) -> bytes:
    """Energy of every layer of one design, split into datapath, memory and DRAM."""
    layers = design.estimate.layers
    bars = [(layer.name, layer.energy.split, layer.energy.total) for layer in layers]
    return _energies_png(design, bars, styles_of(SPLITS), 0.26, f"{shown(design.label)}, ", "layer")


def parts_png(designs: Sequence[Design]) -> bytes:
    """Energy of whole designs by part of the machine, side by side, one technology."""
    bars = [(d.label, d.estimate.energy.parts, d.estimate.energy.total) for d in designs]
    return _energies_png(designs[0], bars, styles_of(PARTS), 0.34, "", "design")


def area_png(designs: Sequence[Design]) -> bytes:
    """Area by component, side by side, one technology."""
    technology = designs[0].estimate.technology
    names = dict.fromkeys(name for d in designs for name in d.estimate.area)
    bars = [(d.label, d.estimate.area, d.estimate.total_area) for d in designs]
    scale, label = (1e6, "area [mm²]")
    if technology.counts:
        scale, unit = energy_unit(max(bar[2].high for bar in bars), technology)
        label = f"bits of components, each at 1 [{unit}]"
    return _bars_png(designs[0], bars, styles_of(names), 0.34, scale, label, "design")


def _energies_png(
    design: Design, bars: Sequence[Any], styles: Styles, step: float, what: str, kind: str
) -> bytes:
    technology = design.estimate.technology
    scale, unit = energy_unit(max(bar[2].high for bar in bars), technology)
    label = energy_label(technology, unit)
    return _bars_png(design, bars, styles, step, scale, label, kind, what)


def _bars_png(
    design: Design, bars: Sequence[Any], styles: Styles, step: float, scale: float, label: str,
    kind: str, what: str = "",
) -> bytes:  # fmt: skip
    """bars: (name, bands by component, total); of too many those with the least or most total."""
    chosen, note = _readable(bars, kind)
    with canvas(8.5, 1.5 + step * len(chosen)) as figure:
        axis = figure.subplots()
        _stacked(axis, chosen, styles, scale)
        axis.set_xlabel(label)
        axis.set_xlim(left=0)
        axis.grid(axis="x", alpha=0.3)
        axis.set_axisbelow(True)
        axis.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
        technology = shown(design.estimate.technology.name)
        axis.set_title(f"{what}technology {technology}{note}", loc="left", fontsize=9)
        return png_of(figure)


def _readable(bars: Sequence[Any], kind: str) -> tuple[list[Any], str]:
    """At most `MOST_BARS` in their order: the cheapest designs, the dearest layers."""
    if len(bars) <= MOST_BARS:
        return list(bars), ""
    dearest = kind == "layer"
    order = sorted(range(len(bars)), key=lambda i: bars[i][2].expected, reverse=dearest)
    said = "most" if dearest else "least"
    note = f"; the {MOST_BARS} {kind}s of the {said}, of {len(bars):,}"
    return [bars[i] for i in sorted(order[:MOST_BARS])], note


def _stacked(axis: "Axes", bars: Sequence[Any], styles: Styles, scale: float) -> None:
    """Horizontal stacks of expected values; the total's bar on top of each."""
    places = np.arange(len(bars))
    left = np.zeros(len(bars))
    for name, style in styles.items():
        widths = np.array([b[1][name].expected if name in b[1] else 0.0 for b in bars]) / scale
        if widths.any():
            axis.barh(places, widths, left=left, label=name, height=0.72, lw=0, **style)  # type: ignore[arg-type]
        left += widths
    totals: list[Band] = [b[2] for b in bars]
    reach = [[t.expected - t.low for t in totals], [t.high - t.expected for t in totals]]
    axis.errorbar(left, places, xerr=np.array(reach) / scale, fmt="none", ecolor="#444444",
                  capsize=2, lw=1, label="low to high")  # fmt: skip
    axis.set_yticks(places, [shown(b[0]) for b in bars], fontsize=8)
    axis.set_ylim(len(bars) - 0.4, -0.6)
