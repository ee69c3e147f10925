"""Data sets as one value: uint8 images, int64 labels, and the split they are.

Training takes `train`, every selection (epochs, learning rates, allocations) takes `validation`,
and `test` is read once, at the end. This file and the readers need numpy only, never torch.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..spec.errors import InputError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """One split of a data set, in a fixed order."""

    name: str
    split: str
    images: NDArray[np.uint8]
    """Pixels, (N, C, H, W)."""
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
        return Dataset(
            name=self.name,
            split=self.split,
            images=self.images[:count],
            labels=self.labels[:count],
            classes=self.classes,
        )


def load(name: str, split: str, folder: str | Path | None = None) -> Dataset:
    """Read one split. `digits` comes with scikit-learn; `cifar10` needs the `folder` it lies in."""
    from . import cifar10, digits

    if split not in SPLITS:
        raise InputError(f"Split must be one of {', '.join(SPLITS)}, not {split!r}")
    if name == "digits":
        return digits.load(split)
    if name == "cifar10":
        if folder is None:
            raise InputError(
                "Data folder must be given for cifar10: pass --data DIR, "
                f"where DIR or DIR/{cifar10.FOLDER} holds the official python version"
            )
        return cifar10.load(split, folder)
    raise InputError(f"Dataset must be digits or cifar10, not {name!r}")


def guess_name(image_shape: tuple[int, ...]) -> str:
    """Return the data set whose images have this (C, H, W)."""
    names = {(1, 8, 8): "digits", (3, 32, 32): "cifar10"}
    if tuple(image_shape) not in names:
        known = ", ".join(f"{name} {shape}" for shape, name in names.items())
        raise InputError(
            f"Input shape must be that of a known dataset ({known}), not {image_shape}"
        )
    return names[tuple(image_shape)]
