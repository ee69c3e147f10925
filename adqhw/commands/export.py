"""`adqhw export`: a trained checkpoint becomes an integer program."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import JSON_OPTION, emit, people, progress, say, show_table
from ..flows.checkpoints import MODEL_AGAIN
from ..flows.images import DATA_HELP
from ..spec.errors import InputError
from ..spec.host.files import atomic_path

if TYPE_CHECKING:
    from ..adq.export.compare import Comparison
    from ..adq.networks.network import Network
    from ..adq.runs.checkpoint import Checkpoint
    from ..spec.program import Program


def command(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of a finished ADQ run.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Program file (.safetensors).")],
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    images: Annotated[
        int | None, typer.Option(help="Compare on the first N test images (all).")
    ] = None,
    factory: Annotated[str | None, typer.Option("--model", help=MODEL_AGAIN)] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Write the integer program of a checkpoint, and compare it with the network it came from.

    The comparison runs test images through the fake-quantized graph and through the integers and
    prints the top-1 of both and the share of differing codes per layer. Digits need no --data;
    without images the program is written all the same.

    Example: adqhw export runs/cifar10_resnet20_adq/checkpoint.safetensors -o w4.safetensors
    --data ~/cifar10
    """
    from ..spec.program_file import save

    with people.status("loading torch"):
        from ..adq.runs import checkpoint as checkpoints
    state = checkpoints.load(checkpoint)
    model = trained_model(state, checkpoint, factory)
    with atomic_path(out) as temporary:  # first: refuses an unwritable output
        program, comparison = exported(model, state, data, images)
        save(program, temporary)
    record = _record(program, comparison, out)
    if as_json:
        emit(record)
        return
    if comparison is not None:
        _show(program, comparison)
    bits = program.average_weight_bits
    say(f"wrote {out}: {bits:.2f} average weight bits, digest {program.digest}")


def trained_model(state: "Checkpoint", path: Path, factory: str | None = None) -> "Network":
    """Return the network of a checkpoint whose training is over."""
    from ..adq.models.build import restored

    if not state.recipe.quant.quantized:
        raise InputError(
            f"Checkpoint {str(path)!r} must be of an ADQ run, not of the float recipe "
            f"{state.recipe.name}: fine-tune it first with `adqhw train ... --init {path}`"
        )
    model = restored(state, f"Checkpoint {str(path)!r}", factory)
    if not model.codebooks_frozen:
        raise InputError(
            f"Checkpoint {str(path)!r} must have frozen codebooks, not those of step {state.step} "
            "of an unfinished run: continue it with `adqhw train ... --resume`"
        )
    return model.eval()


def exported(
    model: "Network", state: "Checkpoint", data: Path | None, images: int | None
) -> "tuple[Program, Comparison | None]":
    """Return the program with its provenance, and how it compares on test images."""
    from dataclasses import replace

    from ..adq.data.datasets import BUNDLED, data_facts, for_recipe
    from ..adq.export.compare import compare_codes
    from ..adq.export.export import export

    name = state.recipe.data.name
    origin: dict[str, Any] = {
        "dataset": name,
        "recipe": state.recipe.name,
        "steps": state.step,
        "checkpoint": state.digest,
    }
    program = export(model, provenance=origin | data_facts(state.recipe.data))
    if data is None and name != BUNDLED:
        return program, None
    test = for_recipe(state.recipe, "test", data).take(images)
    with progress("comparing graph and integers", len(test)) as advance:
        comparison = compare_codes(model, program, test.images[:], test.labels, advance)
    accuracy = {**_accuracy(comparison), "images": comparison.images}
    return replace(program, provenance={**program.provenance, "accuracy": accuracy}), comparison


def _accuracy(comparison: "Comparison") -> dict[str, float]:
    """Top-1 in percent before and after export."""
    assert comparison.graph_top1 is not None
    assert comparison.program_top1 is not None
    return {
        "fakequant": 100.0 * comparison.graph_top1,
        "integer": 100.0 * comparison.program_top1,
    }


def _record(program: "Program", comparison: "Comparison | None", out: Path) -> dict[str, Any]:
    record: dict[str, Any] = {
        "program": str(out),
        "digest": program.digest,
        "average_weight_bits": program.average_weight_bits,
        "comparison": None,
    }
    if comparison is not None:
        accuracy = _accuracy(comparison)
        record["comparison"] = {
            "images": comparison.images,
            "top1": accuracy,
            "top1_difference": accuracy["integer"] - accuracy["fakequant"],
            "agreement": 100.0 * comparison.agreement,
            "differing_codes": comparison.differing,
            "largest_difference": comparison.largest,
        }
    return record


def _show(program: "Program", comparison: "Comparison") -> None:
    rows = [
        (
            layer.name,
            program.tensor_format(layer.name).name,
            f"{100 * comparison.differing[layer.name]:.4f} %",
            comparison.largest[layer.name],
        )
        for layer in program.layers
    ]
    show_table(
        f"fake-quantized graph against integers, {comparison.images} images",
        ("tensor", "format", "codes that differ", "by at most"),
        rows,
    )
    accuracy = _accuracy(comparison)
    say(
        f"top-1: graph {accuracy['fakequant']:.2f} %, integers {accuracy['integer']:.2f} % "
        f"(difference {accuracy['integer'] - accuracy['fakequant']:+.2f}); same class for "
        f"{100 * comparison.agreement:.2f} % of images"
    )
