"""Two models of one lane array: counted events with their bar, and a model fitted to netlists.

Like for like: the layers with weights, the array without drain, output stage and memories, on the
widths that the gates were characterized with.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ...cost.estimate.energy import area, prices_on
from ...cost.estimate.estimate import estimate, measure
from ...cost.estimate.model import timings_of
from ...cost.events.memories import memories
from ...cost.technology.technology import ZERO, Band, Technology
from ...gates.array.bench import array_events_pj
from ...gates.model.estimate import array_estimate, fitting
from ...gates.model.library import GateLibrary
from ...gates.model.toggles import golden_tensors, layer_toggles
from ...rtl.arch.arch import Arch
from ...rtl.program.fit import narrowest
from ...spec.formats import IntArray
from ...spec.program import Program
from ..budgets.budgets import too_narrow, usable

MOST_BEATS, LEAST_BEATS = 2000, 250
"""Of a layer and image whose operands' toggles are counted, to 16x16; fewer of a larger array's."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One program on one array."""

    program: str
    library: str
    micro: str
    rows: int
    cols: int
    gates_pj: Band
    events_pj: Band
    gates_um2: float
    events_um2: Band

    @property
    def size(self) -> str:
        return f"{self.rows}x{self.cols}"

    @property
    def inside(self) -> bool:
        """Whether the figure by gates is inside the bar of the events."""
        return self.events_pj.low <= self.gates_pj.expected <= self.events_pj.high

    @property
    def touches(self) -> bool:
        """Whether the two bars overlap."""
        gates, events = self.gates_pj, self.events_pj
        return gates.low <= events.high and events.low <= gates.high

    @property
    def off_percent(self) -> float:
        """Distance of the figure by gates from the bar, in percent; 0 inside, negative below it."""
        gates, bar = self.gates_pj.expected, self.events_pj
        edge = min(max(gates, bar.low), bar.high)
        return 100 * (gates / edge - 1)


def bars_of(
    name: str,
    program: Program,
    libraries: Mapping[str, GateLibrary],
    technology: Technology,
    images: IntArray,
    sizes: Sequence[tuple[int, int]],
    *,
    most_beats: int = MOST_BEATS,
) -> list[Bar]:
    """Every characterized micro-architecture and size on which the program runs."""
    activity, tensors = measure(program, images), golden_tensors(program, images)
    bars = []
    for library, (rows, cols) in itertools.product(libraries.values(), sizes):
        beats = min(most_beats, max(LEAST_BEATS, most_beats * 256 // (rows * cols)))
        for micro in library.arrays:
            if not usable(program, micro):
                continue
            arch = narrowest(program, rows=rows, cols=cols, micro=micro)
            wide, fit = fitting(arch, library.arrays)
            if too_narrow(wide, program):
                continue
            toggles = layer_toggles(program, wide, tensors, most_beats=beats)
            timings = timings_of(wide, program)
            gates = array_estimate(program, wide, fit, toggles, timings=timings)
            events = estimate(program, wide, technology, activity=activity, timings=timings)
            prices = prices_on(program, wide, technology)
            played = {layer.name for layer in gates.layers}
            counted = [layer.events for layer in events.layers if layer.name in played]
            bars.append(
                Bar(
                    program=name, library=library.name, micro=micro, rows=rows, cols=cols,
                    gates_pj=gates.energy_pj,
                    events_pj=sum(
                        (array_events_pj(layer, wide, prices) for layer in counted), start=ZERO
                    ),
                    gates_um2=gates.area_um2,
                    events_um2=array_area(program, wide, technology),
                )
            )  # fmt: skip
    return bars


def array_area(program: Program, arch: Arch, technology: Technology) -> Band:
    """um2 of the lane array by the table; the drain's registers are among the accumulators'."""
    beside = ("threshold unit", "requant unit", "weight memory", "activation memory")
    parts = area(arch, technology, memories(program, arch))
    own = [band for name, band in parts.items() if name not in (*beside, "parameter memory")]
    return sum(own, start=ZERO)


@dataclass(frozen=True, kw_only=True, slots=True)
class Swap:
    """Two micro-architectures whose order by events differs from that by gates."""

    cheaper: Bar
    """By gates."""
    dearer: Bar

    @property
    def undecided(self) -> bool:
        """Whether the bars of the events overlap."""
        return self.cheaper.events_pj.low <= self.dearer.events_pj.high


def swaps(bars: Sequence[Bar]) -> Iterator[Swap]:
    """Every pair of one program, library and size in another order."""
    for one, other in itertools.combinations(bars, 2):
        same = ("program", "library", "rows", "cols")
        if any(getattr(one, name) != getattr(other, name) for name in same):
            continue
        cheaper, dearer = sorted((one, other), key=lambda bar: bar.gates_pj.expected)
        if cheaper.events_pj.expected > dearer.events_pj.expected:
            yield Swap(cheaper=cheaper, dearer=dearer)


def slope(one: Bar, other: Bar) -> tuple[float, Band]:
    """Energy of `one` as a multiple of `other`'s, by gates and by events.

    Both in the same corner, since their prices are the same.
    """
    ratios = [
        one_pj / other_pj
        for one_pj, other_pj in zip(
            (one.events_pj.low, one.events_pj.high),
            (other.events_pj.low, other.events_pj.high),
            strict=True,
        )
    ]
    middle = one.events_pj.expected / other.events_pj.expected
    band = Band(low=min(*ratios, middle), expected=middle, high=max(*ratios, middle))
    return one.gates_pj.expected / other.gates_pj.expected, band
