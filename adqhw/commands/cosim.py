"""`adqhw cosim`: real layers of a program through the emitted Verilog, against golden."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..arrays import ARCH_HELP, COLS_HELP, MICRO_HELP, ROWS_HELP, choose_arch
from ..console import FAILED_CHECK, JSON_OPTION, emit, people, say, show_table
from ..images import DATA_HELP, INPUT_HELP, read_images
from ..spec.errors import InputError
from ..spec.program_file import load

if TYPE_CHECKING:
    from ..cosim.cosimulate import CosimReport


def command(
    program: Annotated[Path, typer.Argument(help="Program file (.safetensors).")],
    images: Annotated[int, typer.Option(help="Number of images.")] = 1,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Only this layer, fed with golden's codes; may be repeated. Default: the whole "
            "network on the accelerator."
        ),
    ] = None,
    simulator: Annotated[str, typer.Option(help="verilator or icarus.")] = "verilator",
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    rows: Annotated[int | None, typer.Option(help=ROWS_HELP)] = None,
    cols: Annotated[int | None, typer.Option(help=COLS_HELP)] = None,
    micro: Annotated[str | None, typer.Option(help=MICRO_HELP)] = None,
    rtl: Annotated[
        Path | None,
        typer.Option(
            help="Folder of `adqhw verilog`: run its Verilog and memory image, on its array; one "
            "made for another program is refused."
        ),
    ] = None,
    build: Annotated[
        Path, typer.Option(help="Folder of compiled simulations; reused when they fit.")
    ] = Path("runs/build"),
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Run a network through the RTL, one start per image; compare every code and every cycle.

    With --layer, single layers on the streaming engine instead, each reading golden's input
    codes. Exit code 1 when a code or a cycle count differs; the first difference is written to
    runs/failures with a rerun.sh.

    Example: adqhw cosim program.safetensors --data ~/cifar10 --layer conv1 --layer fc
    """
    from ..cosim.cosimulate import cosimulate
    from ..cosim.emitted import read_emitted
    from ..cosim.network_cosim import cosimulate_network

    loaded = load(program)
    emitted = None
    if rtl is not None:
        if layer or (arch, rows, cols, micro) != (None, None, None, None):
            raise InputError("--rtl must go without --layer, --arch, --rows, --cols and --micro")
        emitted = read_emitted(rtl, loaded)
    batch = read_images(loaded, input_file=input_file, data=data, limit=images)
    array = emitted.arch if emitted else choose_arch(loaded, arch, rows, cols, micro)
    with people.status("golden") as status:
        options: dict[str, Any] = {
            "build_dir": build,
            "progress": lambda what, done, total: status.update(f"{what} {done}/{total}"),
        }
        if layer:
            report = cosimulate(loaded, batch.images, array, simulator, layer, **options)
        else:
            options["emitted"] = emitted
            report = cosimulate_network(loaded, batch.images, array, simulator, **options)
    if as_json:
        emit({"program": str(program), "digest": loaded.digest, **report.to_dict()})
    else:
        _show(report)
    if not report.passed:
        raise typer.Exit(FAILED_CHECK)


def _show(report: "CosimReport") -> None:
    arch = report.arch
    show_table(
        f"{arch.micro} {arch.rows}x{arch.cols} in {report.simulator}, {report.images} image(s)",
        ("layer", "kind", "compared", "mismatches", "cycles RTL", "model", "stalls"),
        [
            (x.name, x.kind, x.compared, x.mismatches, x.cycles_rtl, x.cycles_model,
             x.stall_cycles_rtl)
            for x in report.layers
        ],
    )  # fmt: skip
    for layer in report.layers:
        if layer.failure is not None:
            say(str(layer.failure))
    say(
        f"{report.mismatches} mismatches in {report.compared:,} codes; build "
        f"{report.build_seconds:.1f} s, simulation {report.simulation_seconds:.1f} s"
    )
