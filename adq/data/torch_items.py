"""Any `torch.utils.data.Dataset` of (image, label), read once into arrays.

Each item is read once, before training: augmentation is the recipe's (`data.crop_padding`,
`data.flip`), which a resumed run repeats exactly. A data set with random transforms of its own is
refused; it is for a training loop of the user's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.host.text import one_line, shown
from ..recipes.config import DataConfig
from .arrays import Codes, Given, Shape, to_codes
from .dataset import SPLITS, Split

if TYPE_CHECKING:
    import torch


class Items(Protocol):
    """What is read of a `torch.utils.data.Dataset`."""

    def __getitem__(self, index: int, /) -> Any: ...


def load(
    given: Mapping[str, Items], config: DataConfig, *, shape: Shape = (), classes: int = 0
) -> Codes:
    """All splits of ``{"train": dataset, "test": dataset, "validation": dataset}``, as codes.

    ``train`` must be there; the others are cut off it where they are not (`arrays`). shape,
    classes: of the network, () and 0 where the data decides.
    """
    odd = sorted(set(given) - set(SPLITS), key=str)
    if odd or "train" not in given:
        raise InputError(
            f"Data must be data sets named {', '.join(SPLITS)}, train at least, "
            f"not {shown(sorted(given, key=str))}"
        )
    parts: dict[Split, Given] = {s: read_items(given[s], s) for s in SPLITS if s in given}
    return to_codes(parts, config, shape=shape, classes=classes)


def read_items(dataset: Items, split: str) -> Given:
    """All items of one data set, as arrays of one shape and type."""
    try:
        count = len(dataset)  # type: ignore[arg-type]  # the protocol of torch has no length
    except (TypeError, NotImplementedError) as error:
        raise InputError(
            f"Data set {split!r} must have a length and items by index, not {one_line(error)} "
            "(an iterable one is for a training loop of your own)"
        ) from error
    if not count:
        raise InputError(f"Data set {split!r} must have at least one item, not none")
    first, label = _item(dataset, 0, split)
    again, label_again = _item(dataset, 0, split)
    same = np.array_equal(first, again, equal_nan=first.dtype.kind == again.dtype.kind == "f")
    if label != label_again or not same:
        raise InputError(
            f"Data set {split!r} must give the same item 0 whenever it is read: leave random "
            "transforms to data.crop_padding and data.flip"
        )
    demand(count * first.nbytes, f"{count} images of data set {split!r}")
    images = np.empty((count, *first.shape), first.dtype)
    labels = np.empty(count, np.int64)
    for index in range(count):
        image, labels[index] = _item(dataset, index, split)
        if image.shape != first.shape or image.dtype != first.dtype:
            raise InputError(
                f"Data set {split!r} must have images of one shape, {first.dtype} {first.shape}, "
                f"not {image.dtype} {image.shape} at index {index}"
            )
        images[index] = image
    return Given(
        images=images,
        labels=labels,
        images_name=f"images of data set {split!r}",
        labels_name=f"labels of data set {split!r}",
    )


def _item(dataset: Items, index: int, split: str) -> tuple[NDArray[np.generic], int]:
    what = f"Data set {split!r} item {index}"
    try:
        item = dataset[index]
    except Exception as error:
        raise InputError(f"{what} must be readable: {type(error).__name__}: {error}") from error
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError(f"{what} must be (image, label), not {type(item).__name__}")
    image, label = item
    return _image(image, what), _label(label, what)


def _image(image: Any, what: str) -> NDArray[np.generic]:
    """(C, H, W) of a tensor (C, H, W) or (H, W), of an array, or of a Pillow image."""
    if hasattr(image, "detach"):
        pixels = _numbers(image, what)
    elif hasattr(image, "getbands"):  # Pillow: (H, W) or (H, W, bands)
        pixels = np.asarray(image)
        pixels = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels
    elif isinstance(image, np.ndarray):
        pixels = image
    else:
        raise InputError(
            f"{what} must have a tensor, an array or a Pillow image, not {type(image).__name__}"
        )
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    if pixels.dtype != np.uint8 and pixels.dtype.kind != "f":
        raise InputError(f"{what} must have uint8 or float values, not {pixels.dtype}")
    if pixels.ndim not in (1, 3):
        raise InputError(f"{what} must have an image (C, H, W), not {pixels.shape}")
    return pixels


def _numbers(tensor: "torch.Tensor", what: str) -> NDArray[np.generic]:
    import torch

    if tensor.layout != torch.strided or tensor.is_quantized:
        raise InputError(f"{what} must have a plain tensor")
    plain = tensor.detach().cpu()
    return (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()


def _label(label: Any, what: str) -> int:
    try:
        array = np.asarray(label.detach().cpu() if hasattr(label, "detach") else label)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{what} must have a whole number as label: {one_line(error)}") from error
    if array.size != 1 or array.dtype.kind not in "iu":
        raise InputError(f"{what} must have a whole number as label, not {shown(label)}")
    return int(array.reshape(()))
