"""Operation: an estimate at a clock - latency, images per second, power, and what the clock allows.

Images follow each other without overlap: one takes the cycles of its way in and of all layers. What
DRAM moves is hidden behind the array's work, so an image takes as long as the slower of both; with
external memory the array's cycles have the transfers in them. Power is the energy of an image times
images per second, and the leakage of memories where a memory table has it. Logic's leakage is in
the clock entry of technology tables, at the period of the characterizations it comes from.

Slack is the period less the slowest of what is known: the longest path of the characterized gates
and the access times of memories. Delays go with V / (V - Vt)^1.3 (Sakurai and Newton, 1990), where
the technology has a threshold voltage; without one they stay those of their own voltage.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...spec.errors import InputError
from ...spec.host.reading import positive_number
from ..technology.technology import ZERO, Band, Technology
from .estimate import Estimate

ALPHA = 1.3
MOST_MHZ = 100_000.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Path:
    """A delay that a period must hold."""

    name: str
    ns: float
    """At the voltage of the estimate where that can be said, else at the delay's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class GatePath:
    """The longest path of characterized gates."""

    name: str
    ns: float
    voltage: float | None
    """Of the library; None where the characterization does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """An estimate at a clock."""

    clock_mhz: float
    voltage: float | None
    cycles: int
    """From the first code of an image to its logits."""
    dram_ms: float | None
    """In which DRAM moves one image's share of its bits; None where no DRAM type is given, or
    where the cycles have the transfers in them."""
    watts_by: Mapping[str, Band]
    """datapath, memory, dram; leakage of memories where a memory table has it."""
    operations: float
    """Two per MAC of an image."""
    paths: tuple[Path, ...]
    """Slowest first."""

    @property
    def latency_ms(self) -> float:
        return self.cycles / (self.clock_mhz * 1e3)

    @property
    def frames_per_second(self) -> float:
        return 1e3 / max(self.latency_ms, self.dram_ms or 0.0)

    @property
    def watts(self) -> Band:
        return sum(self.watts_by.values(), start=ZERO)

    @property
    def chip_watts(self) -> Band:
        """Without DRAM."""
        return sum((band for name, band in self.watts_by.items() if name != "dram"), start=ZERO)

    @property
    def tops(self) -> float:
        """10^12 operations per second, at these images per second."""
        return self.operations * self.frames_per_second / 1e12

    @property
    def slack_ns(self) -> float | None:
        """None where no delay is known."""
        return 1e3 / self.clock_mhz - self.paths[0].ns if self.paths else None

    def to_dict(self) -> dict[str, Any]:
        """JSON form, as in `estimate --json`."""
        return {
            "clock_mhz": self.clock_mhz,
            "voltage": self.voltage,
            "cycles": self.cycles,
            "latency_ms": self.latency_ms,
            "dram_ms": self.dram_ms,
            "frames_per_second": self.frames_per_second,
            "watts": self.watts.as_dict(),
            "watts_by": {name: band.as_dict() for name, band in self.watts_by.items()},
            "tops": self.tops,
            "tops_per_watt": _per_watt(self.tops, self.watts).as_dict(),
            "tops_per_watt_without_dram": _per_watt(self.tops, self.chip_watts).as_dict(),
            "paths_ns": {path.name: path.ns for path in self.paths},
            "slack_ns": self.slack_ns,
        }


def operation(
    result: Estimate, clock_mhz: float, gate_paths: tuple[GatePath, ...] = ()
) -> Operation:
    """`result` at a clock; gate_paths: of characterized gates of the same array."""
    technology = result.technology
    if technology.counts:
        raise InputError(
            f"Clock must go with a technology that has energies, not with {technology.name!r}"
        )
    clock = positive_number(clock_mhz, "Clock")
    if clock > MOST_MHZ:
        raise InputError(f"Clock must be at most {MOST_MHZ:g} MHz, not {clock:g}")
    found = Operation(
        clock_mhz=clock,
        voltage=_voltage(technology),
        cycles=result.cycles + result.input_cycles,
        dram_ms=_dram_ms(result),
        watts_by={},
        operations=2.0 * sum(layer.events.macs for layer in result.layers),
        paths=_paths(result, gate_paths),
    )
    per_second = found.frames_per_second * 1e-12
    watts = {name: band * per_second for name, band in result.energy.split.items()}
    if result.memories is not None:
        leaking = sum((memory.leakage_uw for memory in result.memories.values()), start=ZERO)
        watts["leakage"] = leaking * 1e-6
    return replace(found, watts_by=watts)


def _per_watt(tops: float, watts: Band) -> Band:
    return Band(low=tops / watts.high, expected=tops / watts.expected, high=tops / watts.low)


def _voltage(technology: Technology) -> float | None:
    table = technology.memories
    return technology.voltage or (table.voltage if table is not None else None)


def _dram_ms(result: Estimate) -> float | None:
    dram = result.technology.dram
    if dram is None or result.arch.external is not None:
        return None
    bits = sum(
        layer.events.counts["dram_weight_bit"] + layer.events.counts["dram_map_bit"]
        for layer in result.layers
    )
    return bits / (dram.bandwidth_gbytes_s * 8e6)


def _paths(result: Estimate, gate_paths: tuple[GatePath, ...]) -> tuple[Path, ...]:
    technology, table = result.technology, result.technology.memories
    found = [
        Path(name=path.name, ns=path.ns * _slower(technology, path.voltage)) for path in gate_paths
    ]
    if table is not None:
        factor = _slower(technology, table.voltage)
        for name, memory in (result.memories or {}).items():
            if memory.access_ns.expected:
                found.append(Path(name=f"memory of {name}", ns=memory.access_ns.expected * factor))
    return tuple(sorted(found, key=lambda path: -path.ns))


def _slower(technology: Technology, own: float | None) -> float:
    """Factor of a delay at the technology's voltage over the same at `own`."""
    threshold, volts = technology.threshold_voltage, technology.voltage
    if threshold is None or volts is None or own is None or volts == own:
        return 1.0
    for value in (volts, own):
        if value <= threshold:
            raise InputError(
                f"Voltage must be above the threshold voltage {threshold:g} V of "
                f"{technology.name!r}, not {value:g} V: its delays have no value there"
            )
    return _delay(volts, threshold) / _delay(own, threshold)


def _delay(volts: float, threshold: float) -> float:
    return float(volts / (volts - threshold) ** ALPHA)
