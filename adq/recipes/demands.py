"""Checks of a run's memory against the budget (`spec.host.limits`), before it is allocated.

Lower bounds: a run that they refuse would not fit. Python integers; torch is not needed.
"""

from math import prod

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.layers import LayerKind
from ...spec.networks import Nodes, cifar_resnet, imagenet
from .config import CIFAR_RESNET, Recipe

WEIGHT_COPIES = 4
"""Weight, gradient, momentum, quantized weight: four bytes each."""
MAP_BYTES = 8
"""Of each value of a map that training keeps: the value and its gradient."""


def nodes(recipe: Recipe) -> Nodes:
    """The network of a recipe."""
    model = recipe.model
    ins, size, _ = model.image
    if model.arch == CIFAR_RESNET:
        return cifar_resnet(
            blocks=(model.depth - 2) // 6, widths=(model.width, 2 * model.width, 4 * model.width),
            projected=model.shortcut == "B", ins=ins, image_size=size, classes=model.classes,
        )  # fmt: skip
    return imagenet(model.arch, width=model.width, ins=ins, image_size=size, classes=model.classes)


def demand_network(recipe: Recipe) -> None:
    """Refuse a network whose weights alone do not fit, before one of them is made."""
    size = 4 * WEIGHT_COPIES * sum(node.weights for node in nodes(recipe))
    demand(size, f"Network (model.width={recipe.model.width}) to be trained")


def demand_steps(recipe: Recipe, images: int, ranks: int = 1) -> None:
    """Refuse steps whose maps do not fit; on a GPU they are not in this memory."""
    train = recipe.train
    if train.device == "cpu":
        part = -(-min(train.batch_size, images) // (train.accumulate * ranks))
        what = f"Training step (train.batch_size={train.batch_size} in {train.accumulate} parts)"
        demand(
            MAP_BYTES * part * sum(node.channels * prod(node.size) for node in nodes(recipe)), what
        )


def smallest_map(recipe: Recipe) -> tuple[str, int]:
    """A convolution with the smallest maps, and their height."""
    smallest = min(
        (node for node in nodes(recipe) if node.kind is LayerKind.CONV),
        key=lambda node: prod(node.size),
    )
    return smallest.name, min(smallest.size)


def check_last_batch(recipe: Recipe, images: int, ranks: int = 1) -> None:
    """Refuse parts of one image where a map has one position: batch norm has no variance there."""
    train, (layer, side) = recipe.train, smallest_map(recipe)
    shared = ranks > 1 and train.sync_batch_norm
    if side > 1 or shared:
        return
    for whole in {min(train.batch_size, images), images % train.batch_size or train.batch_size}:
        own = whole // ranks
        if own // min(train.accumulate, own) == 1:
            raise InputError(
                f"Batch must not leave one image alone where layer {layer!r} has maps of 1x1 "
                f"(its variance needs two values): {images} images in batches of "
                f"train.batch_size={train.batch_size} end in one of {whole}, in "
                f"{train.accumulate} parts on {ranks} processes; set data.limit or another size"
            )
