"""Buildable: warnings of areas beyond any chip, with the memory that causes them.

The cost model gives every network memories as large as it needs: a classifier of a hundred million
weights gets them all on chip. That is a size, not a design, and what it costs per access follows
from it.
"""

from collections.abc import Iterable, Mapping

from ...spec.host.text import shown
from ..technology.technology import NO_NODE, Band
from .estimate import Estimate

RETICLE_MM2 = 858.0
"""26 x 33 mm, the largest field that a lithography scanner exposes at once (ASML's NXT and NXE
series state it as their full field): no single die is larger."""


def area_warnings(result: Estimate) -> list[str]:
    """One line for a chip beyond `RETICLE_MM2`, with its largest part; else none."""
    total = result.total_area.expected / 1e6
    if result.technology.node == NO_NODE or total <= RETICLE_MM2:
        return []
    part, area = _largest(result.area)
    weights = part == "weight memory" and result.layers
    most = max(result.layers, key=lambda layer: layer.area.expected) if weights else None
    layer = (
        f", {most.area.expected / 1e6:,.0f} of them for layer {shown(most.name)}" if most else ""
    )
    text = (
        f"{total:,.0f} mm2 cannot be built as one chip (largest exposure field: 26 x 33 mm, "
        f"{RETICLE_MM2:.0f} mm2): {area / 1e6:,.0f} mm2 are {part}{layer}; its reads are priced "
        f"for that size, so the energies are of no real design either"
    )
    return [text]


def all_area_warnings(results: Iterable[tuple[str, Estimate]]) -> list[str]:
    """`area_warnings` of several named results, each with its name in front."""
    return [f"{name}: {text}" for name, result in results for text in area_warnings(result)]


def _largest(areas: Mapping[str, Band]) -> tuple[str, float]:
    name = max(areas, key=lambda part: areas[part].expected)
    return name, areas[name].expected
