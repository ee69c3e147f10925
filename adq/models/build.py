"""The network of a recipe, with fresh weights or with those of a checkpoint."""

from typing import Any

from ...spec.errors import InputError
from ...spec.networks import Nodes
from ..networks.config import CifarConfig, ImagenetConfig, NetworkConfig
from ..networks.network import Network
from ..networks.state_check import check_codebooks, check_numbers, check_shapes
from ..quantizers.codebook_config import CodebookConfig
from ..quantizers.methods import Method
from ..recipes.config import CIFAR_RESNET, OWN, Recipe
from ..recipes.demands import demand_network, drawn
from ..runs import checkpoint
from ..tensors import Mode
from . import own


def nodes_of(recipe: Recipe, *, trusted: bool = False) -> Nodes:
    """The layers of the recipe's network."""
    if recipe.model.arch == OWN:
        return own.traced(recipe, trusted=trusted).layout
    return drawn(recipe)


def build(recipe: Recipe, *, trusted: bool = False) -> Network:
    """The network of the recipe in its mode, with fresh weights.

    A network of the user's own has those that its factory made; trusted: the user named the
    factory, which may then be outside the current folder (`factory.make`).
    """
    model, quant = recipe.model, recipe.quant
    if model.undecided:
        raise InputError(
            f"model.{model.undecided[0]} must be set, or decided from data, before there is a "
            "network"
        )
    if model.arch == OWN:
        network = own.network(recipe, build_method(recipe), trusted=trusted)
    else:
        network = Network(_drawn_config(recipe))
    network.set_mode(Mode(quant.mode))
    return network


def _drawn_config(recipe: Recipe) -> NetworkConfig:
    model, quant = recipe.model, recipe.quant
    _, height, width = model.image
    demand_network(drawn(recipe), model.width)
    shared: dict[str, Any] = {
        "classes": model.classes,
        "image_size": height if height == width else (height, width),
        "mean": model.mean,
        "std": model.std,
        "act_width": quant.act_width,
        "weight_width": quant.weight_width,
        "weight_widths": tuple(sorted(quant.widths.items())),
        "method": build_method(recipe),
    }
    if model.arch == CIFAR_RESNET:
        widths = (model.width, 2 * model.width, 4 * model.width)
        return CifarConfig(depth=model.depth, shortcut=model.shortcut, widths=widths, **shared)
    return ImagenetConfig(arch=model.arch, width=model.width, **shared)


def build_method(recipe: Recipe) -> Method:
    """Return the recipe's quantizers as the network takes them."""
    quant, method = recipe.quant, recipe.quant.method
    return Method(
        weights=method.weights,
        per_channel=method.per_channel,
        activations=method.activations,
        codebook=CodebookConfig(
            levels=method.levels,
            init=method.init,
            init_lloyd=quant.lloyd_steps,
            ema=method.ema,
            decay=quant.decay,
            ema_period=method.ema_period,
            level_gradient=method.level_gradient,
            clip=method.clip,
            early_rounding=method.early_rounding,
            dead=method.dead,
            tie_sign=method.tie_sign,
            level_width=quant.level_width,
            acc_width=recipe.hardware.acc_width,
            seed=recipe.train.seed,
        ),
    )


def restored(state: checkpoint.Checkpoint, what: str, factory: str | None = None) -> Network:
    """The network of a checkpoint, whose names, shapes and numbers are checked first.

    factory: what the user named, which must be the checkpoint's; without it that is followed into
    the current folder only.
    """
    stored = state.recipe.model.factory
    if factory is not None and factory != stored:
        raise InputError(f"--model must be {stored!r} as in {what}, not {factory!r}")
    model = build(state.recipe, trusted=factory is not None)
    check_shapes(model.state_dict(), state.model, what)
    check_numbers(state.model, what)
    check_codebooks(state.model, state.recipe.quant.level_width, what)
    model.load_state_dict(state.model)
    return model
