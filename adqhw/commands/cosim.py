"""`adqhw cosim`: real layers of a program through the emitted Verilog, against golden."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import FAILED_CHECK, JSON_OPTION, emit, say, show_table, stages
from ..flows.arrays import ARCH_HELP, ArraySize, choose_arch
from ..flows.images import DATA_HELP, INPUT_HELP, read_images
from ..spec.errors import InputError
from ..spec.formats import IntArray
from ..spec.host.text import shown
from ..spec.program import Program
from ..spec.program_file import load
from .sizes import Cols, Fill, Hold, Micro, MultiplyWidth, OutLanes, Rows

if TYPE_CHECKING:
    from ..cosim.compare.cosimulate import CosimReport
    from ..cosim.emitted.emitted import Emitted

WAVES = Path("runs/waves")
DEFAULT_WINDOW = (0, 999)


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
    rows: Rows = None,
    cols: Cols = None,
    micro: Micro = None,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    multiply_width: MultiplyWidth = None,
    rtl: Annotated[
        Path | None,
        typer.Option(
            help="Folder of `adqhw verilog`: run its Verilog and memory image, on its array; one "
            "made for another program is refused."
        ),
    ] = None,
    waves: Annotated[
        str | None,
        typer.Option(
            help="Also write waves: a file .vcd or .fst, or only vcd or fst (fst needs "
            "liblz4-dev and zlib1g-dev)."
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="Cycles of the waves: FIRST:LAST of the image, LAYER, or LAYER:FIRST:LAST counted "
            "from the layer's first. Default: around the first difference, else the first thousand."
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
    from ..cosim.compare.cosimulate import cosimulate
    from ..cosim.compare.network_cosim import cosimulate_network
    from ..cosim.compare.waves import check_waves
    from ..cosim.emitted.emitted import read_emitted

    if (waves or window) and (layer or simulator != "verilator" or waves is None):
        raise InputError("--window must go with --waves, --waves with Verilator, without --layer")
    of_layer, chosen = _parse(window) if window else (None, None)
    target = None if waves is None else _waves_file(waves)
    if target:
        check_waves(target.suffix[1:], chosen or DEFAULT_WINDOW)
    size = ArraySize(
        rows=rows,
        cols=cols,
        micro=micro,
        hold=hold,
        fill=fill,
        out_lanes=out_lanes,
        multiply_width=multiply_width,
    )
    loaded = load(program)
    emitted = None
    if rtl is not None:
        if layer or arch is not None or size != ArraySize():
            raise InputError(
                "--rtl must go without --layer, --arch, --rows, --cols, --micro, --hold, --fill, "
                "--out-lanes and --multiply-width"
            )
        emitted = read_emitted(rtl, loaded)
    batch = read_images(loaded, input_file=input_file, data=data, limit=images)
    array = emitted.arch if emitted else choose_arch(loaded, arch, size)
    if of_layer is not None:
        from ..cosim.compare.windows import layer_window

        chosen = layer_window(loaded, array, of_layer, chosen)
    with stages() as tell:
        options: dict[str, Any] = {"build_dir": build, "progress": tell}
        if layer:
            report = cosimulate(loaded, batch.images, array, simulator, layer, **options)
        else:
            options["emitted"] = emitted
            report = cosimulate_network(loaded, batch.images, array, simulator, **options)
        extra = {}
        if target:
            tell("waves", 0, 1)
            extra["waves"] = _waves(report, loaded, batch.images, emitted, target, chosen, build)
    if as_json:
        emit({"program": str(program), "digest": loaded.digest, **report.to_dict(), **extra})
    else:
        _show(report)
        if waves:
            say(f"waves: {extra['waves']}")
    if not report.passed:
        raise typer.Exit(FAILED_CHECK)


def _parse(window: str) -> tuple[str | None, tuple[int, int] | None]:
    """The layer and the cycles that are named, each None where it is not."""
    layer, _, cycles = window.rpartition(":")
    layer, _, first = layer.rpartition(":")
    try:
        pair = int(first), int(cycles)
    except ValueError:
        if ":" in window or window.isdigit():
            raise InputError(
                f"Window must be FIRST:LAST, LAYER or LAYER:FIRST:LAST, not {shown(window)}"
            ) from None
        return window, None
    return layer or None, pair


def _waves_file(waves: str) -> Path:
    """The file that is asked for; for a kind alone its name follows from the window."""
    path = Path(waves)
    return path if path.suffix else Path(f"*.{waves}")


def _waves(
    report: "CosimReport", program: Program, images: IntArray, emitted: "Emitted | None",
    target: Path, window: tuple[int, int] | None, build: Path,
) -> str:  # fmt: skip
    """Write the waves of the failed image, or of the first; the path."""
    from ..cosim.compare.divergence import WINDOW
    from ..cosim.compare.network_cosim import network_case
    from ..cosim.compare.waves import write_waves

    failure = next((x.failure for x in report.layers if x.failure), None)
    if window is None and failure is not None:
        window = max(0, failure.cycle - WINDOW), failure.cycle + WINDOW
    window = window or DEFAULT_WINDOW
    image = failure.image if failure else 0
    if target.stem == "*":
        name = f"{program.digest[:12]}_image{image}_{window[0]}_{window[1]}"
        target = WAVES / f"{name}{target.suffix}"
    path = write_waves(
        network_case(program, images, emitted), report.arch, build, target,
        kind=target.suffix[1:], window=window, image=image,
        texts=emitted.texts if emitted else None,
    )  # fmt: skip
    return str(path)


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
