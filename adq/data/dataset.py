"""A data set as one value: uint8 images, int64 labels, and the split they are.

Training takes `train`, every selection (epochs, learning rates, allocations) takes `validation`,
and `test` is read once, at the end. This file and the readers need numpy only, never torch.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from ..recipes.fields import one_of
from .image_files import ImageFiles

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = get_args(Split)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """One split of a data set, in a fixed order."""

    name: str
    split: Split
    images: NDArray[np.uint8] | ImageFiles
    """Pixels, (N, C, H, W); or files that are read when indexed."""
    labels: NDArray[np.int64]
    """Class of each image, (N,), in 0..classes - 1."""
    classes: int

    def __post_init__(self) -> None:
        what = f"{self.name} {self.split}"
        one_of(SPLITS, self.split, "Split")
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            actual = f"{self.images.dtype} {self.images.shape}"
            raise InputError(f"{what} images must be uint8 (N, C, H, W), not {actual}")
        if self.labels.shape != self.images.shape[:1] or self.labels.dtype != np.int64:
            actual = f"{self.labels.dtype} {self.labels.shape}"
            raise InputError(f"{what} labels must be int64 ({len(self.images)},), not {actual}")
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < self.classes:
            index = int(np.argmax((self.labels < 0) | (self.labels >= self.classes)))
            actual = f"{self.labels[index]} at index {index}"
            raise InputError(f"{what} label must be in 0..{self.classes - 1}, not {actual}")

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
        images = self.images
        part = images.first(count) if isinstance(images, ImageFiles) else images[:count]
        return replace(self, images=part, labels=self.labels[:count])
