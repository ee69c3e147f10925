"""`adqhw diff`: the first code in which two engines differ."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..console import FAILED_CHECK, JSON_OPTION, emit, people, say
from ..flows.arrays import ARCH_HELP, ArraySize, choose_arch
from ..flows.engines import engine
from ..flows.images import DATA_HELP, INPUT_HELP, read_images
from ..spec.errors import InputError
from ..spec.program_file import load
from .sizes import Cols, Fill, Hold, Micro, MultiplyWidth, OutLanes, Rows

RTL = "rtl"


def command(
    program: Annotated[Path, typer.Argument(help="Program file (.safetensors).")],
    a: Annotated[str, typer.Option(help="golden, numba, torch or rtl.")] = "golden",
    b: Annotated[str, typer.Option(help="golden, numba, torch or rtl.")] = RTL,
    images: Annotated[int, typer.Option(help="Number of images.")] = 1,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    arch: Annotated[Path | None, typer.Option(help=ARCH_HELP)] = None,
    rows: Rows = None,
    cols: Cols = None,
    micro: Micro = None,
    hold: Hold = None,
    fill: Fill = None,
    out_lanes: OutLanes = None,
    multiply_width: MultiplyWidth = None,
    flip: Annotated[
        str | None,
        typer.Option(help="TARGET:ROW:BIT of rtl's memory image to invert, to see it found."),
    ] = None,
    build: Annotated[Path, typer.Option(help="Folder of compiled simulations.")] = Path(
        "runs/build"
    ),
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Compare two engines code by code; exit code 1 at the first layer that differs.

    Example: adqhw diff program.safetensors --a golden --b rtl --flip thresholds:12:40
    """
    from ..cosim.compare import divergence

    size = ArraySize(
        rows=rows,
        cols=cols,
        micro=micro,
        hold=hold,
        fill=fill,
        out_lanes=out_lanes,
        multiply_width=multiply_width,
    )
    given = {"--arch": arch, **size.options, "--flip": flip}
    unused = [name for name, value in given.items() if value is not None]
    if RTL not in (a, b) and unused:
        raise InputError(f"{unused[0]} must go with the engine rtl, not with {a} and {b}")
    loaded = load(program)
    batch = read_images(loaded, input_file=input_file, data=data, limit=images).images
    traces, tensors = None, {}
    with people.status("running") as status:
        for side, name in (("a", a), ("b", b)):
            status.update(f"running {name}")
            if name == RTL:
                array = choose_arch(loaded, arch, size)
                change = divergence.parse_flip(flip) if flip else lambda rows: rows
                tensors[side], traces = divergence.rtl_tensors(
                    loaded, np.asarray(batch), array, build, change
                )
            else:
                tensors[side] = divergence.engine_tensors(engine(name), loaded, batch)
    first = divergence.first_divergence(loaded, tensors["a"], tensors["b"], traces)
    if as_json:
        emit({"program": str(program), "a": a, "b": b, "divergence": first and first.to_dict()})
    elif first is None:
        say(f"{a} and {b} agree in every code of {len(batch)} image(s)")
    else:
        say(
            f"layer {first.layer!r}, image {first.image}, index (channel, y, x) {first.index}: "
            f"{a} {first.a}, {b} {first.b}; {first.differing} codes of the layer differ"
        )
        if first.window is not None:
            say(f"cycle {first.cycle}; look at cycles {first.window[0]}..{first.window[1]}")
    if first is not None:
        raise typer.Exit(FAILED_CHECK)
