"""Small image folders that tests draw: stripes whose direction and colour are the class."""

from pathlib import Path

import numpy as np
from PIL import Image


def picture(index: int, label: int, size: tuple[int, int] = (60, 48)) -> Image.Image:
    """Bright stripes whose direction and colour are the class."""
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    wave = np.sin((x if label else y) / 3 + index) * 60 + 128
    pixels = np.stack([wave, np.full_like(wave, 40 + 150 * label), 255 - wave], -1)
    return Image.fromarray(pixels.astype(np.uint8))


def make_folder(root: Path, images: int = 6, classes: tuple[str, ...] = ("cat", "dog")) -> Path:
    """``root`` with train/ and val/, so many JPEG files per class in each."""
    for split in ("train", "val"):
        for label, name in enumerate(classes):
            (root / split / name).mkdir(parents=True)
            for i in range(images):
                picture(i, label).save(root / split / name / f"{i:02}.jpeg", quality=95)
    return root
