"""From float weights and images to a calibrated program, and how it compares with the float one."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..adq.recipes import recipes
from ..adq.recipes.config import CIFAR_RESNET, DataConfig, ModelConfig, Recipe
from ..adq.recipes.config_text import override
from ..adq.recipes.quant_config import MethodConfig, QuantConfig
from ..spec.errors import InputError
from .engines import run_in_steps

if TYPE_CHECKING:
    from ..adq.calibration.config import CalibrationConfig
    from ..adq.calibration.report import Report
    from ..adq.data.samples import Samples
    from ..adq.networks.network import Network
    from ..spec.program import Program

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""A progress bar of that title and total; the yielded function is called with each step."""
STEP = 16
"""Images that the float network computes at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """Float network and integer program on images that the calibration has not seen; percent."""

    images: int
    agreement: float
    """Share of images with the same top-1."""
    float_top1: float | None
    """None without labels."""
    program_top1: float | None


def recipe_for(
    name: str | None,
    init: Path,
    changes: Sequence[str],
    *,
    weight_width: int | None,
    act_width: int | None,
) -> Recipe:
    """The recipe of a calibration: the named one, else the network that the weights are of.

    Quantizers are switched on; adaptive codebooks have a scale per channel unless a change says
    otherwise.
    """
    recipe = recipes.get(name) if name is not None else _recipe_of(init)
    method = recipe.quant.method
    if method.per_channel is None and method.weights in ("adq", "lsq"):
        method = replace(method, per_channel=True)
    quant = replace(recipe.quant, mode="fakequant", method=method, average_weight_bits=None)
    if weight_width is not None:
        quant = replace(quant, weight_width=weight_width)
    if act_width is not None:
        quant = replace(quant, act_width=act_width)
    model = replace(recipe.model, digest="")  # of layers that other widths may change
    return override(replace(recipe, quant=quant, model=model), list(changes))


def _recipe_of(init: Path) -> Recipe:
    """Recipe of a checkpoint, or of the network that foreign weights name."""
    from ..adq.networks import pretrained
    from ..adq.networks.config import CifarConfig, ImagenetConfig
    from ..adq.networks.weights_file import read_tensors
    from ..adq.runs import checkpoint

    tensors, metadata = read_tensors(init)
    if checkpoint.FORMAT in metadata:
        return checkpoint.load(init).recipe
    try:
        config = pretrained.infer_config(pretrained.our_state(tensors))
    except InputError as error:
        raise InputError(f"--init {str(init)!r} must name its network: {error}") from error
    shared: dict[str, Any] = {
        "classes": config.classes,
        "image": (len(config.mean), config.image_size, config.image_size),
        "mean": config.mean,
        "std": config.std,
    }
    quant = QuantConfig(mode="fakequant", method=MethodConfig(per_channel=True))
    if isinstance(config, CifarConfig):
        shortcut: Any = config.shortcut  # "A" or "B", which both configurations check
        model = ModelConfig(
            arch=CIFAR_RESNET, depth=config.depth, width=config.widths[0],
            shortcut=shortcut, **shared,
        )  # fmt: skip
        return Recipe(name="calibrated", data=DataConfig(name="cifar10"), model=model, quant=quant)
    assert isinstance(config, ImagenetConfig)
    arch: Any = config.arch  # a name of `spec.networks.IMAGENET`, which both configurations check
    model = ModelConfig(arch=arch, width=config.width, **shared)
    return Recipe(name="calibrated", data=DataConfig(name="imagefolder"), model=model, quant=quant)


def float_network(recipe: Recipe, init: Path, *, trusted: bool = False) -> "Network":
    """The recipe's network with the float weights of a file, quantizers not set yet.

    trusted: the user named the factory of a network of their own, not a checkpoint.
    """
    from ..adq.models.build import build
    from ..adq.models.init import load_init

    model = build(recipe, trusted=trusted)
    load_init(model, init)
    return model.eval()


def calibrated(
    network: "Network", samples: "Samples", config: "CalibrationConfig", bar: Bar
) -> "Report":
    """Quantize the network on all the samples."""
    import torch

    from ..adq.calibration.calibrate import calibrate

    batches = [torch.from_numpy(np.ascontiguousarray(samples.images[:]))]
    with bar("calibrating", len(network.nodes)) as advance:
        return calibrate(network, batches, config, lambda layer: advance(1))


def program_of(network: "Network", recipe: Recipe, config: "CalibrationConfig") -> "Program":
    """The integer program of a calibrated network."""
    from ..adq.export.export import export

    origin = {"dataset": recipe.data.name, "recipe": recipe.name, "calibration": asdict(config)}
    return export(network, provenance=origin)


def float_logits(network: "Network", images: Any, bar: Bar) -> NDArray[np.float32]:
    """Logits (N, classes) of the float network, before it is calibrated."""
    import torch

    from ..adq.tensors import Mode
    from ..adq.training.evaluate import model_runner

    parts, run = [], model_runner(network)
    mode = network.mode
    network.set_mode(Mode.FLOAT)
    with bar("float network", len(images)) as advance, torch.inference_mode():
        for start in range(0, len(images), STEP):
            parts.append(run(images[start : start + STEP]))
            advance(len(parts[-1]))
    network.set_mode(mode)
    return np.concatenate(parts)


def measured(
    program: "Program", samples: "Samples", reference: NDArray[np.float32], bar: Bar
) -> Measured:
    """The program (by the Numba engine) on the samples, against the float network's logits."""
    parts = []
    with bar("integer program", len(samples)) as advance:
        for start in range(0, len(samples), STEP):
            images = samples.images[start : start + STEP]
            parts.append(run_in_steps("numba", program, images).logits.argmax(1))
            advance(len(images))
    ours, theirs = np.concatenate(parts), reference.argmax(1)
    labels = samples.labels
    return Measured(
        images=len(samples),
        agreement=100.0 * float((ours == theirs).mean()),
        float_top1=None if labels is None else 100.0 * float((theirs == labels).mean()),
        program_top1=None if labels is None else 100.0 * float((ours == labels).mean()),
    )
