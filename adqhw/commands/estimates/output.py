"""`adqhw estimate`: what its forms have in common - the command line, the record, the tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...console import say, show_table
from ...flows.arrays import ArraySize
from ...spec.errors import InputError

if TYPE_CHECKING:
    from ...cost.estimate.estimate import Estimate
    from ...cost.estimate.operation import Operation
    from ...cost.technology.technology import Technology
    from ...rtl.arch.arch import Arch
    from ...rtl.timing.dram import DramModel

PRICED = "expected (low–high)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """The part of the command line that programs and topologies share; None: not given."""

    path: Path
    size: ArraySize
    tech: str
    bandwidth: float | None
    weights_from_dram: bool
    batch: int
    as_json: bool
    memories: str | None = None
    dram: str | None = None
    clock: float | None = None
    voltage: float | None = None

    @property
    def technology(self) -> "Technology":
        """The table with the memories, the DRAM and the supply that were given."""
        from ...cost.technology.choice import chosen

        return chosen(self.tech, memories=self.memories, dram=self.dram, voltage=self.voltage)

    def dram_model(self, technology: "Technology", arch: "Arch") -> "DramModel | None":
        """Times of external memory in cycles at the clock; None: the model's own."""
        if arch.external is None or technology.dram is None:
            return None
        if self.clock is None:
            raise InputError(
                "--dram must go with --clock on an array with external memory: its times are in "
                "nanoseconds"
            )
        return technology.dram.model(self.clock, arch.external)

    def bits_per_cycle(self, result: "Estimate") -> float | None:
        """Of the roofline: what was given, or what the DRAM delivers at the clock."""
        dram = result.technology.dram
        if self.bandwidth is not None or dram is None or self.clock is None:
            return self.bandwidth
        bits = dram.bits_per_cycle(self.clock)
        bus = result.arch.external
        return bits if bus is None else min(bits, float(bus.bus_width))


def costs_record(
    result: "Estimate",
    against: dict[str, Any],
    bandwidth: float | None,
    warnings: list[str],
    at_clock: "Operation | None" = None,
) -> dict[str, Any]:
    """The fields common to programs and topologies, for JSON."""
    return {
        **result.to_dict(),
        "to_uniform": {k: v.as_dict() if v else None for k, v in against.items()},
        **roof_record(result, bandwidth),
        **({} if at_clock is None else {"operation": at_clock.to_dict()}),
        "warnings": warnings,
    }


def show_costs(
    path: Path,
    result: "Estimate",
    against: dict[str, Any],
    bandwidth: float | None,
    at_clock: "Operation | None" = None,
) -> None:
    """The same for people, without the warnings, which come last."""
    show_estimate(path, result, against)
    show_memories(result)
    show_roof(result, bandwidth)
    if at_clock is not None:
        show_operation(at_clock)


def show_memories(result: "Estimate") -> None:
    """The built memories, where the technology has a memory table, and the DRAM type."""
    table, dram = result.technology.memories, result.technology.dram
    if table is not None and result.memories is not None:
        rows = [
            (
                name,
                str(one.kind),
                f"{one.banks} x {one.beside} of {one.words} x {one.width}",
                one.copies,
                one.ports,
                1e3 * one.read_pj_bit.expected,
                1e3 * one.write_pj_bit.expected,
                one.area_um2.expected / 1e6,
                one.access_ns.expected,
            )
            for name, one in result.memories.items()
        ]
        show_table(
            f"memories by {table.name} ({table.node}) at "
            f"{result.technology.voltage or table.voltage:g} V",
            ("memory", "kind", "banks x beside of words x bits", "copies", "ports", "read fJ/bit",
             "write fJ/bit", "mm2", "access ns"),
            rows,
        )  # fmt: skip
    if dram is not None:
        say(
            f"DRAM {dram.name}: {dram.summary}, {dram.bandwidth_gbytes_s:g} GB/s, "
            f"{dram.pj_per_bit.expected:g} ({dram.pj_per_bit.low:g}–{dram.pj_per_bit.high:g}) "
            f"pJ/bit: {dram.pj_source}"
        )


def show_operation(at_clock: "Operation") -> None:
    from ...cost.report.report import power_text

    supply = "" if at_clock.voltage is None else f", {at_clock.voltage:g} V"
    waits = ""
    if at_clock.dram_ms is not None and at_clock.dram_ms > at_clock.latency_ms:
        waits = f" (DRAM needs {at_clock.dram_ms:.4g} ms per image)"
    say(
        f"at {at_clock.clock_mhz:g} MHz{supply}: latency {at_clock.latency_ms:.4g} ms, "
        f"{at_clock.frames_per_second:.5g} images per second{waits}"
    )
    parts = [f"{name} {power_text(band)}" for name, band in at_clock.watts_by.items()]
    record = at_clock.to_dict()
    say(
        f"power {power_text(at_clock.watts)}: {', '.join(parts)}; {at_clock.tops:.4g} TOPS, "
        f"{record['tops_per_watt']['expected']:.4g} TOPS/W, without DRAM "
        f"{record['tops_per_watt_without_dram']['expected']:.4g}"
    )
    if not at_clock.paths:
        say("slack unknown: no delay is known without --gates or --memories")
        return
    slowest = at_clock.paths[0]
    say(
        f"slack {at_clock.slack_ns:.3g} ns of {1e3 / at_clock.clock_mhz:.4g} ns: {slowest.name} "
        f"{slowest.ns:.3g} ns; unplaced gates, no clock skew"
    )


def to_uniform(result: "Estimate", baseline: "Estimate") -> dict[str, Any]:
    """Energy as a multiple of the baseline's, total and by part."""
    from ...cost.estimate.energy import ratio
    from ...cost.events.events import SPLITS

    splits = {"total": SPLITS} | {name: (name,) for name in SPLITS}
    return {name: ratio(result.energy, baseline.energy, part) for name, part in splits.items()}


def roof_record(result: "Estimate", bandwidth: float | None) -> dict[str, Any]:
    """The roofline's part of the JSON record; nothing without a bandwidth."""
    from ...cost.estimate.roofline import roofline

    if bandwidth is None:
        return {}
    layers = [layer.to_dict() for layer in roofline(result, bandwidth)]
    return {"roofline": {"bandwidth_bits_per_cycle": bandwidth, "layers": layers}}


def show_roof(result: "Estimate", bandwidth: float | None) -> None:
    from ...cost.estimate.roofline import roofline

    if bandwidth is None:
        return
    layers = roofline(result, bandwidth)
    rows = [
        (x.name, x.compute_cycles, x.memory_cycles, x.bound, x.intensity, x.attainable, x.achieved)
        for x in layers
    ]
    show_table(
        f"roofline: DRAM of {bandwidth:g} bits per cycle, {sum(x.cycles for x in layers):,} cycles "
        "when each layer hides the faster of the two",
        ("layer", "array cycles", "memory cycles", "bound", "MACs/bit", "roof MACs", "MACs/cycle"),
        rows,
    )  # fmt: skip


def show_warnings(warnings: list[str]) -> None:
    for text in warnings:
        say(f"warning: {text}")


def show_estimate(program: Path, result: "Estimate", against: dict[str, Any]) -> None:
    from ...cost.estimate.energy import ABSENT
    from ...cost.estimate.estimate import NOT_A_MEASUREMENT
    from ...cost.report.report import area_text, energy_text, ratio_text, shares_text

    arch, technology = result.arch, result.technology
    what, says = ("events", "each counts 1") if technology.counts else ("energy", PRICED)
    say(NOT_A_MEASUREMENT)
    say(
        f"{what} as a multiple of the uniform baseline's ({technology.name}, same array, levels "
        f"stored instead of codes): total {ratio_text(against['total'])}, "
        f"datapath {ratio_text(against['datapath'])}, memory {ratio_text(against['memory'])}, "
        f"dram {ratio_text(against['dram'])}"
    )
    rows = [
        (
            layer.name,
            f"{layer.weight_width or '-'}/{layer.act_width}",
            layer.events.cycles,
            energy_text(layer.energy.total, technology),
            shares_text(layer.energy),
        )
        for layer in result.layers
    ]
    rows.append(
        ("total", "", result.cycles, energy_text(result.energy.total, technology),
         shares_text(result.energy))
    )  # fmt: skip
    show_table(
        f"{program} on {arch.micro} {arch.rows}x{arch.cols}, one image, technology "
        f"{technology.name} ({technology.node}); {what}: {says}",
        ("layer", "w/a bits", "cycles", what, "datapath/memory/dram %"),
        rows,
    )
    parts = [
        f"{name} {energy_text(band, technology)}" for name, band in result.energy.split.items()
    ]
    say(f"{what} per image, technology {technology.name}: {', '.join(parts)}")
    bits = "bits of components, each at 1: " if technology.counts else ""
    say(f"area {bits}{area_text(result.total_area, technology)}, technology {technology.name}")
    say(f"in none of these numbers: {', '.join(ABSENT)}")
    loads = f"counted once per {result.options.batch} image(s)"
    say(
        f"activity {result.statistics}; network from DRAM: "
        f"{loads if result.options.weights_from_dram else 'not counted (resident)'}"
    )
