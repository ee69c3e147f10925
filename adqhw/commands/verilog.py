"""`adqhw verilog`: the accelerator of a program, as a folder that runs; or a lane array alone."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from ..console import JSON_OPTION, emit, say
from ..flows.arrays import ArraySize, choose_arch
from ..flows.images import DATA_HELP, INPUT_HELP, read_images
from ..spec.errors import InputError
from ..spec.formats import IntArray
from ..spec.program import INPUT, Program
from ..spec.program_file import load
from .sizes import Cols, Fill, Hold, Micro, MultiplyWidth, OutLanes, Rows


def command(
    source: Annotated[
        Path,
        typer.Argument(help="Program file (.safetensors), or an array as a TOML file (.toml)."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")],
    arch: Annotated[
        Path | None, typer.Option(help="Array for the program, instead of --rows --cols --micro.")
    ] = None,
    rows: Rows = None,
    cols: Cols = None,
    micro: Micro = None,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    multiply_width: MultiplyWidth = None,
    images: Annotated[int, typer.Option(help="Images of the testbench.")] = 1,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    prefix: Annotated[
        str,
        typer.Option(
            help="Beginning of every module's and file's name, for several accelerators in one "
            "design."
        ),
    ] = "adqhw",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Write Verilog, memory images and a self-checking testbench; the same input, the same bytes.

    From a program: the whole-network accelerator (behind AXI ports: adqhw_top), as narrow as the
    program allows; run its testbenches with `make -C DIR` (Verilator) or `make -C DIR icarus`.
    Their images are random without --data or --input. A program that does not fit a given array
    is refused with what is too small, and by how much. From a TOML file: the lane array alone.

    Example: adqhw verilog program.safetensors --rows 16 --cols 16 -o verilog
    """
    if source.suffix == ".toml":
        manifest, array = _lane_array(source, out, prefix)
    else:
        program = load(source)
        size = ArraySize(
            rows=rows,
            cols=cols,
            micro=micro,
            hold=hold,
            fill=fill,
            out_lanes=out_lanes,
            multiply_width=multiply_width,
        )
        array = choose_arch(program, arch, size)
        batch, origin = _images(program, images, data, input_file)
        from ..cosim.emitted.emission import emit_accelerator

        manifest = emit_accelerator(array, program, batch, out, origin, prefix)
    if as_json:
        emit({"out": str(out), **manifest})
        return
    say(f"{array.micro} {array.rows}x{array.cols}: wrote {', '.join(manifest['files'])} to {out}")


def _lane_array(source: Path, out: Path, prefix: str) -> tuple[dict[str, Any], Any]:
    from ..rtl.arch.arch import Arch
    from ..rtl.verilog import emit_verilog

    array = Arch.from_toml(source)
    return emit_verilog(array, out, prefix=prefix), array


def _images(
    program: Program, count: int, data: Path | None, input_file: Path | None
) -> tuple[IntArray, str]:
    """Images of the testbench and where they are from."""
    if data is not None or input_file is not None:
        batch = read_images(program, input_file=input_file, data=data, limit=count)
        return batch.images, batch.source
    if count < 1:
        raise InputError(f"Number of images must be at least 1, not {count}")
    codes = program.tensor_format(INPUT)
    shape = (count, *program.input_shape)
    random = np.random.default_rng(0).integers(codes.min, codes.max + 1, shape)
    return random.astype(codes.dtype), "random codes, seed 0"
