"""Points: one program on many arrays of one micro-architecture, costed together.

`Points` stands where the formulas expect an `Arch`: its `rows` and `cols` are vectors with one
element per design point, everything else is the narrowest array's, which does not depend on the
size. The formulas are those of `cost.estimate.estimate`; the cycles are exactly the cycle model's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.arch.registry import DEFAULT
from ...rtl.networks.unsigned import as_unsigned
from ...rtl.program.fit import narrowest_lanes
from ...spec.errors import InputError
from ...spec.program import INPUT, SizedNetwork
from ..events.events import EVENTS, PARTS, SPLITS
from ..events.memories import Memories, memories
from ..events.traffic import Options
from ..technology.technology import BAND_KEYS, ZERO, Band, Technology
from .energy import PART_SPLIT, area, event_energy
from .estimate import EventCounter, said_of
from .model import timings_of

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Points:
    """Arrays that differ in size only."""

    base: Arch
    rows: Ints
    cols: Ints
    bin_width: Ints
    """Bins grow with the beats of a sum, so with the rows."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.base, name)

    @property
    def as_arch(self) -> Arch:
        """For formulas, which compute with vectors as with numbers."""
        return cast(Arch, self)

    @cached_property
    def arrays(self) -> list[Arch]:
        """One `Arch` per point."""
        sizes = zip(self.rows.tolist(), self.cols.tolist(), strict=True)
        return [replace(self.base, rows=rows, cols=cols) for rows, cols in sizes]

    @classmethod
    def for_program(
        cls, network: SizedNetwork, sizes: Sequence[tuple[int, int]], micro: str = DEFAULT
    ) -> "Points":
        """The narrowest arrays of these (rows, cols) on which `network` runs."""
        if not sizes:
            raise InputError("Points must be at least one (rows, cols), not none")
        for rows, cols in sizes:
            Arch(rows=rows, cols=cols)
        network, _ = as_unsigned(network)
        base = narrowest_lanes(network, rows=sizes[0][0], cols=sizes[0][1], micro=micro)
        pairs = np.array(sizes, np.int64)
        needed = {size: _bin_width(base, network, *size) for size in set(sizes)}
        width = np.array([needed[size] for size in sizes], np.int64)
        return cls(base, pairs[:, 0], pairs[:, 1], width)


@dataclass(frozen=True, kw_only=True, eq=False)
class PointCosts:
    """Costs of P points, L layers; one image."""

    technology: Technology
    points: Points
    statistics: str
    layers: tuple[str, ...]
    layer_cycles: Ints
    """(L, P)."""
    input_cycles: int
    layer_energy_pj: Floats
    """(L, 3, P): low, expected, high."""
    parts_pj: Mapping[str, Floats]
    """(3, P) by part of the machine."""
    area_um2: Floats
    """(3, P)."""

    @property
    def cycles(self) -> Ints:
        return np.asarray(self.layer_cycles.sum(axis=0))

    @property
    def energy_pj(self) -> Floats:
        """(3, P): low, expected, high."""
        return np.asarray(self.layer_energy_pj.sum(axis=0))

    @property
    def split_pj(self) -> dict[str, Floats]:
        """(3, P) of datapath, memory, dram."""
        found = {split: np.zeros_like(self.energy_pj) for split in SPLITS}
        for part, values in self.parts_pj.items():
            found[PART_SPLIT[part]] += values
        return found


def estimate_points(
    network: SizedNetwork,
    points: Points,
    technologies: Sequence[Technology],
    *,
    activity: "Mapping[str, LayerActivity] | None" = None,
    options: Options | None = None,
) -> list[PointCosts]:
    """Costs of every point in every technology; events are counted once for all of them.

    No technology has a memory table.
    """
    _refuse_memories(technologies)
    network, _ = as_unsigned(network)
    count, arch = len(points.rows), points.as_arch
    capacity, timings = memories(network, arch), timings_of(arch, network)
    counter = EventCounter.of(network, arch, timings, activity, options or Options())
    events = [counter.events(layer, timings[layer.name]) for layer in network.layers]
    counts_lep = np.array(
        [[np.broadcast_to(layer.counts[e], count) for e in EVENTS] for layer in events]
    )
    return [
        PointCosts(
            technology=technology,
            points=points,
            statistics=said_of(activity),
            layers=tuple(layer.name for layer in events),
            layer_cycles=np.array([np.broadcast_to(e.cycles, count) for e in events], np.int64),
            input_cycles=timings[INPUT].cycles,
            area_um2=_bands(sum(area(arch, technology, capacity).values(), start=ZERO), count),
            **_priced(counts_lep, technology, capacity),
        )
        for technology in technologies
    ]


def _refuse_memories(technologies: Sequence[Technology]) -> None:
    for technology in technologies:
        if technology.memories is not None:
            raise InputError(
                f"Points must be costed without a memory table, not with {technology.name!r}: "
                "their memories are built one array at a time"
            )


def _priced(counts_lep: Floats, technology: Technology, capacity: Memories) -> dict[str, Any]:
    """Energies by layer and by part. Suffixes: l layers, e events, k corners, p points."""
    count = counts_lep.shape[2]
    price_ekp = np.array([_bands(event_energy(e, technology, capacity), count) for e in EVENTS])
    totals_ep = counts_lep.sum(axis=0)
    parts = dict.fromkeys(PARTS, np.zeros((len(BAND_KEYS), count)))
    for number, kind in enumerate(EVENTS.values()):
        parts[kind.part] = parts[kind.part] + totals_ep[number] * price_ekp[number]
    return {
        "layer_energy_pj": np.einsum("lep,ekp->lkp", counts_lep, price_ekp),
        "parts_pj": parts,
    }


def _bands(band: Band, count: int) -> Floats:
    """(3, P)."""
    return np.array([np.broadcast_to(getattr(band, key), count) for key in BAND_KEYS], np.float64)


def _bin_width(base: Arch, network: SizedNetwork, rows: int, cols: int) -> int:
    needs = base.lanes.needs(network, rows=rows, cols=cols)
    wanted = (need.value for need in needs if need.parameter == "bin_width")
    return max(wanted, default=base.bin_width)
