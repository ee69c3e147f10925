"""`adqhw simulate`: run a program on images and write logits and codes."""

import zipfile
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from ..console import JSON_OPTION, emit, progress, say
from ..flows.engines import SIMD_HELP, run_in_steps
from ..flows.images import DATA_HELP, INPUT_HELP, read_images
from ..spec.engines import Result, logits_sha256
from ..spec.errors import InputError
from ..spec.host.files import atomic_path
from ..spec.program_file import load

LOGITS = "logits"
"""Entry of the .npz that holds the logits."""


def command(
    program: Annotated[Path, typer.Argument(help="Program file (.safetensors).")],
    input_file: Annotated[Path | None, typer.Option("--input", help=INPUT_HELP)] = None,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    limit: Annotated[int | None, typer.Option(help="Use the first N images.")] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Write logits, and traces by layer, to this .npz."),
    ] = None,
    trace: Annotated[
        list[str] | None,
        typer.Option(help="Keep the codes of this layer too; may be repeated; 'all' for all."),
    ] = None,
    engine: Annotated[str, typer.Option(help="numba, golden or torch.")] = "numba",
    simd: Annotated[str | None, typer.Option(help=SIMD_HELP)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Run a program bit-exactly and write its logits and the codes of chosen layers.

    Example: adqhw simulate program.safetensors --input images.npy -o out.npz --trace conv1
    """
    if out is not None and out.suffix != ".npz":
        raise InputError(f"Output must be an .npz file, not {str(out)!r}")
    loaded = load(program)
    batch = read_images(loaded, input_file=input_file, data=data, limit=limit)
    keep = "all" if trace and "all" in trace else tuple(trace or ())
    with progress(f"simulating ({engine})", len(batch.images)) as advance:
        result = run_in_steps(engine, loaded, batch.images, keep, advance, simd)
    if out is not None:
        with atomic_path(out) as temporary:
            write_npz(temporary, result)
    entries = [LOGITS, *map(entry, result.tensors)]
    record = {
        "program": str(program),
        "engine": engine,
        "images": len(batch.images),
        "logits_sha256": logits_sha256(result.logits),
        "tensors": {name: list(codes.shape) for name, codes in result.tensors.items()},
        "out": None if out is None else str(out),
        "entries": entries,
    }
    if as_json:
        emit(record)
        return
    say(f"{record['images']} images, logits {record['logits_sha256']}")
    if out is not None:
        say(f"wrote {out}: {', '.join(entries)}")


def entry(layer: str) -> str:
    """Name of a layer's codes in the .npz: its own, or with `~`, which no layer's name holds.

    A layer may be called `logits`; and NumPy would take `x.npy` for the file of an entry `x`.
    """
    return f"{layer}~" if layer == LOGITS or layer.endswith(".npy") else layer


def write_npz(path: Path, result: Result) -> None:
    """Logits and traces as one archive; equal results give equal bytes.

    Not `np.savez`: names are its keyword arguments, so `file` and `allow_pickle` collide.
    """
    arrays = {LOGITS: result.logits} | {entry(k): v for k, v in result.tensors.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            info = zipfile.ZipInfo(f"{name}.npy")  # its date is that of every archive
            with archive.open(info, "w", force_zip64=True) as stream:
                np.lib.format.write_array(stream, array, allow_pickle=False)
