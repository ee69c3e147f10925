"""Energy and area: events and components times a technology, with a bar on every number.

`price` multiplies events by entries and sorts the result into parts; every part belongs to one of
the splits datapath, memory, dram. Corners add: `low` of a total is the sum of the lows. What no
number contains, `ABSENT`, is printed with every result.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field

from ...rtl.arch.arch import Arch
from ...rtl.lanes.terms import Parts
from ...spec.errors import InputError
from ...spec.program import SizedNetwork
from ..events.events import EVENTS, PARTS, SPLITS, LayerEvents
from ..events.flip_flops import flip_flops
from ..events.memories import Memories, memories, sum_bits
from ..events.memory_demands import memory_demands
from ..technology.built import Built, build_all
from ..technology.technology import BAND_KEYS, ZERO, Band, Technology

ABSENT = (
    "leakage of memories",
    "clock tree",
    "wires",
    "sequencer and address generators",
    "place and route",
)
"""Parts that no number of this model contains."""

MEMORIES = {
    "weight_bits": "weights",
    "activation_bits": "activations",
    "parameter_bits": "parameters",
    "sum_bits": "sums",
}
"""Capacity of `Memories` -> name in memory tables."""
MEMORY_PARTS = {
    "weights": "weights",
    "activations": "activations",
    "parameters": "tables",
    "sums": "sums",
}
"""Name in memory tables -> part of the energy."""
AREA_NAMES = {
    "weights": "weight memory",
    "activations": "activation memory",
    "parameters": "parameter memory",
    "sums": "sums",
}

PART_SPLIT = {kind.part: kind.split for kind in EVENTS.values()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Energy:
    """pJ by part of the machine; the parts sum to the total."""

    parts: Mapping[str, Band] = field(default_factory=lambda: dict.fromkeys(PARTS, ZERO))

    @property
    def total(self) -> Band:
        return sum(self.parts.values(), start=ZERO)

    @property
    def split(self) -> dict[str, Band]:
        """datapath, memory, dram: the total in three."""
        groups = dict.fromkeys(SPLITS, ZERO)
        for part, band in self.parts.items():
            groups[PART_SPLIT[part]] += band
        return groups

    def __add__(self, other: "Energy") -> "Energy":
        return Energy(parts={part: self.parts[part] + other.parts[part] for part in PARTS})


def event_prices(
    technology: Technology, capacity: Memories, built: Mapping[str, Built] | None = None
) -> dict[str, Band]:
    """pJ of one event of each kind; the same for every layer. built: `built_memories`."""
    return {name: event_energy(name, technology, capacity, built) for name in EVENTS}


def prices_on(network: SizedNetwork, arch: Arch, technology: Technology) -> dict[str, Band]:
    """`event_prices` of a network on one array."""
    capacity = memories(network, arch)
    return event_prices(technology, capacity, built_memories(network, arch, technology, capacity))


def price(events: LayerEvents, prices: Mapping[str, Band]) -> Energy:
    """Energy of one layer for one image."""
    sums: dict[str, list[float]] = {}  # of the corners: a band for every product is slow
    for name, count in events.counts.items():
        if count:
            total, band = sums.setdefault(EVENTS[name].part, [0.0, 0.0, 0.0]), prices[name]
            total[0] += band.low * count
            total[1] += band.expected * count
            total[2] += band.high * count
    bands = {part: Band(low=x[0], expected=x[1], high=x[2]) for part, x in sums.items()}
    parts = dict.fromkeys(PARTS, ZERO) | bands
    return Energy(parts=parts)


def ratio(ours: Energy, theirs: Energy, splits: tuple[str, ...] = SPLITS) -> Band | None:
    """`ours / theirs` in one technology; its bar takes each source of error at any of its corners.

    Both sides stand in the same corner of a source, but clock, logic, memory and DRAM need not err
    in the same direction. None where `theirs` is 0. `splits` narrows the ratio to a part of the
    total.
    """
    mine, other = (_sources(energy, splits) for energy in (ours, theirs))
    if not any(band.expected for band in other.values()):
        return None
    values = [
        sum(getattr(mine[s], k) for s, k in zip(mine, corner, strict=True))
        / sum(getattr(other[s], k) for s, k in zip(mine, corner, strict=True))
        for corner in itertools.product(BAND_KEYS, repeat=len(mine))
    ]
    expected = sum(b.expected for b in mine.values()) / sum(b.expected for b in other.values())
    return Band(low=min(values), expected=expected, high=max(values))


CLOCK = "clock"
"""The part of the datapath with a price error of its own; idle registers cost it too."""


def _sources(energy: Energy, splits: tuple[str, ...]) -> dict[str, Band]:
    """The energy of `splits` by common error: the clock, and the rest of each split."""
    found = dict.fromkeys((*([CLOCK] if PART_SPLIT[CLOCK] in splits else ()), *splits), ZERO)
    for part, band in energy.parts.items():
        if PART_SPLIT[part] in splits:
            found[CLOCK if part == CLOCK else PART_SPLIT[part]] += band
    return found


def event_energy(
    name: str,
    technology: Technology,
    capacity: Memories,
    built: Mapping[str, Built] | None = None,
) -> Band:
    """pJ of one event: the entry, its overhead if it is logic, its memory's size if it is a bit."""
    kind = EVENTS[name]
    if kind.memory is not None:
        if technology.memories is None:
            return technology.sram_bit(getattr(capacity, kind.memory))
        if built is None:
            raise InputError(
                f"Technology must have no memory table here, where memories are not built, not "
                f"{technology.name!r}"
            )
        memory = built.get(MEMORIES[kind.memory])
        if memory is None:  # it has no bits, so none is moved
            return ZERO
        return memory.read_pj_bit if name.endswith("_read_bit") else memory.write_pj_bit
    band = technology[kind.entry]
    return band * technology["datapath_overhead"] if kind.overhead else band


def built_memories(
    network: SizedNetwork, arch: Arch, technology: Technology, capacity: Memories
) -> dict[str, Built] | None:
    """The memories of one array by the technology's memory table; None without one."""
    if technology.memories is None:
        return None
    demands = memory_demands(network, arch, capacity)
    return build_all(technology.memories, demands, technology.voltage)


def standing(built: Mapping[str, Built], cycles: int) -> Energy:
    """What memories draw in `cycles` whatever is accessed: clock gates of those made of cells."""
    parts = dict.fromkeys(PARTS, ZERO)
    for name, memory in built.items():
        parts[MEMORY_PARTS[name]] += memory.standing_pj * cycles
    return Energy(parts=parts)


def area(
    arch: Arch,
    technology: Technology,
    capacity: Memories,
    built: Mapping[str, Built] | None = None,
) -> dict[str, Band]:
    """um2 by component of the array and its memories; logic carries the area overhead."""
    bits = held_logic(arch) if arch.holds else first_logic(arch)
    logic = {
        name: sum((technology[e] * n for e, n in parts.items()), start=ZERO)
        * technology["area_overhead"]
        for name, parts in bits.items()
    }
    memory = {
        "weight memory": capacity.weight_bits,
        "activation memory": capacity.activation_bits,
        "parameter memory": capacity.parameter_bits,
    }
    if arch.holds:
        memory["sums"] = sum_bits(arch)
    if built is not None:
        by_name = {AREA_NAMES[name]: one.area_um2 for name, one in built.items()}
        return logic | {name: by_name.get(name, ZERO) for name in memory}
    return logic | {name: technology["sram_area"] * count for name, count in memory.items()}


def first_logic(arch: Arch) -> Parts:
    """Lanes and output units of the array that reads its weights for every pixel."""
    widths = arch.requant
    wide = widths.multiplier_width + arch.acc_width
    return arch.lanes.area(arch) | {
        "threshold unit": {
            "compare_area": arch.thresholds * arch.tau_width,
            "register_area": arch.thresholds + arch.acc_width,
        },
        "requant unit": {
            "multiply_area": _requant_multipliers(arch),
            "add_area": 3 * wide,
            "register_area": 3 * wide,
        },
    }


def held_logic(arch: Arch) -> Parts:
    """Lanes of the array that holds weights, which look up at the port, and its output lanes."""
    parts, flops = dict(arch.lanes.area(arch)), flip_flops(arch)
    if "lookup" in parts:
        parts["lookup"] = {e: n / arch.fill for e, n in parts["lookup"].items()}
    adders = parts.pop("accumulators and drain")["add_area"]
    wide = arch.requant.multiplier_width + arch.acc_width
    return parts | {
        "lane registers": {"register_area": flops["lanes"]},
        "accumulators": {"add_area": adders, "register_area": flops["columns"]},
        "operands": {"register_area": arch.rows * arch.act_width},
        "output lanes": {
            "compare_area": arch.out_lanes * arch.thresholds * arch.tau_width,
            "multiply_area": arch.out_lanes * _requant_multipliers(arch),
            "add_area": arch.out_lanes * 3 * wide,
            "register_area": flops["output lanes"] + flops["output operands"],
        },
    }


def _requant_multipliers(arch: Arch) -> int:
    widths = arch.requant
    return (
        widths.multiplier_width * arch.acc_width + widths.skip_multiplier_width * widths.skip_width
    )
