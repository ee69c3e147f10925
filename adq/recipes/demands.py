"""What a run will allocate, asked of the memory budget (`spec.host.limits`) before it does.

Estimates from below of what cannot be avoided: a run that they refuse would not fit. Python
integers; torch is not needed.
"""

from collections.abc import Iterable, Sequence

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.program import INPUT
from ..networks.topologies import Node, nodes
from .config import CIFAR_RESNET, Recipe

WEIGHT_COPIES = 4
"""Weight, gradient, momentum, quantized weight: four bytes each."""
MAP_BYTES = 8
"""Of each value of a map that training keeps: the value and its gradient."""


def weight_count(recipe: Recipe) -> int:
    """Weights of convolutions and classifier."""
    model = recipe.model
    channels, size, _ = model.image
    if model.arch != CIFAR_RESNET:
        drawn = nodes(model.arch, image_size=size, width=model.width, classes=model.classes)
        return graph_weights(drawn, channels)
    widths = tuple(model.width << stage for stage in range(3))
    return cifar_weights(widths, (model.depth - 2) // 6, channels, model.classes)


def graph_weights(drawn: Iterable[Node], channels: int) -> int:
    """The same of a list of nodes whose input has ``channels``."""
    outs, total = {INPUT: channels}, 0
    for node in drawn:
        outs[node.name] = node.channels
        if node.kind in ("input", "conv", "fc"):
            window = 1 if node.kind == "fc" else node.kernel**2
            total += node.channels * (outs[node.source] // node.groups) * window
    return total


def cifar_weights(widths: Sequence[int], blocks: int, channels: int, classes: int) -> int:
    """The same of a CIFAR ResNet, but for the few of its projections."""
    inner = sum(9 * w * w * (2 * blocks - 1) for w in widths)
    between = sum(9 * a * b for a, b in zip([widths[0], *widths], widths, strict=False))
    return 9 * channels * widths[0] + inner + between + widths[-1] * classes


def map_count(recipe: Recipe) -> int:
    """Values of all maps of one image."""
    model = recipe.model
    _, size, _ = model.image
    if model.arch != CIFAR_RESNET:
        drawn = nodes(model.arch, image_size=size, width=model.width, classes=model.classes)
        return sum(node.channels * node.size**2 for node in drawn)
    blocks = (model.depth - 2) // 6
    return sum(3 * blocks * (model.width << s) * (size >> s) ** 2 for s in range(3))


def demand_network(recipe: Recipe) -> None:
    """Refuse a network whose weights alone do not fit, before one of them is made."""
    size = 4 * WEIGHT_COPIES * weight_count(recipe)
    demand(size, f"Network (model.width={recipe.model.width}) to be trained")


def demand_steps(recipe: Recipe, images: int, ranks: int = 1) -> None:
    """Refuse steps whose maps do not fit; on a GPU they are not in this memory."""
    train = recipe.train
    if train.device == "cpu":
        part = -(-min(train.batch_size, images) // (train.accumulate * ranks))
        what = f"Training step (train.batch_size={train.batch_size} in {train.accumulate} parts)"
        demand(MAP_BYTES * part * map_count(recipe), what)


def smallest_map(recipe: Recipe) -> tuple[str, int]:
    """A convolution with the smallest maps, and their height."""
    model = recipe.model
    _, size, _ = model.image
    if model.arch == CIFAR_RESNET:
        return "layer3.0.conv1", size // 4
    drawn = nodes(model.arch, image_size=size, width=model.width, classes=model.classes)
    found = min((n for n in drawn if n.kind in ("input", "conv")), key=lambda n: n.size)
    return found.name, found.size


def check_last_batch(recipe: Recipe, images: int, ranks: int = 1) -> None:
    """Refuse parts of one image where a map has one position: no variance is left to learn from."""
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
