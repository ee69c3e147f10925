"""Images to calibrate with and images to measure with, which share none.

A data set gives its training and its test split. A folder of image files without `train` in it is
split by itself: its files sorted by name, the first, third, ... to calibrate with, the others to
measure with, so that both halves have of everything where names sort by kind.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from ...spec.host.text import shown
from ..recipes.config import Recipe
from . import datasets
from .image_files import FolderConfig, ImageFiles
from .image_folder import class_files

LabelRule = Literal["none", "name"]
LABEL_RULES: tuple[LabelRule, ...] = get_args(LabelRule)
"""Labels of a flat folder: none, or the number that each file's name begins with."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Samples:
    """Images in a fixed order, with or without labels."""

    images: NDArray[np.uint8] | ImageFiles
    """(N, C, H, W), pixels, or files that are read when indexed."""
    labels: NDArray[np.int64] | None

    def __len__(self) -> int:
        return len(self.images)

    def spread(self, count: int | None) -> "Samples":
        """``count`` of them, evenly spaced; all if there are no more, or None."""
        if count is None or count >= len(self):
            return self
        if count < 1:
            raise InputError(f"Number of images must be at least 1, not {count}")
        chosen = np.arange(count) * len(self) // count
        labels = None if self.labels is None else self.labels[chosen]
        if isinstance(self.images, ImageFiles):
            paths = [self.images.paths[i] for i in chosen]
            return Samples(images=ImageFiles(paths, self.images.config), labels=labels)
        return Samples(images=self.images[chosen], labels=labels)


def halves(recipe: Recipe, folder: Path | None, labels: LabelRule) -> tuple[Samples, Samples]:
    """Images to calibrate with, and to measure with, in the shape of the recipe's network."""
    if recipe.data.name == "imagefolder" and folder is not None and not (folder / "train").is_dir():
        return flat(recipe, folder, labels)
    if labels != "none":
        raise InputError(f"--labels must go with a folder of image files, not {recipe.data.name}")
    splits = [datasets.for_recipe(recipe, split, folder) for split in ("train", "test")]
    first, second = (Samples(images=part.images, labels=part.labels) for part in splits)
    return first, second


def flat(recipe: Recipe, folder: Path, labels: LabelRule) -> tuple[Samples, Samples]:
    """The two halves of a folder of image files."""
    if not folder.is_dir():
        raise InputError(f"--data must be a folder, not {str(folder)!r}")
    paths = class_files(folder)
    if len(paths) < 2:
        raise InputError(f"Folder {str(folder)!r} must hold at least 2 images, not {len(paths)}")
    channels, height, width = recipe.model.image
    config = FolderConfig(size=(height, width), channels=channels, workers=recipe.data.workers)
    known = None if labels == "none" else named_labels(paths, recipe.model.classes)
    first, second = (
        Samples(
            images=ImageFiles(paths[start::2], config),
            labels=None if known is None else known[start::2],
        )
        for start in (0, 1)
    )
    return first, second


def named_labels(paths: list[Path], classes: int) -> NDArray[np.int64]:
    """The number that each file's name begins with, in 0..classes - 1."""
    labels = []
    for path in paths:
        match = re.match(r"\d{1,9}", path.name)
        if match is None or int(match[0]) >= classes:
            raise InputError(
                f"Image file name must begin with its class 0..{classes - 1} (--labels name), "
                f"not {shown(path.name)}"
            )
        labels.append(int(match[0]))
    return np.array(labels, np.int64)
