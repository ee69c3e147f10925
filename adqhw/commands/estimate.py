"""`adqhw estimate`: cycles, energy and area of a program or topology on an array, by layer."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import JSON_OPTION, say, show_table
from ..flows.arrays import ARCH_HELP, COLS_HELP, MICRO_HELP, ROWS_HELP
from ..flows.images import DATA_HELP, INPUT_HELP
from ..spec.errors import InputError

if TYPE_CHECKING:
    from ..cost.estimate.estimate import Estimate

DEFAULT_IMAGES = 100
DEFAULT_TECHNOLOGY = "literature45"
PRICED = "expected (low–high)"

SUBJECT_HELP = "Program file (.safetensors) or SCALE-Sim topology (.csv)."
BANDWIDTH_HELP = "Also a roofline: bits per cycle that DRAM delivers."
WEIGHT_BITS_HELP = "Topology only: assumed bits of a weight code (4)."
ACT_BITS_HELP = "Topology only: assumed bits of an activation (4)."
DATAFLOW_HELP = "Topology only: os, ws or is - cycles of SCALE-Sim's systolic array, no energy."
TECH_HELP = "Technology: a shipped table (literature45, unit) or a .toml file."
GATES_HELP = (
    "Also the lane array (and the output stage) by files of `adqhw characterize` of one library, "
    "with the operands of images; may be repeated."
)
IMAGES_HELP = "Measure the activity on the first N images (100)."
BATCH_HELP = "Images per load of the network from DRAM; 1 is a cold start for every image."
RESIDENT_HELP = "The network is already on chip: its transfer from DRAM is not counted."


def command(
    program: Annotated[Path, typer.Argument(help=SUBJECT_HELP)],
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    rows: Annotated[int | None, typer.Option(help=ROWS_HELP)] = None,
    cols: Annotated[int | None, typer.Option(help=COLS_HELP)] = None,
    micro: Annotated[str | None, typer.Option(help=MICRO_HELP)] = None,
    tech: Annotated[str | None, typer.Option(help=TECH_HELP)] = None,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    images: Annotated[int | None, typer.Option(help=IMAGES_HELP)] = None,
    batch: Annotated[int | None, typer.Option(help=BATCH_HELP)] = None,
    resident: Annotated[bool, typer.Option("--resident", help=RESIDENT_HELP)] = False,
    bandwidth: Annotated[float | None, typer.Option(help=BANDWIDTH_HELP)] = None,
    weight_bits: Annotated[int | None, typer.Option(help=WEIGHT_BITS_HELP)] = None,
    act_bits: Annotated[int | None, typer.Option(help=ACT_BITS_HELP)] = None,
    dataflow: Annotated[str | None, typer.Option(help=DATAFLOW_HELP)] = None,
    gates: Annotated[list[Path] | None, typer.Option(help=GATES_HELP)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Cycles, energy with its bar and area, per layer and in all, beside the uniform baseline.

    The energy is counted events times a technology table, not a measurement: no wires, clock tree
    or leakage. Without images it assumes that no activation is 0, and says so. A SCALE-Sim topology
    (.csv) has no weights either: the assumptions are listed; --dataflow gives the cycles of
    SCALE-Sim's systolic array instead.

    Example: adqhw estimate program.safetensors --rows 16 --cols 16 --data ~/cifar10
    """
    given = {
        "--arch": arch, "--rows": rows, "--cols": cols, "--micro": micro, "--tech": tech,
        "--data": data, "--input": input_file, "--images": images, "--batch": batch,
        "--resident": resident or None, "--bandwidth": bandwidth, "--weight-bits": weight_bits,
        "--act-bits": act_bits, "--dataflow": dataflow, "--gates": gates or None,
    }  # fmt: skip
    of_topology = program.suffix.lower() == ".csv"
    check_options(given, of_topology=of_topology)
    common = {
        "path": program, "rows": rows, "cols": cols, "micro": micro,
        "tech": DEFAULT_TECHNOLOGY if tech is None else tech, "bandwidth": bandwidth,
        "weights_from_dram": not resident, "batch": 1 if batch is None else batch,
    }  # fmt: skip
    if of_topology:
        from . import estimate_topology

        request = estimate_topology.Request(
            **common, weight_bits=weight_bits, act_bits=act_bits, dataflow=dataflow
        )
        estimate_topology.run(request, as_json=as_json)
        return
    from . import estimate_program

    wanted = estimate_program.Request(
        **common, arch=arch, data=data, input_file=input_file, images=images, gates=gates or []
    )
    estimate_program.run(wanted, as_json=as_json)


EVERYWHERE = {"--rows", "--cols"}
LANES = {"--micro", "--tech", "--batch", "--resident", "--bandwidth"}
TAKEN = {
    "a program": EVERYWHERE | LANES | {"--arch", "--data", "--input", "--images", "--gates"},
    "a topology (.csv) on the lane array": EVERYWHERE | LANES | {"--weight-bits", "--act-bits"},
    "a topology (.csv) with --dataflow": EVERYWHERE | {"--dataflow"},
}
"""Options by what is estimated; all others are refused there, because they would have no effect."""


def check_options(given: dict[str, Any], *, of_topology: bool) -> None:
    """Refuse the first given option that does not apply to what is estimated."""
    program, lanes, systolic = TAKEN
    mode = program
    if of_topology:
        mode = lanes if given["--dataflow"] is None else systolic
    for name, value in given.items():
        if value is not None and name not in TAKEN[mode]:
            homes = " or ".join(home for home, names in TAKEN.items() if name in names)
            raise InputError(f"{name} must go with {homes}, not with {mode}")
    check_loads(given["--batch"], resident=bool(given["--resident"]))


def check_loads(batch: int | None, *, resident: bool) -> None:
    """Refuse images per load of a network that is not loaded."""
    if resident and batch is not None:
        raise InputError("--batch must go without --resident: what is not loaded is not shared")


def roof_record(result: "Estimate", bandwidth: float | None) -> dict[str, Any]:
    """The roofline's part of the JSON record; nothing without a bandwidth."""
    from ..cost.estimate.roofline import roofline

    if bandwidth is None:
        return {}
    layers = [layer.to_dict() for layer in roofline(result, bandwidth)]
    return {"roofline": {"bandwidth_bits_per_cycle": bandwidth, "layers": layers}}


def show_roof(result: "Estimate", bandwidth: float | None) -> None:
    from ..cost.estimate.roofline import roofline

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
    from ..cost.estimate.energy import ABSENT
    from ..cost.estimate.estimate import NOT_A_MEASUREMENT
    from ..cost.report.report import area_text, energy_text, ratio_text, shares_text

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
