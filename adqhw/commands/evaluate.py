"""`adqhw evaluate`: top-1 accuracy of a program on real images, by any engine."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import JSON_OPTION, emit, progress, say
from ..flows.checkpoints import MODEL_AGAIN, evaluate_checkpoint, is_checkpoint
from ..flows.engines import SIMD_HELP, run_in_steps, top1
from ..flows.images import DATA_HELP, read_images
from ..spec.engines import logits_sha256
from ..spec.program_file import load


def command(
    program: Annotated[
        Path, typer.Argument(help="Program file, or checkpoint of `adqhw train` (.safetensors).")
    ],
    engine: Annotated[
        str, typer.Option(help="numba, golden, torch or rtl (seconds per image): same bits.")
    ] = "numba",
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    limit: Annotated[int | None, typer.Option(help="Use the first N test images.")] = None,
    simd: Annotated[str | None, typer.Option(help=SIMD_HELP)] = None,
    factory: Annotated[str | None, typer.Option("--model", help=MODEL_AGAIN)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Top-1 of the integer program on the test split, and a digest of its logits.

    Two engines that print the same digest for the same images agree in every bit of every logit.
    A checkpoint is evaluated as the float or fake-quantized graph that was trained, in torch.

    Example: adqhw evaluate program.safetensors --engine numba --data ~/cifar10
    """
    if is_checkpoint(program):
        _report(evaluate_checkpoint(program, data, limit, progress, factory), as_json)
        return
    loaded = load(program)
    batch = read_images(loaded, data=data, limit=limit)
    assert batch.labels is not None  # a data set always has labels
    start = time.perf_counter()
    with progress(f"evaluating ({engine})", len(batch.images)) as advance:
        result = run_in_steps(engine, loaded, batch.images, advance=advance, simd=simd)
    record = {
        "program": str(program),
        "digest": loaded.digest,
        "engine": engine,
        "images": len(batch.images),
        "top1": top1(result.logits, batch.labels),
        "logits_sha256": logits_sha256(result.logits),
        "seconds": time.perf_counter() - start,
    }
    _report(record, as_json)


def _report(record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        emit(record)
        return
    say(
        f"top-1 {record['top1']:.2f} % on {record['images']} test images "
        f"({record['engine']}, {record['seconds']:.1f} s)"
    )
    if "logits_sha256" in record:
        say(f"logits {record['logits_sha256']}")
