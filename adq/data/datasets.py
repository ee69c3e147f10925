"""The data sets by name: one split of each, from a folder or from scikit-learn."""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from ...spec.errors import InputError
from ..recipes.config import DATA_NAMES, Recipe
from ..recipes.fields import one_of
from . import cifar10, digits, image_folder
from .dataset import SPLITS, Dataset
from .image_files import FolderConfig

BUNDLED = "digits"
"""The data set that comes with scikit-learn: it needs no folder, and takes none."""


def load(
    name: str,
    split: str,
    folder: str | Path | None = None,
    shape: Sequence[int] | None = None,
    *,
    workers: int = 4,
    held_out: int = cifar10.HELD_OUT,
) -> Dataset:
    """Read one split. `digits` comes with scikit-learn and takes no `folder`; the others need one.

    shape: (C, H, W) of the network's input, for `imagefolder`, whose files have any size; workers:
    threads that decode them; held_out: validation images of `cifar10`.
    """
    part = one_of(SPLITS, split, "Split")
    match one_of(DATA_NAMES, name, "Dataset"):
        case "digits":
            if folder is not None:
                raise InputError("--data must be left out: the digits come with scikit-learn")
            return digits.load(part)
        case "cifar10":
            if folder is None:
                raise InputError(
                    "Data folder must be given for cifar10: pass --data DIR, "
                    f"where DIR or DIR/{cifar10.FOLDER} holds the official python version"
                )
            return cifar10.load(part, folder, held_out=held_out)
        case "imagefolder":
            if folder is None or shape is None:
                raise InputError(
                    "Data folder must be given for imagefolder: pass --data DIR with "
                    "DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE"
                )
            channels, size, _ = shape
            config = FolderConfig(size=size, channels=channels, workers=workers)
            return image_folder.load(part, folder, config)
        case unknown:
            assert_never(unknown)


def for_recipe(recipe: Recipe, split: str, folder: str | Path | None = None) -> Dataset:
    """Read one split for a recipe: image files are scaled to its network's input."""
    name, model = recipe.data.name, recipe.model
    every = recipe.data.all_images and split == "train"
    held_out = 0 if every else cifar10.HELD_OUT
    read = load(name, split, folder, model.image, workers=recipe.data.workers, held_out=held_out)
    if name == "imagefolder" and read.classes != model.classes:
        raise InputError(
            f"model.classes must be the {read.classes} class folders in {str(folder)!r}, "
            f"not {model.classes}: --set model.classes={read.classes}"
        )
    shape = read.images.shape[1:]
    if shape != model.image:
        raise InputError(f"model.image must be {shape}, that of {name}, not {model.image}")
    if read.classes > model.classes:
        raise InputError(
            f"model.classes must be at least {read.classes}, as {name} has, not {model.classes}"
        )
    return read
