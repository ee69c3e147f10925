"""Estimate: a program on an array in a technology -> cycles, energy and area, per layer and in all.

The numbers are events of this program on this array times a table; `cost/events/events.py` says
what is counted, `cost/technology/tech/*.toml` what it costs. Cycles are the cycle model's, equal to
the RTL's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ...rtl.arch.arch import Arch
from ...rtl.networks.demands import check_program
from ...rtl.networks.unsigned import as_unsigned
from ...rtl.timing.network_cycles import TensorCycles
from ...rtl.timing.tables import stored_width
from ...spec.formats import IntArray
from ...spec.layers import Layer, LayerKind, MacLayer
from ...spec.program import INPUT, Program, SizedNetwork
from ..events.events import LayerEvents, layer_events
from ..events.external_events import OutsideCounts
from ..events.held_events import held_banks
from ..events.memories import Count, Memories, memories, parameter_bits, stored_bits
from ..events.traffic import Options, written_banks
from ..technology.built import Built
from ..technology.technology import ZERO, Band, Technology
from .energy import ABSENT, Energy, area, built_memories, event_prices, price, standing
from .model import Timings, external_plan_of, layer_costs, timings_of

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity

ASSUMED = "assumed: no activation is 0 (weights' own code histogram)"
NOT_A_MEASUREMENT = (
    "An estimate: counted events times table entries (unit: plain counts), not measured silicon: "
    "no place and route, no wires, no clock tree. A bar is what the table's sources disagree "
    "about, supply (0.9 to 1.1 V) among it, not all error. For the datapath the gates rule "
    "(`estimate --gates`): docs/results/event-bars.md holds literature45's bars against them."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LayerEstimate:
    """One layer, one image."""

    name: str
    kind: LayerKind
    weight_width: int | None
    """Bits of a stored weight code of the program; None without weights."""
    stored_width: int | None
    """Bits the array's weight memory spends on it: levels instead of codes on `uniform`."""
    act_width: int
    events: LayerEvents
    energy: Energy
    area: Band
    """um2 of the on-chip memory that holds this layer's weights and tables."""

    @property
    def energy_pj(self) -> Band:
        return self.energy.total

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": str(self.kind),
            "macs": int(self.events.macs),
            "weight_width": self.weight_width,
            "stored_width": self.stored_width,
            "act_width": self.act_width,
            "cycles": self.events.cycles,
            "energy_pj": self.energy.total.as_dict(),
            "split_pj": {k: v.as_dict() for k, v in self.energy.split.items()},
            "parts_pj": {k: v.as_dict() for k, v in self.energy.parts.items()},
            "area_um2": self.area.expected,
            "gated_macs": self.events.gated_macs,
            "active_macs": self.events.active_macs,
            "idle_lanes": self.events.idle_lanes,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A program on an array in a technology; all energies are per image."""

    arch: Arch
    technology: Technology
    options: Options
    statistics: str
    """`measured on N images`, or the assumption."""
    layers: tuple[LayerEstimate, ...]
    area: Mapping[str, Band]
    """um2 by component; it sums to the total, the layers' own areas are part of one component."""
    input_cycles: int
    """Cycles in which the image is taken in, before the layers' own."""
    memories: Mapping[str, Built] | None = None
    """By the technology's memory table; None where it has none."""

    @property
    def energy(self) -> Energy:
        return sum((layer.energy for layer in self.layers), start=Energy())

    @property
    def cycles(self) -> int:
        """Cycles of all layers, from the first fetch to the logits."""
        return sum(layer.events.cycles for layer in self.layers)

    @property
    def total_area(self) -> Band:
        return sum(self.area.values(), start=ZERO)

    def to_dict(self) -> dict[str, Any]:
        """JSON form; the keys of `estimate --json` and the splits."""
        energy = self.energy
        return {
            "layers": [layer.to_dict() for layer in self.layers],
            "total": {
                "name": "total",
                "macs": int(sum(layer.events.macs for layer in self.layers)),
                "cycles": self.cycles,
                "input_cycles": self.input_cycles,
                "energy_pj": energy.total.as_dict(),
                "split_pj": {k: v.as_dict() for k, v in energy.split.items()},
                "parts_pj": {k: v.as_dict() for k, v in energy.parts.items()},
                "area_um2": self.total_area.expected,
            },
            "area_um2": {name: band.as_dict() for name, band in self.area.items()},
            "technology": self.technology.name,
            "technology_summary": self.technology.summary,
            "statistics": self.statistics,
            "weights_from_dram": self.options.weights_from_dram,
            "batch": self.options.batch,
            "absent": list(ABSENT),
            "arch": self.arch.to_dict(),
            **self._parts(),
        }

    def _parts(self) -> dict[str, Any]:
        """Memories and DRAM, where the technology has tables of them."""
        found: dict[str, Any] = {}
        table, dram = self.technology.memories, self.technology.dram
        if table is not None:
            built = {name: one.to_dict() for name, one in (self.memories or {}).items()}
            voltage = self.technology.voltage or table.voltage
            head = {"table": table.name, "node": table.node, "voltage": voltage}
            found["memories"] = head | built
        if dram is not None:
            found["dram"] = dram.to_dict()
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class EventCounter:
    """Counts events of a network's layers on an array (`Arch`, or the vectors of `points`)."""

    network: SizedNetwork
    arch: Arch
    image: TensorCycles
    """Of the image's way in, whose clock the first layer pays for."""
    activity: "Mapping[str, LayerActivity] | None"
    options: Options
    banks: Mapping[str, Count]
    """`traffic.written_banks`."""
    outside: OutsideCounts | None = None
    """Of the plan of an array with external memory."""

    @classmethod
    def of(
        cls,
        network: SizedNetwork,
        arch: Arch,
        timings: Timings,
        activity: "Mapping[str, LayerActivity] | None",
        options: Options,
        outside: OutsideCounts | None = None,
    ) -> Self:
        banks: Mapping[str, Count]
        if outside is not None:
            banks = outside.banks
        else:
            banks = held_banks(network, arch) if arch.holds else written_banks(network, arch)
        return cls(
            network=network,
            arch=arch,
            image=timings[INPUT],
            activity=activity,
            options=options,
            banks=banks,
            outside=outside,
        )

    def events(self, layer: Layer, timing: TensorCycles) -> LayerEvents:
        measured = self.activity[layer.name] if self.activity is not None else None
        return layer_events(
            self.network,
            layer,
            self.arch,
            timing,
            before=self.image if layer is self.network.layers[0] else None,
            active_macs=measured.active_macs / measured.images if measured else None,
            options=self.options,
            banks=self.banks,
            outside=self.outside,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class EventModel:
    """The cost model of counted events, priced by a technology."""

    counter: EventCounter
    technology: Technology
    prices: Mapping[str, Band]
    """`event_prices` of the network's memories."""
    built: Mapping[str, Built] | None = None
    """`built_memories`."""
    capacity: Memories | None = None
    """Of the memories that are built."""

    def _kept_area(self, layer: Layer) -> Band:
        """um2 of what the weight and parameter memories keep of a layer."""
        network, arch = self.counter.network, self.counter.arch
        weights = stored_bits(network, layer, arch)
        rows = parameter_bits(network, layer, arch)
        if self.built is None or self.capacity is None:
            return self.technology["sram_area"] * (weights + rows)
        kept = ZERO
        for name, bits, whole in (
            ("weights", weights, self.capacity.weight_bits),
            ("parameters", rows, self.capacity.parameter_bits),
        ):
            if name in self.built:
                kept += self.built[name].area_um2 * (int(bits) / int(whole))
        return kept

    def layer_cost(self, layer: Layer, timing: TensorCycles) -> LayerEstimate:
        network, arch = self.counter.network, self.counter.arch
        events = self.counter.events(layer, timing)
        weights = layer if isinstance(layer, MacLayer) else None
        energy = price(events, self.prices)
        if self.built is not None:
            first = layer is network.layers[0]
            cycles = events.cycles + (self.counter.image.cycles if first else 0)
            energy += standing(self.built, cycles)
        return LayerEstimate(
            name=layer.name,
            kind=layer.kind,
            weight_width=weights.weight_width if weights else None,
            stored_width=stored_width(arch, weights) if weights else None,
            act_width=network.tensor_format(layer.input).width,
            events=events,
            energy=energy,
            area=self._kept_area(layer),
        )


def estimate(
    network: SizedNetwork,
    arch: Arch,
    technology: Technology,
    *,
    activity: "Mapping[str, LayerActivity] | None" = None,
    options: Options | None = None,
    statistics: str = ASSUMED,
    timings: Timings | None = None,
) -> Estimate:
    """Cost of one image of `network` on `arch`.

    activity: counts of `sim.activity` over some images; None assumes that no activation is 0.
    statistics: the stated assumption without activity. timings: of `arch`, where they are
    known.
    """
    options = options or Options()
    network, _ = as_unsigned(network)
    check_program(arch, network)
    capacity, timings = memories(network, arch), timings or timings_of(arch, network)
    outside = OutsideCounts.of(arch, external_plan_of(arch, network)) if arch.external else None
    built = built_memories(network, arch, technology, capacity)
    model = EventModel(
        counter=EventCounter.of(network, arch, timings, activity, options, outside),
        technology=technology,
        prices=event_prices(technology, capacity, built),
        built=built,
        capacity=capacity,
    )
    return Estimate(
        arch=arch,
        technology=technology,
        options=options,
        statistics=said_of(activity, statistics),
        input_cycles=timings[INPUT].cycles,
        layers=layer_costs(model, network, timings),
        area=area(arch, technology, capacity, built),
        memories=built,
    )


def said_of(activity: "Mapping[str, LayerActivity] | None", assumed: str = ASSUMED) -> str:
    """What a result says of its statistics."""
    images = {layer.images for layer in activity.values()} if activity else set()
    return f"measured on {images.pop()} images" if images else assumed


def measure(program: Program, images: IntArray | None) -> "dict[str, LayerActivity] | None":
    """`activity_on_array`, or None without images."""
    return None if images is None else activity_on_array(program, images)


def activity_on_array(program: Program, images: IntArray) -> "dict[str, LayerActivity]":
    """Activity over `images` (N, C, H, W) of the codes that the lanes take: unsigned ones."""
    from ...sim.activity import activity  # numba: only when there is something to measure

    runs, offsets = as_unsigned(program)
    if runs is program:
        return activity(program, np.asarray(images))
    return activity(runs, np.asarray(images, np.int64) + offsets.get(INPUT, 0))
