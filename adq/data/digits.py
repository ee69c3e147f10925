"""Handwritten digits bundled with scikit-learn: 1797 real 8x8 images, no download.

UCI "Optical Recognition of Handwritten Digits" (Alpaydin, Kaynak; CC BY 4.0), its test part.
"""

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from .dataset import Dataset, Split
from .splits import stratified

CLASSES = 10
PIXEL_GAIN = 15
"""Pixels are counts 0..16; times 15 they span 0..240 of a byte exactly, so nothing is rounded."""

SPLIT_SEED = 0


def load(split: Split, seed: int = SPLIT_SEED) -> Dataset:
    """Return one split, stratified by class; the same `seed` gives the same three splits."""
    pixels, labels = _read()
    images = (pixels.reshape(-1, 1, 8, 8) * PIXEL_GAIN).astype(np.uint8)
    chosen = stratified(labels, seed, CLASSES)[split]
    return Dataset(
        name="digits", split=split, images=images[chosen], labels=labels[chosen], classes=CLASSES
    )


def _read() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise InputError(
            "scikit-learn must be installed for the digits dataset: pip install 'adqhw[data]'"
        ) from error
    pixels, labels = load_digits(return_X_y=True)
    return pixels, labels.astype(np.int64)
