"""`adqhw verilog`: synthesizable Verilog of a lane array, with a manifest."""

from pathlib import Path
from typing import Annotated

import typer

from ..arrays import COLS_HELP, MICRO_HELP, ROWS_HELP, choose_arch
from ..console import JSON_OPTION, emit, say
from ..spec.program_file import load


def command(
    source: Annotated[
        Path,
        typer.Argument(help="Program file (.safetensors), or an array as a TOML file (.toml)."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")],
    arch: Annotated[
        Path | None, typer.Option(help="Array for the program, instead of --rows --cols --micro.")
    ] = None,
    rows: Annotated[int | None, typer.Option(help=ROWS_HELP)] = None,
    cols: Annotated[int | None, typer.Option(help=COLS_HELP)] = None,
    micro: Annotated[str | None, typer.Option(help=MICRO_HELP)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Write Verilog and manifest.json; the same input gives the same bytes.

    From a program the array is as narrow as the program allows; a program that does not fit a
    given array is refused with what is too small, and by how much.

    Example: adqhw verilog program.safetensors --rows 16 --cols 16 -o verilog
    """
    from ..rtl.arch import Arch
    from ..rtl.verilog import emit_verilog

    if source.suffix == ".toml":
        program, array = None, Arch.from_toml(source)
    else:
        program = load(source)
        array = choose_arch(program, arch, rows, cols, micro)
        array.check_program(program)
    manifest = emit_verilog(array, out, program)
    if as_json:
        emit({"out": str(out), **manifest})
        return
    say(f"{array.micro} {array.rows}x{array.cols}: wrote {', '.join(manifest['files'])} to {out}")
