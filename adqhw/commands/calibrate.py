"""`adqhw calibrate`: float weights and a few images become an integer program, without training."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..console import JSON_OPTION, emit, people, progress, say, show_table
from ..flows.checkpoints import MODEL_HELP
from ..spec.errors import InputError
from ..spec.host.files import atomic_path
from .train import of_model

if TYPE_CHECKING:
    from ..adq.calibration.report import Report
    from ..flows.calibration import Measured


OWN_RECIPE = "own_adq"
"""Recipe of a network of the user's own, where none is named."""


def command(
    recipe: Annotated[
        str | None,
        typer.Argument(help="Recipe (`adqhw train --list`); without it the weights' own network."),
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option(help="Float weights: a checkpoint of `adqhw train`, safetensors or .pth."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Program file (.safetensors).")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of CIFAR-10, of train/CLASS/IMAGE and val/CLASS/IMAGE, or of image files: "
            "of these every second one calibrates, the others measure. Digits need none."
        ),
    ] = None,
    weight_width: Annotated[
        int | None, typer.Option(help="Bits of hidden weights, 2..8 (recipe's, or 4).")
    ] = None,
    act_width: Annotated[
        int | None, typer.Option(help="Bits of hidden activations, 1..8 (recipe's, or 4).")
    ] = None,
    images: Annotated[int, typer.Option(help="Images to calibrate with, at most.")] = 200,
    measure: Annotated[
        int | None, typer.Option(help="Images to measure with, at most (all); 0: none.")
    ] = None,
    labels: Annotated[
        str,
        typer.Option(help="Of a folder of image files: none, or name (begins with the class)."),
    ] = "none",
    model: Annotated[str | None, typer.Option(metavar="MODULE:NAME", help=MODEL_HELP)] = None,
    model_args: Annotated[
        list[str] | None,
        typer.Option("--model-arg", metavar="KEY=VALUE", help="An argument of --model: classes=12"),
    ] = None,
    rounding: Annotated[
        str, typer.Option(help="sequential (weight by weight), or nearest.")
    ] = "sequential",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a field: quant.method.weights=lsq"),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Quantize a float network by its maps of a few images, and write the integer program.

    Codebooks, scales, activation ranges and offsets are chosen layer by layer, each on what the
    quantized layers before it make (docs/calibration.md). No labels and no training are needed. The
    program and the float network are then compared on other images. Adaptive codebooks have a
    scale per channel here (--set quant.method.per_channel=false: per layer).

    Example: adqhw calibrate --init resnet20_optA_fp32.safetensors --data DIR -o w4.safetensors

    Example: adqhw calibrate --init resnet18.safetensors --data pictures --labels name
    --weight-width 8 --act-width 8 -o w8.safetensors

    Example: adqhw calibrate --model nets.py:Vgg --init vgg.pth --data mine.npz -o vgg.safetensors

    Example: adqhw calibrate digits_resnet8_adq --init runs/digits_resnet8_float/best.safetensors
    -o digits.safetensors
    """
    if init is None or out is None:
        raise InputError(f"{'--init' if init is None else '--out'} must be given")
    if images < 1 or (measure is not None and measure < 0):
        wrong = "--images" if images < 1 else "--measure"
        raise InputError(f"{wrong} must be at least {int(images < 1)}")
    with people.status("loading torch"):
        from ..adq.calibration.config import CalibrationConfig
        from ..adq.data.decided import decided
        from ..adq.data.samples import LABEL_RULES, halves
        from ..adq.models.own import settled
        from ..adq.recipes.fields import one_of
        from ..flows import calibration as flow
        from ..spec.program_file import save
    rule = one_of(LABEL_RULES, labels, "--labels")
    config = CalibrationConfig(rounding=rounding)  # type: ignore[arg-type]  # checks it
    chosen = flow.recipe_for(
        recipe or (OWN_RECIPE if model else None), init, changes or [],
        weight_width=weight_width, act_width=act_width,
    )  # fmt: skip
    chosen = decided(of_model(chosen, model, model_args or []), data)
    if model is not None:
        chosen = settled(chosen)
    network = flow.float_network(chosen, init, trusted=model is not None)
    calibrating, measuring = halves(chosen, data, rule)
    with atomic_path(out) as temporary:  # first: refuses an unwritable output
        reference = None
        if measure != 0:
            measuring = measuring.spread(measure)
            reference = flow.float_logits(network, measuring.images, progress)
        report = flow.calibrated(network, calibrating.spread(images), config, progress)
        program = flow.program_of(network, chosen, config)
        save(program, temporary)
        compared = None
        if reference is not None:
            compared = flow.measured(program, measuring, reference, progress)
    record = _record(out, program.digest, program.average_weight_bits, report, compared)
    if as_json:
        emit(record)
        return
    _show(report, compared)
    say(f"wrote {out}: {program.average_weight_bits:.2f} average weight bits, {program.digest}")


def _record(
    out: Path, digest: str, bits: float, report: "Report", compared: "Measured | None"
) -> dict[str, Any]:
    return {
        "program": str(out),
        "digest": digest,
        "average_weight_bits": bits,
        "calibration": asdict(report),
        "measured": None if compared is None else asdict(compared),
    }


def _show(report: "Report", compared: "Measured | None") -> None:
    rows = [
        (
            layer.name,
            layer.weight_width,
            None if layer.weight_error is None else f"{100 * layer.weight_error:.3f} %",
            layer.act_width,
            layer.end,
            f"{layer.snr_db:.1f} dB",
        )
        for layer in report.layers
    ]
    show_table(
        f"calibrated on {report.images} images in {report.seconds:.0f} s",
        ("tensor", "weight bits", "weight error", "code bits", "range", "signal to noise"),
        rows,
    )
    say(
        f"same class as the float network: {100 * report.agreement:.2f} % of these {report.images} "
        "images"
    )
    if compared is None:
        return
    line = f"{compared.agreement:.2f} % of {compared.images} others"
    if compared.float_top1 is not None:
        line += (
            f"; top-1: float {compared.float_top1:.2f} %, integers {compared.program_top1:.2f} %"
        )
    say(line)
