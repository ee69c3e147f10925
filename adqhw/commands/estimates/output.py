"""`adqhw estimate`: what its forms have in common - the command line, the record, the tables."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...console import say, show_table
from ...flows.arrays import ArraySize

if TYPE_CHECKING:
    from ...cost.estimate.estimate import Estimate

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


def costs_record(
    result: "Estimate", against: dict[str, Any], bandwidth: float | None, warnings: list[str]
) -> dict[str, Any]:
    """The fields common to programs and topologies, for JSON."""
    return {
        **result.to_dict(),
        "to_uniform": {k: v.as_dict() if v else None for k, v in against.items()},
        **roof_record(result, bandwidth),
        "warnings": warnings,
    }


def show_costs(
    path: Path, result: "Estimate", against: dict[str, Any], bandwidth: float | None
) -> None:
    """The same for people, without the warnings, which come last."""
    show_estimate(path, result, against)
    show_roof(result, bandwidth)


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
