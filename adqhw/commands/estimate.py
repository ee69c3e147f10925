"""`adqhw estimate`: cycles, energy and area of a program on an array, layer by layer."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..arrays import ARCH_HELP, COLS_HELP, MICRO_HELP, ROWS_HELP, choose_arch
from ..console import JSON_OPTION, emit, say, show_table
from ..images import DATA_HELP, INPUT_HELP, read_images
from ..spec.errors import InputError
from ..spec.program import Program
from ..spec.program_file import load

if TYPE_CHECKING:
    from ..cosim.estimate import Estimate
    from ..cosim.gate_estimate import ArrayEstimate
    from ..cosim.output_estimate import OutputEstimate
    from ..rtl.arch import Arch
    from ..spec.formats import IntArray

DEFAULT_IMAGES = 100
GATE_IMAGES = 2

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
BATCH_HELP = "Images per load of the network from DRAM; 1 is a cold start for every image."
RESIDENT_HELP = "The network is already on chip: its transfer from DRAM is not counted."


def command(
    program: Annotated[Path, typer.Argument(help=SUBJECT_HELP)],
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    rows: Annotated[int | None, typer.Option(help=ROWS_HELP)] = None,
    cols: Annotated[int | None, typer.Option(help=COLS_HELP)] = None,
    micro: Annotated[str | None, typer.Option(help=MICRO_HELP)] = None,
    tech: Annotated[str, typer.Option(help=TECH_HELP)] = "literature45",
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    images: Annotated[
        int, typer.Option(help="Measure the activity on the first N images.")
    ] = DEFAULT_IMAGES,
    batch: Annotated[int, typer.Option(help=BATCH_HELP)] = 1,
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
    (.csv) has no weights either: what is assumed of them is said too; --dataflow gives the cycles
    of SCALE-Sim's systolic array instead.

    Example: adqhw estimate program.safetensors --rows 16 --cols 16 --data ~/cifar10
    """
    if program.suffix == ".csv":
        from .. import estimate_topology

        given = {"--arch": arch, "--data": data, "--input": input_file, "--gates": gates}
        refused = [name for name, value in given.items() if value is not None]
        if refused:
            raise InputError(f"{refused[0]} must go with a program, not with a topology")
        request = estimate_topology.Request(
            path=program, rows=rows, cols=cols, micro=micro, tech=tech, weight_bits=weight_bits,
            act_bits=act_bits, dataflow=dataflow, bandwidth=bandwidth,
            weights_from_dram=not resident, batch=batch,
        )  # fmt: skip
        estimate_topology.run(request, as_json=as_json)
        return
    topology_only = {"--weight-bits": weight_bits, "--act-bits": act_bits, "--dataflow": dataflow}
    for name, value in topology_only.items():
        if value is not None:
            raise InputError(f"{name} must go with a topology (.csv), not with a program")
    from ..cosim import technology
    from ..cosim.energy import ratio
    from ..cosim.estimate import estimate, measure, uniform_baseline
    from ..cosim.traffic import Options

    start = time.perf_counter()
    options = Options(weights_from_dram=not resident, batch=batch)
    table = technology.load(tech)
    loaded = load(program)
    array = choose_arch(loaded, arch, rows, cols, micro)
    shown = images_or_none(loaded, data, images, input_file)
    by_gates = gates_of(loaded, array, gates, shown) if gates else None
    activity = measure(loaded, shown)
    result = estimate(loaded, array, table, activity=activity, options=options)
    baseline = uniform_baseline(result, loaded, activity=activity)
    against = {
        name: ratio(result.energy, baseline.energy, splits)
        for name, splits in {
            "total": ("datapath", "memory", "dram"),
            "datapath": ("datapath",),
            "memory": ("memory",),
            "dram": ("dram",),
        }.items()
    }
    record = {
        "program": str(program),
        "digest": loaded.digest,
        **result.to_dict(),
        "to_uniform": {k: v.as_dict() if v else None for k, v in against.items()},
        **roof_record(result, bandwidth),
        **({"gates": by_gates[0].to_dict()} if by_gates else {}),
        **({"output_stage": by_gates[1].to_dict()} if by_gates and by_gates[1] else {}),
        "seconds": time.perf_counter() - start,
    }
    if as_json:
        emit(record)
        return
    show_estimate(program, result, against)
    show_roof(result, bandwidth)
    if by_gates is not None:
        show_gates(*by_gates)


def gates_of(
    program: Program, array: "Arch", paths: list[Path], images: "IntArray | None"
) -> "tuple[ArrayEstimate, OutputEstimate | None]":
    """Lane array and output stage by the characterizations at `paths`, on the first images."""
    from ..cosim import gate_estimate
    from ..cosim.gate_library import read_all
    from ..cosim.output_estimate import output_estimate

    if images is None:
        raise InputError("Images must be given with --data or --input: toggles need operands")
    libraries = read_all(paths)
    if len(libraries) > 1:
        raise InputError(f"Gates must be of one library, not of {', '.join(libraries)}")
    (library,) = libraries.values()
    wide, fit = gate_estimate.fitting(array, library.arrays)
    tensors = gate_estimate.golden_tensors(program, images[:GATE_IMAGES])
    toggles = gate_estimate.layer_toggles(program, wide, tensors)
    behind = output_estimate(program, array, library.units, tensors) if library.units else None
    return gate_estimate.array_estimate(program, wide, fit, toggles), behind


def show_gates(found: "ArrayEstimate", behind: "OutputEstimate | None") -> None:
    from ..cosim.report import energy_text

    show_table(
        f"lane array {found.micro} by its gates, one image; bar: worst error of layers that were "
        "not fitted",
        ("layer", "MACs", "cycles", "energy", "pJ/MAC", "of it clock and leakage %"),
        [
            (
                layer.name, layer.macs, layer.cycles, energy_text(layer.energy_pj),
                layer.energy_pj.expected / layer.macs,
                100 * layer.standing_pj / layer.energy_pj.expected,
            )
            for layer in found.layers
        ],
    )  # fmt: skip
    say(
        f"lane array by gates: {energy_text(found.energy_pj)}, {found.area_um2:,.0f} um2; without "
        "glitches, placed wires, clock tree, memories, output stage"
    )
    if behind is not None:
        say(
            f"output stage by gates: {energy_text(behind.energy_pj)}, {behind.area_um2:,.0f} um2, "
            f"of it {energy_text(behind.standing_pj)} clock and leakage; without its memory"
        )


def roof_record(result: "Estimate", bandwidth: float | None) -> dict[str, Any]:
    """The roofline's part of the JSON record; nothing without a bandwidth."""
    from ..cosim.roofline import roofline

    if bandwidth is None:
        return {}
    layers = [layer.to_dict() for layer in roofline(result, bandwidth)]
    return {"roofline": {"bandwidth_bits_per_cycle": bandwidth, "layers": layers}}


def show_roof(result: "Estimate", bandwidth: float | None) -> None:
    from ..cosim.roofline import roofline

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


def images_or_none(
    program: Program, data: Path | None, limit: int | None, input_file: Path | None = None
) -> "IntArray | None":
    """Images to measure on: those given, the bundled digits of a digits program, or none."""
    if data is None and input_file is None and program.provenance.get("dataset") != "digits":
        if limit is not None and limit < 1:
            raise InputError(f"Number of images must be at least 1, not {limit}")
        return None
    return read_images(program, input_file=input_file, data=data, limit=limit).images


def show_estimate(program: Path, result: "Estimate", against: dict[str, Any]) -> None:
    from ..cosim.energy import ABSENT
    from ..cosim.estimate import NOT_A_MEASUREMENT
    from ..cosim.report import area_text, energy_text, ratio_text, shares_text

    arch, technology = result.arch, result.technology
    say(NOT_A_MEASUREMENT)
    say(
        f"energy as a multiple of the uniform baseline's ({technology.name}, same array, levels "
        f"stored instead of codes): total {ratio_text(against['total'])}, "
        f"datapath {ratio_text(against['datapath'])}, memory {ratio_text(against['memory'])}, "
        f"dram {ratio_text(against['dram'])}"
    )
    rows = [
        (
            layer.name,
            f"{layer.weight_width or '-'}/{layer.act_width}",
            layer.events.cycles,
            energy_text(layer.energy.total),
            shares_text(layer.energy),
        )
        for layer in result.layers
    ]
    rows.append(
        ("total", "", result.cycles, energy_text(result.energy.total), shares_text(result.energy))
    )
    show_table(
        f"{program} on {arch.micro} {arch.rows}x{arch.cols}, one image, technology "
        f"{technology.name} ({technology.node}); energy: expected (low–high)",
        ("layer", "w/a bits", "cycles", "energy", "datapath/memory/dram %"),
        rows,
    )
    parts = [f"{name} {energy_text(band)}" for name, band in result.energy.split.items()]
    say(f"energy per image, technology {technology.name}: {', '.join(parts)}")
    say(f"area {area_text(result.total_area)}, technology {technology.name}")
    say(f"in none of these numbers: {', '.join(ABSENT)}")
    loads = f"counted once per {result.options.batch} image(s)"
    say(
        f"activity {result.statistics}; network from DRAM: "
        f"{loads if result.options.weights_from_dram else 'not counted (resident)'}"
    )
