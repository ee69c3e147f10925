"""The recipe with what its data decides: classes, image, normalization, scale of features."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...spec.errors import InputError
from ..recipes.config import STD_RANGE, DataConfig, DataName, Recipe
from . import cifar10, datasets
from .arrays import Codes
from .dataset import Dataset
from .datasets import Source
from .image_files import ImageFiles

NATURAL = {
    1: ((0.449,), (0.226,)),
    3: ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Mean and deviation of ImageNet's pixels, by channels: for image files, which are not all read."""
CHUNK = 1024
"""Images whose pixels are counted at once."""


def decided(recipe: Recipe, source: Source = None) -> Recipe:
    """``recipe`` with every field that it leaves to its data; the same again for one without."""
    if isinstance(source, Codes):
        recipe = _named(recipe, "torch")
    elif recipe.data.name == "auto":
        recipe = _named(recipe, kind_of(source))
    data, model = recipe.data, recipe.model
    own = data.name in datasets.OWN
    if own:
        codes = datasets.own_codes(recipe, source)
        data = replace(data, scale=codes.scale, zero_point=codes.zero_point)
        recipe = replace(recipe, data=data)
    if not model.undecided:
        return recipe
    if data.name == "imagefolder" and not model.image:
        raise InputError(
            "model.image must be set for image files, which have any size: "
            "--set 'model.image=[3, 224, 224]'"
        )
    training = datasets.undecided(recipe, source)
    shape = model.image or training.images.shape[1:]
    mean, std = model.mean, model.std
    if not mean or not std:
        found = _normalization(training, data)
        mean, std = mean or found[0], std or found[1]
    model = replace(
        model, classes=model.classes or training.classes, image=shape, mean=mean, std=std
    )
    return replace(recipe, model=model)


def _named(recipe: Recipe, name: DataName) -> Recipe:
    return replace(recipe, data=replace(recipe.data, name=name))


def kind_of(source: Any) -> DataName:
    """The kind of data in a file or folder."""
    if source is None:
        raise InputError(
            "Data must be given: pass --data FILE.npz, or --data DIR with train/CLASS/IMAGE and "
            "val/CLASS/IMAGE; --set data.name=digits takes scikit-learn's digits"
        )
    path = Path(source)
    if not path.exists():
        raise InputError(f"Data must be a folder or an .npz file, not the absent {str(path)!r}")
    if (path / "train").is_dir():
        return "imagefolder"
    if path.is_dir():
        cifar10.find_root(path)  # else its own refusal says what a folder must hold
        return "cifar10"
    return "npz"


def _normalization(
    training: Dataset, data: DataConfig
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation by channel, of pixels / 255."""
    channels = training.images.shape[1]
    if data.scale is not None:  # (code / 255 - mean) / std = (code - zero_point) * scale
        zero = (data.zero_point or 0) / 255
        return (zero,) * channels, (1 / (255 * data.scale),) * channels
    if isinstance(training.images, ImageFiles):
        return NATURAL[3 if channels == 3 else 1]
    return measured(training)


def measured(training: Dataset) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of pixels / 255 by channel, from exact counts, to four decimals."""
    images = training.images
    counts = np.zeros((images.shape[1], 256), np.int64)
    for first in range(0, len(images), CHUNK):
        part = images[first : first + CHUNK]
        for channel in range(len(counts)):
            counts[channel] += np.bincount(part[:, channel].reshape(-1), minlength=256)
    mean, std = [], []
    seen: list[list[int]] = counts.tolist()
    for values in seen:
        total = sum(values)
        sums, squares = (sum(n * v**k for v, n in enumerate(values)) for k in (1, 2))
        variance = (squares * total - sums * sums) / (total * total)
        mean.append(round(sums / total / 255, 4))
        std.append(max(STD_RANGE[0], round(variance**0.5 / 255, 4)) if variance else 1.0)
    return tuple(mean), tuple(std)
