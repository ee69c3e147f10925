"""Arrays of a user as codes: order of axes, float features on a scale, labels, missing splits.

A float feature x becomes the code round(x / scale) + zero_point, clipped to 0..255; the network
reads (code - zero_point) * scale. Integers are taken as codes themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from ...spec.host.limits import demand
from ...spec.host.text import shown, warn
from ..recipes.config import MAX_CLASSES, SCALE_RANGE, DataConfig
from .dataset import SPLITS, Dataset, Split
from .splits import SHARES, stratified

Shape = tuple[int, ...]
FEW_CHANNELS = 4
"""More than so many are taken for an edge, where nothing says the order of the axes."""
ROWS = 256
"""Images that are converted at once."""
PIXEL_STEP = 1 / 255
"""Scale of floats that are pixels of 8 bits divided by 255, to the last of them."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Given:
    """One split as it came, with the names of its arrays for messages."""

    images: NDArray[np.generic]
    """uint8 or float, (N, C, H, W), (N, H, W, C), (N, H, W) or (N, C)."""
    labels: NDArray[np.generic]
    """Integers, (N,) or (N, 1)."""
    images_name: str
    labels_name: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Codes:
    """All three splits as codes, and what they say about the network."""

    images: dict[Split, NDArray[np.uint8]]
    """(N, C, H, W)."""
    labels: dict[Split, NDArray[np.int64]]
    classes: int
    """One more than the largest label."""
    scale: float | None
    zero_point: int | None
    """Of the features; None for pixels."""

    def split(self, name: str, split: Split, classes: int) -> Dataset:
        """One split as the trainer takes it; of ``classes``, or as many as the labels have."""
        return Dataset(
            name=name,
            split=split,
            images=self.images[split],
            labels=self.labels[split],
            classes=max(classes, self.classes),
        )


def to_codes(
    given: Mapping[Split, Given],
    config: DataConfig,
    *,
    shape: Shape,
    classes: int,
    scale: float | None = None,
    zero_point: int | None = None,
) -> Codes:
    """The splits as codes; ``train`` must be given, and what else is not given is cut off it.

    shape, classes: of the network, () and 0 where the data decides; scale, zero_point: what the
    data itself states, which must not differ from the configuration's.
    """
    scale = _agreed("data.scale", config.scale, scale)
    stated = _agreed("data.zero_point", config.zero_point, zero_point)
    zero_point = None if stated is None else int(stated)
    if any(part.images.dtype.kind == "f" for part in given.values()) and scale is None:
        scale = _pixel_step(given) or _unstated(given)
    if scale is not None:
        low, high = SCALE_RANGE
        if not low <= scale <= high:
            raise InputError(f"Scale of features must be in {low:.3g}..{high:.3g}, not {scale:g}")
        zero_point = zero_point or 0
    images: dict[Split, NDArray[np.uint8]] = {}
    labels: dict[Split, NDArray[np.int64]] = {}
    for split, part in given.items():
        plain = oriented(part.images, part.images_name, config.layout, shape)
        shape = plain.shape[1:]
        images[split] = _codes(plain, part.images_name, scale, zero_point)
        labels[split] = _labels(part, classes)
    found = 1 + max(int(part.max()) for part in labels.values())
    _complete(images, labels, config.split_seed, found)
    return Codes(
        images=images, labels=labels, classes=found, scale=scale, zero_point=zero_point
    )  # fmt: skip


def oriented(
    array: NDArray[np.generic], name: str, layout: str, shape: Shape
) -> NDArray[np.generic]:
    """``array`` as (N, C, H, W); three axes are grey images, two are features without a map."""
    if array.ndim in (2, 3):
        array = array[:, :, None, None] if array.ndim == 2 else array[:, None]
        layout = "nchw"
    if array.ndim != 4 or not all(array.shape):
        raise InputError(
            f"{name} must be images (N, C, H, W) or (N, H, W, C), at least one of them, "
            f"not {array.shape}"
        )
    turned = array.transpose(0, 3, 1, 2)
    views = {"nchw": array, "nhwc": turned}
    if layout != "auto":
        views = {layout: views[layout]}
    fitting = [
        view
        for view in views.values()
        if (view.shape[1:] == shape if shape else view.shape[1] <= FEW_CHANNELS or len(views) == 1)
    ]
    if shape and not fitting:
        raise InputError(
            f"{name} must be images of model.image {shape} (channels, height, width), "
            f"not {array.shape}"
        )
    if len(fitting) != 1:
        raise InputError(
            f"{name} {array.shape} must say which axis has the channels: "
            "--set data.layout=nchw or nhwc"
        )
    return fitting[0]


def _agreed(key: str, asked: float | None, stated: float | None) -> float | None:
    """The number of the configuration or of the data, which must not differ."""
    if asked is not None and stated is not None and asked != stated:
        raise InputError(f"{key} must be {stated:g} as the data states, not {asked:g}")
    return stated if asked is None else asked


def _codes(
    plain: NDArray[np.generic], name: str, scale: float | None, zero_point: int | None
) -> NDArray[np.uint8]:
    if plain.dtype == np.uint8:
        return np.ascontiguousarray(plain, np.uint8)
    if plain.dtype.kind != "f":
        raise InputError(f"{name} must be uint8 pixels or float features, not {plain.dtype}")
    assert scale is not None
    demand(prod(plain.shape), f"Codes of {name}")
    out, beyond = np.empty(plain.shape, np.uint8), 0
    for first in range(0, len(plain), ROWS):
        values = plain[first : first + ROWS].astype(np.float64)
        _check_finite(values, name, first)
        codes = np.rint(values / scale) + (zero_point or 0)
        beyond += int(np.count_nonzero((codes < 0) | (codes > 255)))
        out[first : first + ROWS] = codes.clip(0, 255)
    if beyond:
        share = 100 * beyond / plain.size
        warn(f"{share:.3g} % of {name} lie outside the codes 0..255 of its scale and are clipped")
    return out


def _check_finite(values: NDArray[np.float64], name: str, first: int) -> None:
    if np.isfinite(values).all():
        return
    index = np.argwhere(~np.isfinite(values))[0]
    value = values[tuple(index)]
    place = (first + int(index[0]), *map(int, index[1:]))
    raise InputError(f"{name} must be finite, not {value} at (image, channel, row, column) {place}")


def _pixel_step(given: Mapping[Split, Given]) -> float | None:
    """1/255, if every value is a pixel of 8 bits divided by 255."""
    for part in given.values():
        for first in range(0, len(part.images), ROWS):
            values = part.images[first : first + ROWS].astype(np.float64) * 255
            near = np.abs(values - np.rint(values)) < 1e-3
            if not (near & (values > -0.5) & (values < 255.5)).all():
                return None
    return PIXEL_STEP


def _unstated(given: Mapping[Split, Given]) -> float:
    """Refuse features without a scale; the message has one that fits the training images."""
    part = given["train"]
    values = part.images.astype(np.float64)
    if values.ndim == 4:
        _check_finite(values, part.images_name, 0)
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    step = (high - low) / 255 or 1.0
    raise InputError(
        f"data.scale must be stated for float features ({part.images_name} has {low:.4g}.."
        f"{high:.4g}), such as --set data.scale={step:.4g} --set data.zero_point={-low / step:.0f}"
    )


def _labels(part: Given, classes: int) -> NDArray[np.int64]:
    labels: NDArray[Any] = part.labels
    name = part.labels_name
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise InputError(f"{name} must be integers (N,), not {labels.dtype} {labels.shape}")
    if len(labels) != len(part.images):
        raise InputError(
            f"{name} must be the labels of {len(part.images)} {part.images_name}, not {len(labels)}"
        )
    most = classes or MAX_CLASSES
    outside = (labels < 0) | (labels >= most)
    if outside.any():
        index = int(np.argmax(outside))
        raise InputError(
            f"{name} must be classes 0..{most - 1}, not {shown(int(labels[index]))} at index "
            f"{index}"
        )
    return labels.astype(np.int64)


def _complete(
    images: dict[Split, NDArray[np.uint8]],
    labels: dict[Split, NDArray[np.int64]],
    seed: int,
    classes: int,
) -> None:
    """Cut the splits that are not there off the training images, by class, with ``seed``."""
    shares = {split: share for split, share in SHARES.items() if split not in images}
    whole, classed = images["train"], labels["train"]
    for split, chosen in stratified(classed, seed, classes, shares).items():
        images[split], labels[split] = whole[chosen], classed[chosen]
    for split in SPLITS:
        if not len(labels[split]):
            raise InputError(
                f"Split {split} must have an image: {len(classed)} training images leave none "
                "(a class needs 5 of them)"
            )
