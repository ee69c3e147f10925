"""`adqhw export-onnx`: a program as a file that other engines run, bit for bit."""

from pathlib import Path
from typing import Annotated

import typer

from ..console import JSON_OPTION, emit, people, say
from ..exchange.writers.export import export_format, export_program
from ..spec.program_file import load


def command(
    program: Annotated[Path, typer.Argument(help="Program file (.safetensors).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write.")],
    format: Annotated[
        str | None,
        typer.Option(
            help="onnx: standard operators, integers in and out. qonnx: for QONNX tools, codebooks "
            "as an operator of our own. npz: plain NumPy arrays. tflite-micro: int8 TFLite, where "
            "TFLite-Micro computes the program; tflite-micro-lut: with weights as table indices. "
            "Default: by the file's suffix, .onnx, .npz or .tflite."
        ),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Write a program for other engines: ONNX, QONNX, NumPy arrays or TFLite.

    Every tensor of the file has the integers of the program, and the program's name for it.

    Example: adqhw export-onnx zoo/cifar10_resnet20_w4a4.safetensors -o r20.onnx
    """
    export_format(out, format)  # before a file is read
    loaded = load(program)
    with people.status(f"writing {out}"):
        done = export_program(loaded, out, format=format)
    if as_json:
        emit({
            "out": str(out), "format": str(done.format), "bytes": done.size,
            "digest": loaded.digest, **done.facts,
        })  # fmt: skip
        return
    say(f"wrote {out}: {done.format}, {done.size:,} bytes, of the program {loaded.digest}")
    if "compressed_weight_bytes" in done.facts:
        before, after = (done.facts[f"{x}weight_bytes"] for x in ("", "compressed_"))
        count = done.facts["compressed_tensors"]
        say(f"weights: {after:,} bytes instead of {before:,}, {count} tensors compressed")
