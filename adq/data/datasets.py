"""Data sets as one value: uint8 images, int64 labels, and the split they are.

Training takes `train`, every selection (epochs, learning rates, allocations) takes `validation`,
and `test` is read once, at the end. This file and the readers need numpy only, never torch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError

if TYPE_CHECKING:
    from ..recipes.config import Recipe

SPLITS = ("train", "validation", "test")
IMAGE_FOLDER = "imagefolder"
BUNDLED = "digits"
"""The data set that comes with scikit-learn: it needs no folder, and takes none."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """One split of a data set, in a fixed order."""

    name: str
    split: str
    images: NDArray[np.uint8]
    """Pixels, (N, C, H, W); or files that are read when indexed (`image_folder.ImageFiles`)."""
    labels: NDArray[np.int64]
    """Class of each image, (N,), in 0..classes - 1."""
    classes: int

    def __post_init__(self) -> None:
        what = f"{self.name} {self.split}"
        if self.split not in SPLITS:
            raise InputError(f"Split must be one of {', '.join(SPLITS)}, not {self.split!r}")
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            found = f"{self.images.dtype} {self.images.shape}"
            raise InputError(f"{what} images must be uint8 (N, C, H, W), not {found}")
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64:
            found = f"{self.labels.dtype} {self.labels.shape}"
            raise InputError(f"{what} labels must be int64 ({len(self.images)},), not {found}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < self.classes:
            index = int(np.argmax((self.labels < 0) | (self.labels >= self.classes)))
            found = f"{self.labels[index]} at index {index}"
            raise InputError(f"{what} label must be in 0..{self.classes - 1}, not {found}")

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, count: int | None) -> "Dataset":
        """Return the first `count` images (None: all); more than there are is an error."""
        if count is None:
            return self
        if not 0 < count <= len(self):
            raise InputError(
                f"Number of {self.name} {self.split} images must be in 1..{len(self)}, not {count}"
            )
        lazy = not isinstance(self.images, np.ndarray)
        return Dataset(
            name=self.name,
            split=self.split,
            images=self.images.take(np.arange(count)) if lazy else self.images[:count],
            labels=self.labels[:count],
            classes=self.classes,
        )


def load(
    name: str,
    split: str,
    folder: str | Path | None = None,
    shape: Sequence[int] | None = None,
    workers: int = 4,
) -> Dataset:
    """Read one split. `digits` comes with scikit-learn and takes no `folder`; the others need one.

    shape: (C, H, W) of the network's input, for `imagefolder`, whose files have any size.
    """
    from . import cifar10, digits

    if split not in SPLITS:
        raise InputError(f"Split must be one of {', '.join(SPLITS)}, not {split!r}")
    if name == BUNDLED:
        if folder is not None:
            raise InputError("--data must be left out: the digits come with scikit-learn")
        return digits.load(split)
    if name == "cifar10":
        return cifar10.load(split, _cifar_folder(folder))
    if name == IMAGE_FOLDER:
        return _load_folder(split, folder, shape, workers)
    raise InputError(f"Dataset must be digits, cifar10 or {IMAGE_FOLDER}, not {name!r}")


def _cifar_folder(folder: str | Path | None) -> str | Path:
    from .cifar10 import FOLDER

    if folder is None:
        raise InputError(
            "Data folder must be given for cifar10: pass --data DIR, "
            f"where DIR or DIR/{FOLDER} holds the official python version"
        )
    return folder


def _load_folder(
    split: str, folder: str | Path | None, shape: Sequence[int] | None, workers: int
) -> Dataset:
    from . import image_folder

    if folder is None or shape is None:
        raise InputError(
            f"Data folder must be given for {IMAGE_FOLDER}: pass --data DIR with "
            "DIR/train/CLASS/IMAGE and DIR/val/CLASS/IMAGE"
        )
    config = image_folder.FolderConfig(size=shape[1], channels=shape[0], workers=workers)
    return image_folder.load(split, folder, config)


def for_recipe(recipe: "Recipe", split: str, folder: str | Path | None = None) -> Dataset:
    """Read one split as a recipe asks for it: image files are scaled to its network's input."""
    from . import cifar10

    name, model = recipe.data.name, recipe.model
    if recipe.data.all_images and split == "train":
        found = cifar10.load(split, _cifar_folder(folder), held_out=0)
    else:
        found = load(name, split, folder, model.image, recipe.data.workers)
    if name == IMAGE_FOLDER and found.classes != model.classes:
        raise InputError(
            f"model.classes must be the {found.classes} class folders in {str(folder)!r}, "
            f"not {model.classes}: --set model.classes={found.classes}"
        )
    if found.images.shape[1:] != model.image:
        shape = found.images.shape[1:]
        raise InputError(f"model.image must be {shape}, that of {name}, not {model.image}")
    if found.classes > model.classes:
        raise InputError(
            f"model.classes must be at least {found.classes}, as {name} has, not {model.classes}"
        )
    return found


def guess_name(image_shape: tuple[int, ...]) -> str:
    """Return the data set whose images have this (C, H, W)."""
    names = {(1, 8, 8): "digits", (3, 32, 32): "cifar10"}
    if tuple(image_shape) not in names:
        known = ", ".join(f"{name} {shape}" for shape, name in names.items())
        raise InputError(
            f"Input shape must be that of a known dataset ({known}), not {image_shape}"
        )
    return names[tuple(image_shape)]
