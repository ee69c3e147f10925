"""The network of a recipe, with fresh weights or with those of a checkpoint."""

from typing import Any

from ...spec.errors import InputError
from ..networks.config import CifarConfig, ImagenetConfig, NetworkConfig
from ..networks.network import Network
from ..networks.state_check import check_codebooks, check_numbers, check_shapes
from ..quantizers.codebook import CodebookConfig
from ..quantizers.methods import Method
from ..recipes.config import CIFAR_RESNET, Recipe
from ..recipes.demands import demand_network
from ..runs import checkpoint
from ..tensors import Mode


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


def restored(state: checkpoint.Checkpoint, what: str) -> Network:
    """The network of a checkpoint, whose names, shapes and numbers are checked first."""
    model = build(state.recipe)
    check_shapes(model.state_dict(), state.model, what)
    check_numbers(state.model, what)
    check_codebooks(state.model, state.recipe.quant.level_width, what)
    model.load_state_dict(state.model)
    return model
