"""A user's own images and labels from one `.npz`, read without pickle (`spec.host.npy`).

Arrays: ``train_images, train_labels, test_images, test_labels`` and, if they are there,
``validation_images, validation_labels``; or ``images, labels``, of which a fifth of each class
is for the test. A tenth of each class is for selection where no array is. For float features,
``scale`` and ``zero_point`` may be in the file. Names of Keras (`x_train`) and MedMNIST
(`val_images`) are read, too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from ...spec.host.npy import read_npz
from ...spec.host.text import shown
from ..recipes.config import DataConfig
from .arrays import Codes, Given, Shape, to_codes
from .dataset import Split

Arrays = Mapping[str, NDArray[Any]]
NAMES: dict[Split, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "train": (("train_images", "x_train"), ("train_labels", "y_train")),
    "validation": (
        ("validation_images", "val_images", "x_val"),
        ("validation_labels", "val_labels", "y_val"),
    ),
    "test": (("test_images", "x_test"), ("test_labels", "y_test")),
}
"""Of images and labels of each split; the first ones are those of messages."""
WHOLE = (("images", "x"), ("labels", "y"))
"""Of data without splits."""


def load(path: str | Path, config: DataConfig, *, shape: Shape = (), classes: int = 0) -> Codes:
    """All splits of the file; shape and classes of the network, () and 0: as the file has them."""
    file = Path(path)
    try:
        facts = file.stat()
    except (OSError, ValueError) as error:
        raise InputError(f"Data {shown(str(path))} must be an .npz file: {error}") from error
    stamp = facts.st_size, facts.st_mtime_ns, facts.st_ino
    key = file, stamp, config, tuple(shape), classes
    if key not in _LATEST:
        _LATEST.clear()  # first: two of them would be twice the memory
        _LATEST[key] = _load(file, config, tuple(shape), classes)
    return _LATEST[key]


_LATEST: dict[Any, Codes] = {}
"""The file that was read last: its three splits come from one reading."""


def _load(path: Path, config: DataConfig, shape: Shape, classes: int) -> Codes:
    arrays = read_npz(path)
    scale, zero = _number(arrays, "scale"), _number(arrays, "zero_point")
    if zero is not None and not (zero == int(zero) and 0 <= zero <= 255):
        raise InputError(f"zero_point of {path} must be a code in 0..255, not {zero:g}")
    given = _given(arrays, path)
    try:
        return to_codes(
            given, config, shape=shape, classes=classes, scale=scale,
            zero_point=None if zero is None else int(zero),
        )  # fmt: skip
    except InputError as error:
        raise InputError(f"Data {str(path)!r}: {error}") from error


def _given(arrays: Arrays, path: Path) -> dict[Split, Given]:
    whole = _pair(arrays, WHOLE, path)
    parts = {split: _pair(arrays, names, path) for split, names in NAMES.items()}
    found: dict[Split, Given] = {s: part for s, part in parts.items() if part is not None}
    if whole is not None and not found:
        return {"train": whole}
    if whole is None and "train" in found:
        return found
    names = ", ".join(map(repr, list(arrays)[:8])) or "none"
    raise InputError(
        f"Data {str(path)!r} must hold the arrays train_images, train_labels, test_images, "
        f"test_labels, or images and labels, not {names}"
    )


def _pair(
    arrays: Arrays, names: tuple[tuple[str, ...], tuple[str, ...]], path: Path
) -> Given | None:
    """Images and labels under one of their names; None where neither is there."""
    found = [[name for name in known if name in arrays] for known in names]
    if not any(found):
        return None
    for known, here in zip(names, found, strict=True):
        if len(here) != 1:
            what = "lack it" if not here else f"also {here[1]}"
            raise InputError(f"Data {str(path)!r} must hold one array {known[0]}, not {what}")
    (images,), (labels,) = found
    return Given(
        images=arrays[images], labels=arrays[labels], images_name=images, labels_name=labels
    )


def _number(arrays: Arrays, name: str) -> float | None:
    array = arrays.get(name)
    if array is None:
        return None
    if array.size != 1 or array.dtype.kind not in "iuf" or not np.isfinite(array).all():
        raise InputError(f"Array {name} must be one finite number, not {array.dtype} {array.shape}")
    return float(array.reshape(()))
