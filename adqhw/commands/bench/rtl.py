"""`adqhw bench cosim`, `bench shapes`, `bench synth`: measurements of the RTL."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...console import FAILED_CHECK, JSON_OPTION, emit, people, say, show_table
from ...flows.arrays import ARCH_HELP, COLS_HELP, MICRO_HELP, ROWS_HELP, ArraySize, choose_arch
from ...flows.images import DATA_HELP, INPUT_HELP, read_images
from ...rtl.arch.registry import BASELINE, DEFAULT, checked, names
from ...spec.errors import InputError
from ...spec.host.pages import publish
from ...spec.program_file import load
from ..sizes import Cols, Fill, Hold, Micro, MultiplyWidth, OutLanes, Rows

BUILD = Path("runs/build")
BUILD_HELP = "Folder of compiled simulations; reused when they fit."


def cosim(
    program: Annotated[Path, typer.Argument(help="Program file (.safetensors).")],
    images: Annotated[int, typer.Option(help="Images per run.")] = 1,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    rounds: Annotated[int, typer.Option(help="Turns of each; the best one counts.")] = 3,
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    rows: Rows = None,
    cols: Cols = None,
    micro: Micro = None,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    multiply_width: MultiplyWidth = None,
    build: Annotated[Path, typer.Option(help=BUILD_HELP)] = BUILD,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """What Python costs in co-simulation: one compiled model as cosim runs it, and with a C++ main.

    cocotb with the clock below it, without reading back, is measured between them.

    Exit code 1 when the last two do not record the same bytes.

    Example: adqhw bench cosim program.safetensors --data ~/cifar10
    """
    from ...studies.rtl.python_cost import measure

    loaded = load(program)
    batch = read_images(loaded, input_file=input_file, data=data, limit=images).images
    size = ArraySize(
        rows=rows,
        cols=cols,
        micro=micro,
        hold=hold,
        fill=fill,
        out_lanes=out_lanes,
        multiply_width=multiply_width,
    )
    array = choose_arch(loaded, arch, size)
    cost = measure(loaded, batch, array, build, rounds=rounds, tick=_tick)
    record = {"program": str(program), **cost.to_dict()}
    if as_json:
        emit(record)
    else:
        _show_cost(record)
    if not cost.identical:
        raise typer.Exit(FAILED_CHECK)


def _show_cost(record: dict[str, Any]) -> None:
    arch, best = record["arch"], record["best"]
    show_table(
        f"{arch['micro']} {arch['rows']}x{arch['cols']} in {record['simulator']}, "
        f"{record['images']} image(s), {record['cycles']:,} cycles",
        ("driver", "wall s", "processor s", "cycles per processor s"),
        [
            (name, run["seconds"], run["cpu_seconds"], round(record["cycles"] / run["cpu_seconds"]))
            for name, run in best.items()
        ],
    )
    for name, share in record["python_share"].items():
        say(
            f"{name} costs {100 * share['seconds']:+.1f} % wall time, "
            f"{100 * share['cpu_seconds']:+.1f} % processor time over the C++ main"
        )
    say(
        f"build {record['build_seconds']:.1f} s ({record['build_cpu_seconds']:.1f} s of "
        f"processors); cocotb and C++ main recorded the same bytes: {record['identical']}"
    )


def shapes(
    rows: Annotated[int, typer.Option(help=ROWS_HELP)] = 16,
    cols: Annotated[int, typer.Option(help=COLS_HELP)] = 16,
    micro: Annotated[str, typer.Option(help=MICRO_HELP)] = DEFAULT,
    build: Annotated[Path, typer.Option(help=BUILD_HELP)] = BUILD,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Every layer shape of ResNet-18 through the RTL, all channels on cropped maps, exactly.

    Weights are random; images are random, all largest and all zero. The last columns are the cycle
    model on the full map. Exit code 1 when a code or a cycle differs.

    Example: adqhw bench shapes --rows 8 --cols 8
    """
    from ...studies.rtl.layer_shapes import run_shapes

    report = run_shapes(rows=rows, cols=cols, micro=micro, build_dir=build, tick=_tick)
    if as_json:
        emit(report.to_dict())
    else:
        show_table(
            f"{micro} {rows}x{cols} in {report.simulator}",
            ("layer", "shape", "map", "codes", "mismatches", "cycles RTL", "model", "full map",
             "model, full map"),
            [
                (r.layer, r.shape, r.cropped_map, r.compared, r.mismatches, r.cycles_rtl,
                 r.cycles_model, r.full_map, r.full_cycles_model)
                for r in report.rows
            ],
        )  # fmt: skip
    if not report.passed:
        raise typer.Exit(FAILED_CHECK)


def synth(
    micro: Annotated[
        list[str] | None, typer.Option(help="Micro-architecture; may be repeated. Default: all.")
    ] = None,
    liberty: Annotated[
        list[Path] | None,
        typer.Option(help="Also map to this Liberty (.lib, .lib.gz); may be repeated."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            help="Also the 8x8 engine of this; may be repeated. Default: decode, uniform."
        ),
    ] = None,
    fmax: Annotated[bool, typer.Option(help="Also place and route for the frequency.")] = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write this .md page.")] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Cells, area and frequency of the lanes and of 8x8 engines on iCE40, ECP5 and Liberties.

    Needs yosys and nextpnr (pip install -r requirements-synth.txt). The page is written after every
    row: a synthesis of an hour that is stopped leaves its rows.

    Example: adqhw bench synth --liberty osu018_stdcells.lib -o docs/synthesis.md
    """
    from ...gates.netlist import synthesis_tools
    from ...studies.rtl import synthesis, synthesis_page

    lanes = [*names()] if micro is None else micro
    engines = [DEFAULT, BASELINE] if engine is None and micro is None else engine or []
    for name in (*lanes, *engines):
        checked(name)
    for path in liberty or ():
        if not path.is_file():
            raise InputError(f"Liberty must be a file, not {str(path)!r}")
    found: list[Any] = []
    tools = [synthesis_tools.YOSYS, *(synthesis_tools.PLACERS if fmax else ())]
    record: dict[str, Any] = {"versions": synthesis_tools.versions(tools), "rows": found}
    for design in synthesis.designs(lanes, engines):
        targets: list[tuple[str, dict[str, Any]]] = [
            (target, {"fmax": fmax}) for target in (synthesis.ICE40, synthesis.ECP5)
        ]
        targets += [(synthesis.LIBERTY, {"liberty": path}) for path in liberty or ()]
        for target, options in targets:
            _tick(f"{design.name}: {synthesis.label(target, options.get('liberty'))}")
            found.append(synthesis.attempt(design, target, **options))
            if out is not None:
                publish(out, synthesis_page.page(record), synthesis_page.SEE)
    if as_json:
        emit(synthesis_page.as_dict(record))
    else:
        show_table("synthesis", synthesis_page.COLUMNS, synthesis_page.table(found))


def _tick(text: str) -> None:
    people.print(text, style="dim")
