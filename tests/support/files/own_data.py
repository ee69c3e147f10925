"""Digits as a user's own arrays: pixels or features, split or not, in any order of axes."""

from pathlib import Path

import numpy as np

from adqhw.adq.data import datasets


def digits_arrays(count=300):
    """uint8 images (count, 1, 8, 8) and their labels."""
    data = datasets.load("digits", "train").take(count)
    return data.images, data.labels


def write_npz(path: Path, **arrays) -> Path:
    """An .npz of the arrays."""
    np.savez(path, **arrays)
    return path


class Items:
    """What `torch.utils.data.Dataset` asks for, over two sequences."""

    def __init__(self, images, labels, transform=lambda image: image):
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.transform(self.images[index]), self.labels[index]
