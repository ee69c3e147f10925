"""From a recipe to a network that is ready to train, and what the loop reads of it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ..allocation.report import Report, choose, has_budget
from ..data.batches import HostBatches
from ..data.dataset import Dataset
from ..models.build import build, nodes_of
from ..models.init import Init, learned_quantizers, load_init, origin, told
from ..networks import calibrate
from ..networks.network import Network
from ..recipes.config import Recipe
from ..recipes.config_text import to_dict
from ..recipes.demands import smallest_map
from ..tensors import NotANumberError
from .calibrate import start_calibrated
from .carry import carry_quantizers

CALIBRATION_BATCH = 128


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Prepared:
    """A network at step 0, and the recipe with everything that was decided from data."""

    recipe: Recipe
    model: Network
    init_digest: str | None
    """SHA-256 of the tensors training started from; None for random weights."""
    report: Report | None = None
    """How the widths were chosen, where there is a budget."""


def on_device(recipe: Recipe) -> Recipe:
    """Return the recipe with the device decided: `auto` is a GPU if there is one."""
    device = recipe.train.device
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("train.device must be cpu or auto where no GPU answers, not 'cuda'")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return replace(recipe, train=replace(recipe.train, device=device))


def prepare(
    recipe: Recipe,
    training: Dataset,
    init: Init | str | Path | None,
    stage: Callable[[str], None],
    note: Callable[[str], None] = lambda text: None,
) -> Prepared:
    """Build, load `init`, choose widths if there is a budget, set quantizers from images."""
    model = build(recipe, trusted=True).to(recipe.train.device)
    digest = None
    if init is not None:
        digest = load_init(model, init)
        for text in told(model, init):
            note(text)
    report = None
    if recipe.quant.quantized:
        if init is None:
            raise InputError(
                f"Recipe {recipe.name} must start from float weights: pass --init FILE, "
                "a checkpoint of a float recipe or pretrained weights"
            )
        batches = calibration_batches(recipe, training)
        if has_budget(recipe):
            stage("sensitivity of layers")
            report = choose(model, recipe, training)
            widths = report.chosen.widths
            recipe = replace(recipe, quant=replace(recipe.quant, widths=widths))
            model = model.with_weight_widths(widths)
        stage("calibrating quantizers")
        learned = learned_quantizers(init, recipe.model.factory)
        try:
            begin: Callable[[Network, list[Tensor], Callable[[], object]], None]
            begin = calibrate.start_fakequant
            if recipe.quant.start == "error":
                begin = start_calibrated
            begin(model, batches, lambda: carry_quantizers(model, learned))
        except NotANumberError as error:
            raise InputError(f"{origin(init)} {error}") from error
    return Prepared(recipe=recipe, model=model, init_digest=digest, report=report)


def calibration_batches(recipe: Recipe, training: Dataset) -> list[Tensor]:
    """Return augmented training images as uint8 batches (N, C, H, W).

    Augmented, because the weights were trained with the black borders of the random crop:
    statistics of plain images cost a pretrained ResNet-20 five points of top-1. The epoch is one
    after the last of training.
    """
    count = math.ceil(min(recipe.quant.calibration_images, len(training)) / CALIBRATION_BATCH)
    alone = len(training) - (count - 1) * CALIBRATION_BATCH == 1
    if count > 1 and alone and smallest_map(nodes_of(recipe, trusted=True))[1] == 1:
        count -= 1  # a single image has no variance in maps of one position
    demand(count * CALIBRATION_BATCH * math.prod(recipe.model.image), "Calibration images")
    fetch = HostBatches(training, recipe, CALIBRATION_BATCH)
    return [fetch(recipe.train.epochs, step)[0].to(recipe.train.device) for step in range(count)]


def refresh_batch_norm(model: Network, recipe: Recipe, training: Dataset) -> None:
    """Recompute batch-norm statistics with the final weights and frozen codebooks."""
    calibrate.recalibrate_batch_norm(model, calibration_batches(recipe, training))


def check_same_run(wanted: Recipe, stored: Recipe, folder: str) -> None:
    """Refuse to resume a run under another recipe: the weights would be of neither."""
    if has_budget(wanted):
        wanted = replace(wanted, quant=replace(wanted.quant, widths=stored.quant.widths))
    for key, asked, kept in _differences(to_dict(wanted), to_dict(stored)):
        raise InputError(
            f"--resume must continue the run in {folder!r} unchanged: {key} is {kept!r} there, "
            f"not {asked!r}"
        )


def _differences(
    wanted: dict[str, Any], stored: dict[str, Any], where: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    for name, asked in wanted.items():
        kept = stored[name]
        if isinstance(asked, dict) and isinstance(kept, dict) and set(asked) == set(kept):
            yield from _differences(asked, kept, f"{where}{name}.")
        elif asked != kept:
            yield f"{where}{name}", asked, kept
