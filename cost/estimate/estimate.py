"""Estimate: a program on an array in a technology -> cycles, energy and area, per layer and in all.

The numbers are events of this program on this array times a table; `cost/events/events.py` says
what is counted, `cost/technology/tech/*.toml` what it costs. Cycles are the cycle model's, equal to
the RTL's.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...rtl.arch.arch import Arch
from ...rtl.arch.registry import BASELINE
from ...rtl.program.demands import check_program
from ...rtl.timing.network_cycles import TensorCycles, network_cycles
from ...rtl.timing.tables import stored_width
from ...spec.formats import IntArray
from ...spec.layers import LayerKind, MacLayer
from ...spec.program import INPUT, Program
from ..events.events import LayerEvents, layer_events
from ..events.memories import memories, parameter_bits, stored_bits
from ..events.traffic import Options
from ..technology.technology import ZERO, Band, Technology
from .energy import ABSENT, Energy, area, event_prices, price

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
    """`measured on N images`, or what was assumed."""
    layers: tuple[LayerEstimate, ...]
    area: Mapping[str, Band]
    """um2 by component; it sums to the total, the layers' own areas are part of one component."""
    input_cycles: int
    """Cycles in which the image is taken in, before the layers' own."""

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
        }


def estimate(
    program: Program,
    arch: Arch,
    technology: Technology,
    *,
    activity: "Mapping[str, LayerActivity] | None" = None,
    options: Options | None = None,
    statistics: str = ASSUMED,
) -> Estimate:
    """Cost of one image of `program` on `arch`.

    activity: counts of `sim.activity` over some images; None assumes that no activation is 0.
    statistics: what is said to be assumed without activity.
    """
    options = options or Options()
    check_program(arch, program)
    capacity = memories(program, arch)
    models = {model.name: model for model in network_cycles(arch, program)}
    counted = program_events(program, arch, models, activity=activity, options=options)
    prices = event_prices(technology, capacity)
    layers = [
        _layer_estimate(program, layer, arch, technology, events, prices)
        for layer, events in zip(program.layers, counted, strict=True)
    ]
    images = {a.images for a in activity.values()} if activity else set()
    return Estimate(
        arch=arch,
        technology=technology,
        options=options,
        statistics=f"measured on {images.pop()} images" if images else statistics,
        input_cycles=models[INPUT].cycles,
        layers=tuple(layers),
        area=area(arch, technology, capacity),
    )


def program_events(
    program: Program,
    arch: Any,
    models: Mapping[str, TensorCycles],
    *,
    activity: "Mapping[str, LayerActivity] | None",
    options: Options,
) -> list[LayerEvents]:
    """Events of every layer on `arch`, an `Arch` or the vectors of `cost.estimate.points`.

    models: `network_cycles` by name; the cycles are the accelerator's, passes included.
    """
    found = []
    for number, layer in enumerate(program.layers):
        measured = activity[layer.name] if activity is not None else None
        events = layer_events(
            program,
            layer,
            arch,
            models[layer.name],
            before=None if number else models[INPUT],
            active_macs=measured.active_macs / measured.images if measured else None,
            options=options,
        )
        found.append(events)
    return found


def uniform_baseline(result: Estimate, program: Program, **measured: Any) -> Estimate:
    """The same integers on plain multipliers: levels stored instead of codes, nothing looked up."""
    arch = replace(result.arch, micro=BASELINE)
    return estimate(program, arch, result.technology, options=result.options, **measured)


def measure(program: Program, images: IntArray | None) -> "dict[str, LayerActivity] | None":
    """Activity over `images` (N, C, H, W), or None without images."""
    from ...sim.activity import activity  # numba: only when there is something to measure

    return None if images is None else activity(program, np.asarray(images))


def _layer_estimate(
    program: Program,
    layer: Any,
    arch: Arch,
    technology: Technology,
    events: LayerEvents,
    prices: Mapping[str, Band],
) -> LayerEstimate:
    weighted = isinstance(layer, MacLayer)
    held = stored_bits(program, layer, arch) + parameter_bits(program, layer, arch)
    return LayerEstimate(
        name=layer.name,
        kind=layer.kind,
        weight_width=layer.weight_width if weighted else None,
        stored_width=stored_width(arch, layer) if weighted else None,
        act_width=program.tensor_format(layer.input).width,
        events=events,
        energy=price(events, prices),
        area=technology["sram_area"] * held,
    )
