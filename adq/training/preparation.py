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
from ..networks import pretrained
from ..networks.config import CifarConfig, ImagenetConfig, NetworkConfig
from ..networks.network import Network
from ..networks.state_check import check_codebooks, check_numbers, check_shapes
from ..networks.weights_file import read_metadata, read_tensors
from ..quantizers.codebook import CodebookConfig
from ..quantizers.methods import Method
from ..recipes.config import CIFAR_RESNET, Recipe
from ..recipes.config_text import to_dict
from ..recipes.demands import demand_network, smallest_map
from ..runs import checkpoint
from ..tensors import Mode, NotANumberError
from . import calibrate
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


def build(recipe: Recipe) -> Network:
    """Return the network of the recipe in its mode, with fresh weights."""
    model, quant = recipe.model, recipe.quant
    _, height, width = model.image
    if height != width:
        raise InputError(f"model.image must be square, not {height}x{width}")
    demand_network(recipe)
    shared: dict[str, Any] = {
        "classes": model.classes,
        "image_size": height,
        "mean": model.mean,
        "std": model.std,
        "act_width": quant.act_width,
        "weight_width": quant.weight_width,
        "weight_widths": tuple(sorted(quant.widths.items())),
        "method": build_method(recipe),
    }
    config: NetworkConfig
    if model.arch == CIFAR_RESNET:
        widths = (model.width, 2 * model.width, 4 * model.width)
        config = CifarConfig(depth=model.depth, shortcut=model.shortcut, widths=widths, **shared)
    else:
        config = ImagenetConfig(arch=model.arch, width=model.width, **shared)
    network = Network(config)
    network.set_mode(Mode(quant.mode))
    return network


def build_method(recipe: Recipe) -> Method:
    """Return the recipe's quantizers as the network takes them."""
    quant, method = recipe.quant, recipe.quant.method
    return Method(
        weights=method.weights,
        per_channel=method.per_channel,
        activations=method.activations,
        codebook=CodebookConfig(
            init=method.init,
            init_lloyd=quant.lloyd_steps,
            ema=method.ema,
            decay=quant.decay,
            ema_period=method.ema_period,
            dead=method.dead,
            tie_sign=method.tie_sign,
            level_width=quant.level_width,
            seed=recipe.train.seed,
        ),
    )


def prepare(
    recipe: Recipe, training: Dataset, init: str | Path | None, stage: Callable[[str], None]
) -> Prepared:
    """Build, load `init`, choose widths if there is a budget, set quantizers from images."""
    model = build(recipe).to(recipe.train.device)
    digest = None if init is None else load_init(model, init)
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
        learned = learned_quantizers(init)
        try:
            begin = calibrate.start_fakequant
            if recipe.quant.start == "error":
                begin = calibrate.start_calibrated
            begin(model, batches, lambda: carry_quantizers(model, learned))
        except NotANumberError as error:
            raise InputError(f"{origin(init)} {error}") from error
    return Prepared(recipe=recipe, model=model, init_digest=digest, report=report)


def origin(init: str | Path | None) -> str:
    """Beginning of a message about numbers that a network starts with."""
    if init is None:
        return "Network at the start:"
    return f"--init {str(init)!r} must give finite numbers:"


def load_init(model: Network, path: str | Path) -> str:
    """Load weights and batch norms of a checkpoint or of foreign weights; return their digest.

    Codebooks are not taken over, learned activations and streams are (`carry_quantizers`).
    """
    tensors, metadata = read_tensors(path)
    try:
        if checkpoint.FORMAT in metadata:
            state = checkpoint.load(path).model
            check_numbers(state, "Checkpoint's")
            pretrained.load_state(model, {n: t for n, t in state.items() if _is_float_part(n)})
        else:
            pretrained.load_state(model, pretrained.our_state(tensors))
    except InputError as error:
        raise InputError(f"--init {str(path)!r} must fit the recipe: {error}") from error
    return checkpoint.tensors_digest(tensors)


def learned_quantizers(path: str | Path) -> dict[str, Tensor]:
    """Parameters of activations and streams of a checkpoint trained with them; else none."""
    if checkpoint.FORMAT not in read_metadata(path):
        return {}
    state = checkpoint.load(path)
    if not state.recipe.quant.quantized:
        return {}
    restored(state, f"--init {str(path)!r}")
    return {name: tensor for name, tensor in state.model.items() if ".output." in name}


def restored(state: checkpoint.Checkpoint, what: str) -> Network:
    """The network of a checkpoint, whose names, shapes and numbers are checked first."""
    model = build(state.recipe)
    check_shapes(model.state_dict(), state.model, what)
    check_numbers(state.model, what)
    check_codebooks(state.model, state.recipe.quant.level_width, what)
    model.load_state_dict(state.model)
    return model


def _is_float_part(name: str) -> bool:
    quantizer = ".output." in name or ".quantizer." in name
    return not quantizer and not name.endswith("num_batches_tracked")


def calibration_batches(recipe: Recipe, training: Dataset) -> list[Tensor]:
    """Return augmented training images as uint8 batches (N, C, H, W).

    Augmented, because the weights were trained with the black borders of the random crop:
    statistics of plain images cost a pretrained ResNet-20 five points of top-1. The epoch is one
    after the last of training.
    """
    count = math.ceil(min(recipe.quant.calibration_images, len(training)) / CALIBRATION_BATCH)
    alone = len(training) - (count - 1) * CALIBRATION_BATCH == 1
    if count > 1 and alone and smallest_map(recipe)[1] == 1:
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
