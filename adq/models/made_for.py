"""What network a file of weights is of, in the words of a recipe: what `--init` says to its user.

Of a checkpoint it is known; of another trainer's CIFAR ResNet depth, width and shortcuts are read
from the shapes, and its normalization is taken to be that of the two repositories in `pretrained`.
"""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from torch import Tensor

from ...spec.errors import InputError
from ..networks import pretrained
from ..networks.config import IMAGENET_MEAN, IMAGENET_STD, CifarConfig, NetworkConfig
from ..recipes.config import Recipe

SHAPES = ("depth", "width", "shortcut")
SAME = 0.02
"""Means and deviations of pixels in 0..1 that lie nearer are taken to be of the same images."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MadeFor:
    """Settings of `model` under which the weights were trained."""

    depth: int
    width: int
    shortcut: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


def of_recipe(recipe: Recipe) -> MadeFor | None:
    """Of a checkpoint; None if it is not of a CIFAR ResNet."""
    model = recipe.model
    if model.arch != "cifar":
        return None
    return MadeFor(
        depth=model.depth,
        width=model.width,
        shortcut=model.shortcut,
        mean=model.mean,
        std=model.std,
    )


def of_config(config: NetworkConfig) -> MadeFor | None:
    """Of a network; None if it is not a CIFAR ResNet."""
    if not isinstance(config, CifarConfig):
        return None
    width = config.widths[0]
    if config.widths != (width, 2 * width, 4 * width):  # no recipe makes it
        return None
    return MadeFor(
        depth=config.depth,
        width=width,
        shortcut=config.shortcut,
        mean=config.mean,
        std=config.std,
    )


def of_foreign(tensors: Mapping[str, Tensor]) -> MadeFor | None:
    """Of another trainer's weights; None where they are not those of a CIFAR ResNet."""
    try:
        return of_config(pretrained.infer_config(pretrained.our_state(tensors)))
    except InputError:
        return None


def settings(made: MadeFor | None, config: NetworkConfig) -> str:
    """`--set` options with which the network has the shapes of the weights; "" if it has them."""
    here = of_config(config)
    if made is None or here is None:
        return ""
    mine, theirs = asdict(here), asdict(made)
    changed = [name for name in SHAPES if mine[name] != theirs[name]]
    if "shortcut" in changed:  # of another repository, which has other numbers here, too
        changed += [name for name in ("mean", "std") if mine[name] != theirs[name]]
    return _options({name: theirs[name] for name in changed})


def other_scale(made: MadeFor | None, config: NetworkConfig, *, known: bool) -> str:
    """One line if the weights saw pixels of another scale; "" if not.

    known: of a checkpoint. Otherwise a normalization that somebody chose is left without a word.
    """
    if made is None or len(made.mean) != len(config.mean):
        return ""
    if not known and (config.mean, config.std) != (IMAGENET_MEAN, IMAGENET_STD):
        return ""
    pairs = zip((*made.mean, *made.std), (*config.mean, *config.std), strict=True)
    if max(abs(a - b) for a, b in pairs) < SAME:
        return ""
    whose = "the checkpoint" if known else "published weights of this form"
    wanted = _options({"mean": made.mean, "std": made.std})
    return f"pixels are scaled by other means and deviations than those of {whose}: {wanted}"


def _options(changes: Mapping[str, object]) -> str:
    """As one types them in a shell."""
    texts = {
        name: f"[{','.join(f'{n:g}' for n in value)}]" if isinstance(value, tuple) else value
        for name, value in changes.items()
    }
    return " ".join(f"--set {shlex.quote(f'model.{name}={text}')}" for name, text in texts.items())
