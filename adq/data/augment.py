"""Order and augmentation of training batches, as pure functions of (seed, epoch, step).

There is no state from one batch to the next: a resumed run gets the same pixels at the same step.
"""

import numpy as np
from numpy.typing import NDArray

from .dataset import Dataset
from .image_files import ImageFiles

# One word of the seed, so that streams of random numbers with the same seed differ.
_ORDER_STREAM, _AUGMENT_STREAM = 0, 1


def epoch_order(count: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return the order in which epoch `epoch` visits `count` images."""
    return np.random.default_rng([seed, _ORDER_STREAM, epoch]).permutation(count)


def crop_parameters(
    count: int,
    size: tuple[int, int],
    *,
    padding: int,
    flip: bool,
    seed: int,
    epoch: int,
    step: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows (count, H) and columns (count, W) of the padded images that a batch shows.

    The usual CIFAR augmentation (He et al., 2016): pad 4, crop 32x32 at random, flip.
    """
    height, width = size
    generator = np.random.default_rng([seed, _AUGMENT_STREAM, epoch, step])
    top, left = generator.integers(0, 2 * padding + 1, (2, count, 1))
    mirrored = generator.integers(0, 2, (count, 1)).astype(bool) & flip
    rows = top + np.arange(height)
    columns = left + np.where(mirrored, np.arange(width)[::-1], np.arange(width))
    return rows, columns


def crop_and_flip(
    images: NDArray[np.uint8], *, padding: int, flip: bool, seed: int, epoch: int, step: int
) -> NDArray[np.uint8]:
    """Shift each image (N, C, H, W) by up to `padding` pixels (black enters) and mirror half."""
    count, _, height, width = images.shape
    rows, columns = crop_parameters(
        count, (height, width), padding=padding, flip=flip, seed=seed, epoch=epoch, step=step
    )
    edge = (padding, padding)
    padded = np.pad(images, ((0, 0), (0, 0), edge, edge))
    picked = padded[np.arange(count)[:, None, None], :, rows[:, :, None], columns[:, None, :]]
    return np.ascontiguousarray(picked.transpose(0, 3, 1, 2))


def training_batch(
    data: Dataset,
    *,
    batch_size: int,
    padding: int,
    flip: bool,
    seed: int,
    epoch: int,
    step: int,
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images and labels of batch `step` of epoch `epoch`; the last batch may be smaller.

    Image files get ImageNet's augmentation (random resized crops) instead of padding.
    """
    order = epoch_order(len(data), seed=seed, epoch=epoch)
    chosen = order[step * batch_size : (step + 1) * batch_size]
    if isinstance(data.images, ImageFiles):
        crops = data.images.crops(chosen, flip=flip, seed=seed, epoch=epoch, step=step)
        return crops, data.labels[chosen]
    images = data.images[chosen]
    if padding or flip:
        images = crop_and_flip(
            images, padding=padding, flip=flip, seed=seed, epoch=epoch, step=step
        )
    return images, data.labels[chosen]
