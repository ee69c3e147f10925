"""Handwritten digits bundled with scikit-learn: 1797 real 8x8 images, no download.

UCI "Optical Recognition of Handwritten Digits" (Alpaydin, Kaynak; CC BY 4.0), its test part.
"""

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from .dataset import Dataset, Split

CLASSES = 10
PIXEL_GAIN = 15
"""Pixels are counts 0..16; times 15 they span 0..240 of a byte exactly, so nothing is rounded."""

SPLIT_SEED = 0
SPLIT_SHARE: dict[Split, float] = {"test": 0.2, "validation": 0.1}
"""Shares of every class; the rest is training."""


def load(split: Split, seed: int = SPLIT_SEED) -> Dataset:
    """Return one split, stratified by class; the same `seed` gives the same three splits."""
    pixels, labels = _read()
    images = (pixels.reshape(-1, 1, 8, 8) * PIXEL_GAIN).astype(np.uint8)
    chosen = split_indices(labels, seed)[split]
    return Dataset(
        name="digits", split=split, images=images[chosen], labels=labels[chosen], classes=CLASSES
    )


def split_indices(labels: NDArray[np.int64], seed: int) -> dict[Split, NDArray[np.int64]]:
    """Return the image numbers of each split: shuffled within a class, cut by share, then mixed."""
    generator = np.random.default_rng(seed)
    parts: dict[Split, list[NDArray[np.int64]]] = {"test": [], "validation": [], "train": []}
    for label in range(CLASSES):
        members = generator.permutation(np.flatnonzero(labels == label))
        start = 0
        for split, share in SPLIT_SHARE.items():
            stop = start + round(share * len(members))
            parts[split].append(members[start:stop])
            start = stop
        parts["train"].append(members[start:])
    return {split: generator.permutation(np.concatenate(part)) for split, part in parts.items()}


def _read() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "scikit-learn must be installed for the digits dataset: pip install 'adqhw[data]'"
        ) from error
    pixels, labels = load_digits(return_X_y=True)
    return pixels, labels.astype(np.int64)
