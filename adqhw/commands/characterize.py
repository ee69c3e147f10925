"""`adqhw characterize`: coefficients of a lane array from its gates in a Liberty, with errors."""

import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import JSON_OPTION, emit, people, say, show_table
from ..flows.arrays import ArraySize, array_size
from ..flows.images import DATA_HELP, INPUT_HELP, read_images
from ..rtl.arch.registry import BASELINE, DEFAULT
from ..spec.errors import InputError
from ..spec.host.version import VERSION
from ..spec.program_file import load
from .placing import placing_of
from .sizes import Fill, Hold, OutLanes

if TYPE_CHECKING:
    from ..gates.model.characterize import Characterization, Plan

BUILD = Path("runs/build")
MICROS = f"{DEFAULT},{BASELINE}"
MICRO_HELP = "Micro-architectures, separated by commas; uniform_4 has multipliers of 4 bits."
ALSO_HELP = "Program that the arrays must be wide enough for, too; may be repeated."
SIZES_HELP = "Arrays (ROWSxCOLS) that are fitted, separated by commas; at least 4."
TEST_HELP = "Array that is tested; none of the fitted ones."
LAYERS_HELP = "Layers, separated by commas, in turn to fit and to test (default: all with weights)."
BEATS_HELP = "Most beats of a layer on a fitted array; the tested one plays whole layers."
OUTPUT_HELP = "The threshold and the requant unit instead of lane arrays."
PLACE_HELP = "Place the gates: wires, repeaters and a clock tree are in the energy."
REPAIR_HELP = (
    "With --place: resize cells and insert buffers in arrays that miss the period with their wires."
)
LEF_HELP = "LEF with the library's cells (pip install sc-leflib); may be repeated."
ROW_HELP = "Instead of LEF: cells are their Liberty areas in rows of this height (um)."
RC_HELP = "R and C of wires per um: TOML, or OpenROAD's set_layer_rc and set_wire_rc lines."
UTILIZATION_HELP = "Area of cells over area of the core."
DENSITY_HELP = (
    "Area of cells over the area that they are packed in (default: 0.1 more than the utilization, "
    "at most 0.7)."
)
EFFORT_HELP = "Of the placer, 1 to 9."
NODE_HELP = "Of the library, as technologies name it ('45 nm'): whose memories it is summed with."
UNPLACED_HELP = "With --place: TOML file of the same streams' fit without placement."
OUT_HELP = "TOML file to write; again after every micro-architecture."


def command(
    program: Annotated[Path, typer.Argument(help="Program file (.safetensors).")],
    liberty: Annotated[Path, typer.Option(help="Liberty to map to (.lib, .lib.gz).")],
    out: Annotated[Path, typer.Option("-o", "--out", help=OUT_HELP)],
    also: Annotated[list[Path] | None, typer.Option(help=ALSO_HELP)] = None,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    micro: Annotated[str, typer.Option(help=MICRO_HELP)] = MICROS,
    sizes: Annotated[str, typer.Option(help=SIZES_HELP)] = "2x2,4x4,2x8,8x2,8x8",
    test_size: Annotated[str, typer.Option(help=TEST_HELP)] = "16x16",
    layers: Annotated[str | None, typer.Option(help=LAYERS_HELP)] = None,
    beats: Annotated[int, typer.Option(help=BEATS_HELP)] = 4000,
    slew_ns: Annotated[float | None, typer.Option(help="Transition time of every pin.")] = None,
    period_ns: Annotated[float, typer.Option(help="Clock period that cells are sized for.")] = 5.0,
    wire_factor: Annotated[float, typer.Option(help="Wires as a multiple of the pins.")] = 0.0,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    output_stage: Annotated[bool, typer.Option("--output-stage", help=OUTPUT_HELP)] = False,
    place: Annotated[bool, typer.Option("--place", help=PLACE_HELP)] = False,
    repair: Annotated[bool, typer.Option("--repair", help=REPAIR_HELP)] = False,
    lef: Annotated[list[Path] | None, typer.Option(help=LEF_HELP)] = None,
    row_height: Annotated[float | None, typer.Option(help=ROW_HELP)] = None,
    rc: Annotated[Path | None, typer.Option(help=RC_HELP)] = None,
    utilization: Annotated[float, typer.Option(help=UTILIZATION_HELP)] = 0.7,
    density: Annotated[float | None, typer.Option(help=DENSITY_HELP)] = None,
    effort: Annotated[int, typer.Option(help=EFFORT_HELP)] = 3,
    node: Annotated[str | None, typer.Option(help=NODE_HELP)] = None,
    unplaced: Annotated[Path | None, typer.Option(help=UNPLACED_HELP)] = None,
    build: Annotated[Path, typer.Option(help="Folder of netlists and compiled models.")] = BUILD,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Fit energy and area of the lane array to its gates; report the errors on other data.

    Small arrays are simulated at gate level on every other layer of the first image, and
    non-negative least squares gives the cost of a cycle and of a toggled bit. The remaining layers,
    whole, of the second image, on a larger array test it. The file keeps numbers and their source,
    nothing of the library. Needs yosys (pip install -r requirements-synth.txt).

    With --place the gates are placed (pip install 'adqhw[place]'), and their energy has wires,
    repeaters and a clock tree: docs/placement.md.

    Example: adqhw characterize program.safetensors --data DIR --liberty cells.lib.gz -o out.toml
    """
    if not liberty.is_file():
        raise InputError(f"Liberty must be a file, not {str(liberty)!r}")
    import scipy.optimize  # noqa: F401  # reported as absent before hours of work, not after them
    import tomli_w  # noqa: F401  # the same

    from ..gates.model.characterize import Plan, characterize, characterize_outputs
    from ..gates.model.parts import lanes_of
    from ..gates.model.toggles import golden_tensors
    from ..gates.netlist.synthesis_tools import YOSYS, find_tool, versions
    from ..gates.repair.clocking import Clocking
    from ..gates.repair.repair import RepairOptions
    from ..rtl.program.fit import covering

    placing = placing_of(place, lef, row_height, rc, utilization, density, effort)
    if repair and placing is None:
        raise InputError("--repair must go with --place, which says where the wires are")
    if unplaced is not None and placing is None:
        raise InputError("--unplaced must go with --place, which has a placement to leave out")
    if unplaced is not None and repair:
        raise InputError("--unplaced must go without --repair, which makes other netlists")
    tested = array_size(test_size, "Size")
    holding = ArraySize(cols=tested[1], hold=hold, fill=fill, out_lanes=out_lanes).values
    if output_stage and hold is not None:
        raise InputError("--hold must go without --output-stage: its units stand behind hold 1")
    plan = Plan(
        sizes=tuple(array_size(word, "Size") for word in sizes.split(",")),
        test_size=tested,
        hold=holding.get("hold", 1),
        port_columns=tested[1] // holding.get("fill", 1),
        out_lanes=holding.get("out_lanes", 1),
        beats=beats,
        slew_ns=slew_ns,
        period_ns=period_ns,
        wire_factor=wire_factor,
        placing=placing,
        repair=RepairOptions(clocking=Clocking(period_ns=period_ns)) if repair else None,
    )
    micros = micro.split(",")
    for name in micros:
        lanes_of(name)
    find_tool(YOSYS)
    loaded = load(program)
    others = [load(path) for path in also or ()]
    for name in micros:  # a micro-architecture that the program cannot use must not end a long run
        covering(
            [loaded, *others], rows=1, cols=1, micro=lanes_of(name)[0],
            multiply_width=lanes_of(name)[1],
        )  # fmt: skip
    images = read_images(loaded, input_file=input_file, data=data, limit=2).images
    if len(images) < 2:
        raise InputError(f"Images must be 2, one to fit and one to test, not {len(images)}")
    tensors = golden_tensors(loaded, images)
    provenance = {
        "program": loaded.digest,
        "also": [other.digest for other in others],
        "adqhw": VERSION,
        "yosys": versions([YOSYS])[YOSYS],
        **({} if node is None else {"node": node}),
    }
    entries = []
    only = layers.split(",") if layers else []
    known = [layer.name for layer in loaded.mac_layers]
    for name in only:
        if name not in known:
            raise InputError(f"Layer must be one of {', '.join(known)}, not {name!r}")
    for name in () if output_stage else micros:
        entries.append(
            characterize(loaded, others, tensors, liberty, name, plan, build, _tick, only=only)
        )
        _save(entries, plan, provenance, out, unplaced)
    if output_stage:
        entries = characterize_outputs(loaded, others, tensors, liberty, plan, build, _tick)
    content = _save(entries, plan, provenance, out, unplaced)
    if as_json:
        emit(content)
    elif output_stage:
        _show_outputs(content, out)
    else:
        _show(content, plan, out)


def _save(
    entries: "Sequence[Characterization]",
    plan: "Plan",
    provenance: dict[str, Any],
    out: Path,
    unplaced: Path | None,
) -> dict[str, Any]:
    """Write the file, and that of the same streams without placement; the content of the first."""
    from ..gates.model.characterization_file import record, save
    from ..gates.model.characterize import without_wires

    content = record(entries, plan, provenance)
    save(content, out)
    if unplaced is not None:
        bare = [without_wires(entry) for entry in entries]
        save(record(bare, replace(plan, placing=None), provenance), unplaced)
    return content


def _show_outputs(content: dict[str, Any], out: Path) -> None:
    facts = content["characterization"]
    show_table(
        f"{facts['liberty']} ({facts['voltage']} V): layers and image that were not fitted",
        ("unit", "layer", "gates pJ/output", "fit pJ/output", "error %"),
        [
            (
                unit, row["layer"], row["measured_pj_per_output"],
                row["predicted_pj_per_output"], f"{row['error_percent']:+.1f}",
            )
            for unit, table in content["unit"].items()
            for row in table["test"]
        ],
    )  # fmt: skip
    for unit, table in content["unit"].items():
        say(
            f"{unit}: median error {table['test_median_percent']:.1f} %, worst "
            f"{table['test_worst_percent']:+.1f} %; {table['cells']:,} cells, "
            f"{table['unit_area_um2']:,.0f} um2"
        )
    say(f"wrote {out}; every code was the golden one; not in it: the memory of parameters, drain")


def _show(content: dict[str, Any], plan: "Plan", out: Path) -> None:
    facts, part = content["characterization"], str(plan.part)
    show_table(
        f"{facts['liberty']} ({facts['voltage']} V): layers, image and array that were not fitted",
        ("micro", "layer", "operands", "gates pJ/MAC", "fit pJ/MAC", "error %"),
        [
            (
                micro, row["layer"], row["operands"], row["measured_pj_per_mac"],
                row["predicted_pj_per_mac"], f"{row['error_percent']:+.1f}",
            )
            for micro, table in content[part].items()
            for row in table["test"]
        ],
    )  # fmt: skip
    rows, cols = plan.test_size
    for micro, table in content[part].items():
        errors = [
            f"{operands} operands, median error {table[f'test_{operands}_median_percent']:.1f} %, "
            f"worst {table[f'test_{operands}_worst_percent']:+.1f} %"
            for operands in ("real", "random")
        ]
        area = f"{table['area_error_percent']:+.1f} % of {table['measured_area_um2']:,.0f} um2"
        say(f"{micro} {rows}x{cols}: {'; '.join(errors)}; area {area}")
        _say_wires(micro, table)
    absent = "glitches" if plan.placing else "glitches, placed wires, clock tree"
    say(f"wrote {out}; not in it: {absent}, memories, output stage")


def _say_wires(micro: str, table: dict[str, Any]) -> None:
    """What the placement of the tested array adds."""
    ratios = [
        row["measured_pj_per_mac"] / row["unplaced_pj_per_mac"]
        for row in table["test"]
        if row.get("operands") == "real" and "unplaced_pj_per_mac" in row
    ]
    if ratios:
        named, wires = list(table["wires"].items())[-1]
        say(f"{micro} {named}: placed over unplaced {statistics.median(ratios):.2f} (median)")
        say(
            f"  wires {wires['wire_um'] / 1000:,.1f} mm, {wires['repeaters']:,} repeaters; clock "
            f"tree {wires['clock_wire_um'] / 1000:,.1f} mm, {wires['clock_buffers']:,} buffers"
        )


def _tick(text: str) -> None:
    people.print(text, style="dim")
