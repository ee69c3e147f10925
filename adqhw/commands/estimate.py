"""`adqhw estimate`: cycles, energy and area of a program or topology on an array, by layer."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import JSON_OPTION
from ..flows.arrays import ARCH_HELP, ArraySize
from ..flows.images import DATA_HELP, INPUT_HELP
from ..spec.errors import InputError
from .estimates.output import Request
from .sizes import Cols, Fill, Hold, Micro, MultiplyWidth, OutLanes, Rows

DEFAULT_IMAGES = 100
DEFAULT_TECHNOLOGY = "literature45"

SUBJECT_HELP = "Program file (.safetensors) or SCALE-Sim topology (.csv)."
BANDWIDTH_HELP = "Also a roofline: bits per cycle that DRAM delivers."
WEIGHT_BITS_HELP = "Topology only: assumed bits of a weight code (4)."
ACT_BITS_HELP = (
    "Assumed bits of an activation: of a topology (4), or instead of a program's own where its "
    "thresholds make codes."
)
BITS_HELP = (
    "Other weight bits than the program's, assumed: LAYER=BITS for codes of a codebook, "
    "LAYER=BITSp for plain integers, * for all layers below 8 bits; comma separated."
)
DATAFLOW_HELP = "Topology only: os, ws or is - cycles of SCALE-Sim's systolic array, no energy."
TECH_HELP = "Technology: a shipped table (literature45, scaled130, unit) or a .toml file."
GATES_HELP = (
    "Also the lane array (and the output stage) by files of `adqhw characterize` of one library, "
    "with the operands of images; may be repeated."
)
IMAGES_HELP = "Measure the activity on the first N images (100)."
BATCH_HELP = "Images per load of the network from DRAM; 1 is a cold start for every image."
MEMORIES_HELP = (
    "On-chip memories by a table of the technology's node: a shipped one (sram45, sram130) or a "
    ".toml file."
)
DRAM_HELP = "DRAM by type: a shipped one (lpddr4, ddr4, hbm2) or a .toml file."
CLOCK_HELP = "Also latency, images per second, power and slack at this clock (MHz)."
VOLTAGE_HELP = "Supply (V) instead of the technology's own: energies go with its square."
RESIDENT_HELP = "The network is already on chip: its transfer from DRAM is not counted."


def command(
    program: Annotated[Path, typer.Argument(help=SUBJECT_HELP)],
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    rows: Rows = None,
    cols: Cols = None,
    micro: Micro = None,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    multiply_width: MultiplyWidth = None,
    tech: Annotated[str | None, typer.Option(help=TECH_HELP)] = None,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    images: Annotated[int | None, typer.Option(help=IMAGES_HELP)] = None,
    batch: Annotated[int | None, typer.Option(help=BATCH_HELP)] = None,
    resident: Annotated[bool, typer.Option("--resident", help=RESIDENT_HELP)] = False,
    bandwidth: Annotated[float | None, typer.Option(help=BANDWIDTH_HELP)] = None,
    weight_bits: Annotated[int | None, typer.Option(help=WEIGHT_BITS_HELP)] = None,
    act_bits: Annotated[int | None, typer.Option(help=ACT_BITS_HELP)] = None,
    bits: Annotated[str | None, typer.Option(help=BITS_HELP)] = None,
    dataflow: Annotated[str | None, typer.Option(help=DATAFLOW_HELP)] = None,
    gates: Annotated[list[Path] | None, typer.Option(help=GATES_HELP)] = None,
    memories: Annotated[str | None, typer.Option(help=MEMORIES_HELP)] = None,
    dram: Annotated[str | None, typer.Option(help=DRAM_HELP)] = None,
    clock: Annotated[float | None, typer.Option(help=CLOCK_HELP)] = None,
    voltage: Annotated[float | None, typer.Option(help=VOLTAGE_HELP)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Cycles, energy with its bar and area, per layer and in all, beside the uniform baseline.

    The energy is counted events times a technology table, not a measurement: no wires, clock tree
    or leakage. Without images it assumes that no activation is 0, and says so. A SCALE-Sim topology
    (.csv) has no weights either: the assumptions are listed; --dataflow gives the cycles of
    SCALE-Sim's systolic array instead.

    Example: adqhw estimate program.safetensors --rows 16 --cols 16 --data ~/cifar10
    """
    size = ArraySize(
        rows=rows,
        cols=cols,
        micro=micro,
        hold=hold,
        fill=fill,
        out_lanes=out_lanes,
        multiply_width=multiply_width,
    )
    given = {
        "--arch": arch, **size.options, "--tech": tech,
        "--data": data, "--input": input_file, "--images": images, "--batch": batch,
        "--resident": resident or None, "--bandwidth": bandwidth, "--weight-bits": weight_bits,
        "--act-bits": act_bits, "--bits": bits, "--dataflow": dataflow, "--gates": gates or None,
        "--memories": memories, "--dram": dram, "--clock": clock, "--voltage": voltage,
    }  # fmt: skip
    of_topology = program.suffix.lower() == ".csv"
    check_options(given, of_topology=of_topology)
    request = Request(
        path=program,
        size=size,
        tech=DEFAULT_TECHNOLOGY if tech is None else tech,
        bandwidth=bandwidth,
        weights_from_dram=not resident,
        batch=1 if batch is None else batch,
        as_json=as_json,
        memories=memories,
        dram=dram,
        clock=clock,
        voltage=voltage,
    )
    if of_topology:
        from .estimates import topology

        topology.run(request, weight_bits, act_bits, dataflow)
        return
    if bits is not None or act_bits is not None:
        from .estimates import altered

        altered.run(request, bits, act_bits)
        return
    from .estimates import program as of_program

    sources = of_program.Sources(
        data=data,
        input_file=input_file,
        images=DEFAULT_IMAGES if images is None else images,
        asked=images is not None,
    )
    of_program.run(request, arch, sources, gates or [])


EVERYWHERE = {"--rows", "--cols"}
LANES = {
    "--micro",
    "--hold",
    "--fill",
    "--out-lanes",
    "--multiply-width",
    "--tech",
    "--batch",
    "--resident",
    "--bandwidth",
    "--memories",
    "--dram",
    "--clock",
    "--voltage",
}
ALTERED = "a program with other bits (--bits, --act-bits)"
TAKEN = {
    "a program": EVERYWHERE | LANES | {"--arch", "--data", "--input", "--images", "--gates"},
    "a topology (.csv) on the lane array": EVERYWHERE | LANES | {"--weight-bits", "--act-bits"},
    "a topology (.csv) with --dataflow": EVERYWHERE | {"--dataflow"},
    ALTERED: EVERYWHERE | LANES | {"--bits", "--act-bits"},
}
"""Options by what is estimated; all others are refused there, because they would have no effect."""


def check_options(given: dict[str, Any], *, of_topology: bool) -> None:
    """Refuse the first given option that does not apply to what is estimated."""
    program, lanes, systolic, _ = TAKEN
    mode = program if given["--bits"] is None and given["--act-bits"] is None else ALTERED
    if of_topology:
        mode = lanes if given["--dataflow"] is None else systolic
    for name, value in given.items():
        if value is not None and name not in TAKEN[mode]:
            homes = [home for home, names in TAKEN.items() if name in names]
            if program in homes and ALTERED in homes:
                homes.remove(ALTERED)
            raise InputError(f"{name} must go with {' or '.join(homes)}, not with {mode}")
    check_loads(given["--batch"], resident=bool(given["--resident"]))
    if None not in (given["--bandwidth"], given["--dram"], given["--clock"]):
        raise InputError("--bandwidth must go without --dram and --clock, which say it")


def check_loads(batch: int | None, *, resident: bool) -> None:
    """Refuse images per load of a network that is not loaded."""
    if resident and batch is not None:
        raise InputError("--batch must go without --resident: what is not loaded is not shared")
