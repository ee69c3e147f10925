"""A user's own module as the network of a recipe (`adqhw train --model`).

A recipe keeps the name of the factory and a digest of the layers that it traces to, never code.
"""

from dataclasses import asdict, dataclass, fields, replace

import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from ...spec.host.digests import json_digest
from ...spec.host.text import shown
from ...spec.networks import Node, Nodes
from ..frontend.config import TracedConfig
from ..frontend.fuse import fuse
from ..frontend.lower import lower
from ..frontend.places import UnsupportedModelError
from ..frontend.trace import Reader, read
from ..networks.network import Network
from ..networks.state_check import check_numbers
from ..quantizers.methods import Method
from ..recipes.config import OWN, Recipe
from . import factory

SAMPLE = 2
"""Images that a module is traced with."""


class OwnConfig(TracedConfig):
    """A traced network in the trainer, which moves codebooks itself after each step."""

    @property
    def follows(self) -> bool:
        return False


@dataclass(frozen=True, kw_only=True, eq=False)
class Traced:
    """What a factory made, and the layers that it has."""

    module: nn.Module
    layout: Nodes
    digest: str

    @property
    def outputs(self) -> int:
        """Channels of the result."""
        return self.layout[-1].channels


def traced(recipe: Recipe, *, trusted: bool = False) -> Traced:
    """The module of the recipe's factory, traced; trusted: the user named it (`factory.make`)."""
    model = recipe.model
    file = factory.file_of(model.factory)
    facts = file.stat() if file is not None and file.is_file() else None
    stamp = None if facts is None else (facts.st_mtime_ns, facts.st_size)
    key = model.factory, model.arguments, model.image, recipe.quant.act_width, recipe.train.seed
    whole = (*key, stamp, trusted)
    if whole not in _LATEST:
        _LATEST.clear()
        _LATEST[whole] = _traced(recipe, trusted)
    return _LATEST[whole]


_LATEST: dict[object, Traced] = {}
"""The module that was traced last: a run asks for it some times."""


def _traced(recipe: Recipe, trusted: bool) -> Traced:
    model = recipe.model
    module = factory.make(model.factory, model.arguments, seed=recipe.train.seed, trusted=trusted)
    what = f"Model {shown(model.factory)}"
    check_numbers(module.state_dict(), f"{what}:")
    reader = _read(module, model.image)
    fuse(reader.graph)
    layout = lower(reader.graph, recipe.quant.act_width, _map(model.image))
    if not reader.flat_result:
        raise InputError(f"{what} must give logits (N, classes) to be trained here, not maps")
    return Traced(module=module, layout=layout, digest=layout_digest(layout))


def _read(module: nn.Module, image: tuple[int, ...]) -> Reader:
    """The module's operations, for images (N, C, H, W), or for features (N, C) without a map."""
    sample = torch.zeros(SAMPLE, *image)
    try:
        return read(module, sample)
    except UnsupportedModelError:
        if image[1:] != (1, 1):
            raise
    return read(module, sample.flatten(1))


def layout_digest(layout: Nodes) -> str:
    """SHA-256 of the layers, of what differs from a node's defaults."""
    return json_digest([_facts(node) for node in layout])


def _facts(node: Node) -> dict[str, object]:
    told = asdict(node)
    return {f.name: told[f.name] for f in fields(node) if getattr(node, f.name) != f.default}


def settled(recipe: Recipe) -> Recipe:
    """The recipe with classes and digest of its own network; other recipes as they are.

    The data may have fewer classes than the network, never more.
    """
    model = recipe.model
    if model.arch != OWN:
        return recipe
    found = traced(recipe, trusted=True)
    if found.outputs < model.classes:
        raise InputError(
            f"Model {shown(model.factory)} must have {model.classes} outputs, one per class, "
            f"not {found.outputs} (--model-arg passes arguments to it)"
        )
    _check_digest(recipe, found)
    return replace(recipe, model=replace(model, classes=found.outputs, digest=found.digest))


def network(recipe: Recipe, method: Method, *, trusted: bool = False) -> Network:
    """The network of the recipe's factory, with the weights that the factory gave it."""
    model, quant = recipe.model, recipe.quant
    found = traced(recipe, trusted=trusted)
    _check_digest(recipe, found)
    made = Network(
        OwnConfig(
            layout=found.layout, model=type(found.module).__name__, shape=_map(model.image),
            mean=model.mean, std=model.std, act_width=quant.act_width,
            weight_width=quant.weight_width, weight_widths=tuple(sorted(quant.widths.items())),
            method=method, classes=found.outputs,
        )
    )  # fmt: skip
    _copy(found.module, made)
    return made


def _check_digest(recipe: Recipe, found: Traced) -> None:
    wanted = recipe.model.digest
    if wanted and wanted != found.digest:
        raise InputError(
            f"Model {shown(recipe.model.factory)} must make the layers that were trained (digest "
            f"{wanted[:16]}), not others ({found.digest[:16]}): its code or arguments differ"
        )


def _map(image: tuple[int, ...]) -> tuple[int, int, int]:
    channels, height, width = image
    return channels, height, width


@torch.no_grad()
def _copy(module: nn.Module, network: Network) -> None:
    """The module's parameters and statistics into the network, which has the same names."""
    given: dict[str, Tensor] = module.state_dict()
    for name, tensor in network.state_dict().items():
        if name in given:
            tensor.copy_(given[name].view_as(tensor))
