"""Checks of a run's memory against the budget (`spec.host.limits`), before it is allocated.

Lower bounds: a run that they refuse would not fit. Python integers; torch is not needed.
"""

from math import prod

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.networks import Nodes, cifar_resnet, imagenet
from .config import CIFAR_RESNET, Recipe

WEIGHT_COPIES = 4
"""Weight, gradient, momentum, quantized weight: four bytes each."""
MAP_BYTES = 8
"""Of each value of a map that training keeps: the value and its gradient."""


def drawn(recipe: Recipe) -> Nodes:
    """The network of a recipe, one of ours."""
    model = recipe.model
    ins, *sides = model.image
    size = sides[0], sides[1]
    if model.arch == CIFAR_RESNET:
        return cifar_resnet(
            blocks=(model.depth - 2) // 6, widths=(model.width, 2 * model.width, 4 * model.width),
            projected=model.shortcut == "B", ins=ins, image_size=size, classes=model.classes,
        )  # fmt: skip
    return imagenet(model.arch, width=model.width, ins=ins, image_size=size, classes=model.classes)


def demand_network(nodes: Nodes, width: int) -> None:
    """Refuse a network whose weights alone do not fit, before one of them is made."""
    size = 4 * WEIGHT_COPIES * sum(node.weights for node in nodes)
    demand(size, f"Network (model.width={width}) to be trained")


def demand_steps(recipe: Recipe, nodes: Nodes, images: int, ranks: int = 1) -> None:
    """Refuse steps whose maps do not fit; on a GPU they are not in this memory."""
    train = recipe.train
    if train.device == "cpu":
        part = -(-min(train.batch_size, images) // (train.accumulate * ranks))
        what = f"Training step (train.batch_size={train.batch_size} in {train.accumulate} parts)"
        demand(MAP_BYTES * part * sum(node.channels * prod(node.size) for node in nodes), what)


def smallest_map(nodes: Nodes) -> tuple[str, int]:
    """The layer with the smallest map that a batch norm reads, and the positions of the map.

    Two or more positions are enough: "" and 2 where there is no batch norm.
    """
    normed = [node for node in nodes if node.norm is not None]
    if not normed:
        return "", 2
    smallest = min(normed, key=lambda node: prod(node.size))
    return smallest.name, prod(smallest.size)


def check_last_batch(recipe: Recipe, nodes: Nodes, images: int, ranks: int = 1) -> None:
    """Refuse parts of one image where a map has one position: batch norm has no variance there."""
    train, (layer, positions) = recipe.train, smallest_map(nodes)
    shared = ranks > 1 and train.sync_batch_norm
    if positions > 1 or shared:
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
