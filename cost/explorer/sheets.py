"""Sheets: counted events of every layer of a network on one array, as numbers that add up.

A sheet is what the page needs to price a design by sums and products alone. Its layers are rows of
a `Pool`, which keeps equal rows once:

    [cycles, clocked cycles, weight store, kept weights, kept parameters, weight width,
     event, count, event, count, ...]

Clocked cycles times the array's flip-flops are `clock_bit`, which is in no row. Stores of all
layers, by `CapacityRule`, are the capacity of the weight memory. Kept bits are the layer's part of
the weight and the parameter memory, for their area. Weight width is that of a stored weight, 0 in a
layer without sums: the widest one makes the word of the weight memory. Counts are those of one
image per load of the network (`Options.batch` 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ...rtl.arch.arch import Arch
from ...rtl.timing.network_cycles import TensorCycles
from ...rtl.timing.tables import stored_width
from ...spec.layers import Layer, MacLayer, PoolLayer
from ...spec.program import INPUT, SizedNetwork
from ..estimate.energy import first_logic, held_logic
from ..estimate.estimate import EventCounter
from ..estimate.model import Timings, timings_of
from ..events.events import EVENTS
from ..events.flip_flops import flip_flops
from ..events.held_walks import walk_of
from ..events.memories import memories, parameter_bits, stored_bits, sum_bits
from ..events.memory_demands import memory_demands
from ..events.traffic import Options

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity

CLOCK = "clock_bit"
NUMBERS = {name: number for number, name in enumerate(EVENTS)}
Row = tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Pool:
    """Rows, each once."""

    rows: list[Row] = field(default_factory=list)
    _numbers: dict[Row, int] = field(default_factory=dict)

    def number(self, row: Row) -> int:
        """Position of `row`, which is appended if it is new."""
        if row not in self._numbers:
            self._numbers[row] = len(self.rows)
            self.rows.append(row)
        return self._numbers[row]


@dataclass(frozen=True, kw_only=True, slots=True)
class CapacityRule:
    """Bits of the weight memory: `unit * max(1, ceil(sum of stores / per))`."""

    unit: int
    per: int

    @classmethod
    def of(cls, arch: Arch) -> "CapacityRule":
        """A bit for each that is stored; whole rows of all plane banks where weights are held."""
        if not arch.holds:
            return cls(unit=1, per=1)
        return cls(unit=arch.plane_banks * arch.rows * arch.port_columns, per=arch.plane_banks)


def array_sheet(network: SizedNetwork, arch: Arch) -> dict[str, Any]:
    """All that does not depend on a layer's weights: prices, area and what all layers share.

    arch: with its memories (`with_storage`).
    """
    capacity, rule = memories(network, arch), CapacityRule.of(arch)
    logic = held_logic(arch) if arch.holds else first_logic(arch)
    sheet = {
        "flip_flops": sum(flip_flops(arch).values()),
        "logic": {name: {e: number(n) for e, n in parts.items()} for name, parts in logic.items()},
        "activation_bits": capacity.activation_bits,
        "parameter_bits": capacity.parameter_bits,
        "sum_bits": capacity.sum_bits,
        "sums_area_bits": sum_bits(arch) if arch.holds else 0,
        "unit": rule.unit,
        "per": rule.per,
        "peak": arch.rows * arch.cols,
        "acc_width": arch.acc_width,
        "word_lanes": arch.rows * (arch.port_columns if arch.holds else arch.cols),
        "holds": arch.holds,
        "demands": {
            name: {"word": demand.word, "ports": demand.ports, "copies": demand.copies}
            for name, demand in memory_demands(network, arch, capacity).items()
        },
    }
    return sheet


def layer_rows(
    network: SizedNetwork, arch: Arch, pool: Pool, *, fits: Sequence[bool] | None = None,
    activity: "Mapping[str, LayerActivity] | None" = None,
) -> tuple[list[int | None], int]:  # fmt: skip
    """Numbers of the layers' rows in `pool`, and the cycles in which the image comes in.

    fits: layers that get a row; all by default. activity: as `estimate` takes it.
    """
    timings = timings_of(arch, network)
    counter = EventCounter.of(network, arch, timings, activity, Options())
    rows = [
        pool.number(_row(network, layer, arch, timings, counter)) if wanted else None
        for layer, wanted in zip(network.layers, fits or [True] * len(network.layers), strict=True)
    ]
    return rows, timings[INPUT].cycles


def _row(
    network: SizedNetwork, layer: Layer, arch: Arch, timings: Timings, counter: EventCounter
) -> Row:
    events = counter.events(layer, timings[layer.name])
    head = (
        events.cycles,
        _clocked(network, layer, timings),
        _store(network, layer, arch),
        stored_bits(network, layer, arch),
        parameter_bits(network, layer, arch),
        stored_width(arch, layer) if isinstance(layer, MacLayer | PoolLayer) and layer.sums else 0,
    )
    counts = [
        part
        for name, count in events.counts.items()
        if count and name != CLOCK
        for part in (NUMBERS[name], count)
    ]
    return tuple(number(value) for value in (*head, *counts))


def _clocked(network: SizedNetwork, layer: Layer, timings: Timings) -> int:
    """Cycles whose clock the layer pays for: the first one's with those of the image's way in."""
    before: Sequence[TensorCycles] = [timings[INPUT]] if layer is network.layers[0] else []
    return timings[layer.name].cycles + sum(timing.cycles for timing in before)


def _store(network: SizedNetwork, layer: Layer, arch: Arch) -> Any:
    """What the layer adds to the weight memory, in the measure of `CapacityRule`."""
    if not arch.holds:
        return stored_bits(network, layer, arch)
    if not isinstance(layer, MacLayer | PoolLayer) or not layer.sums:
        return 0
    return walk_of(network, layer, arch).stored * arch.fill * stored_width(arch, layer)


def number(value: Any) -> float:
    """An integer where it is one: shorter as text, the same number."""
    real = float(value)
    return int(real) if real.is_integer() else real
