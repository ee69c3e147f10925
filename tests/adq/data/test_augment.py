"""Augmentation: equal to a slow obvious twin, and a pure function of (seed, epoch, step)."""

import numpy as np
import pytest

from adqhw.adq.data import augment
from adqhw.adq.data.dataset import Dataset

IMAGES = np.random.default_rng(0).integers(1, 256, (12, 3, 8, 6)).astype(np.uint8)


def placements(image: np.ndarray, padding: int, flip: bool) -> list[bytes]:
    """All outcomes the augmentation may have for one image (C, H, W), cropped one by one."""
    _, height, width = image.shape
    edge = (padding, padding)
    sources = [np.pad(image, ((0, 0), edge, edge))]
    if flip:
        sources.append(sources[0][:, :, ::-1])
    size = 2 * padding + 1
    return [
        np.ascontiguousarray(source[:, y : y + height, x : x + width]).tobytes()
        for source in sources
        for y in range(size)
        for x in range(size)
    ]


def test_every_result_is_a_crop_and_all_crops_occur():
    allowed = [placements(image, 1, True) for image in IMAGES]
    seen = set()
    for step in range(40):
        batch = augment.crop_and_flip(IMAGES, padding=1, flip=True, seed=1, epoch=0, step=step)
        assert batch.shape == IMAGES.shape
        assert batch.dtype == np.uint8
        for image, options in zip(batch, allowed, strict=True):
            seen.add(options.index(image.tobytes()))
    assert seen == set(range(18))


def test_without_flip_nothing_is_mirrored():
    allowed = [placements(image, 2, False) for image in IMAGES]
    for step in range(10):
        batch = augment.crop_and_flip(IMAGES, padding=2, flip=False, seed=1, epoch=0, step=step)
        assert all(i.tobytes() in a for i, a in zip(batch, allowed, strict=True))


def test_half_of_the_images_are_mirrored():
    images = np.repeat(IMAGES[:1], 2000, axis=0)
    batch = augment.crop_and_flip(images, padding=0, flip=True, seed=3, epoch=0, step=0)
    mirrored = np.mean([np.array_equal(image, IMAGES[0][:, :, ::-1]) for image in batch])
    assert abs(mirrored - 0.5) < 0.05  # 4.5 standard deviations of 2000 coin throws


def test_same_arguments_same_pixels_any_other_differs():
    def batch(**change):
        arguments = {"padding": 3, "flip": True, "seed": 1, "epoch": 2, "step": 3} | change
        return augment.crop_and_flip(IMAGES, **arguments)

    np.testing.assert_array_equal(batch(), batch())
    for change in ({"seed": 2}, {"epoch": 3}, {"step": 2}):
        assert not np.array_equal(batch(), batch(**change)), change


@pytest.mark.parametrize("batch_size", [5, 12, 100])
def test_batches_of_an_epoch_visit_every_image_once(batch_size):
    labels = np.arange(12)
    data = Dataset(name="d", split="train", images=IMAGES, labels=labels, classes=12)
    seen, step = [], 0
    while len(seen) < 12:
        images, chosen = augment.training_batch(
            data, batch_size=batch_size, padding=0, flip=False, seed=0, epoch=1, step=step
        )
        np.testing.assert_array_equal(images, IMAGES[chosen])
        seen.extend(chosen.tolist())
        step += 1
    assert sorted(seen) == labels.tolist()
    assert seen != labels.tolist()


def test_order_changes_with_epoch_and_seed():
    first = augment.epoch_order(50, seed=0, epoch=0)
    np.testing.assert_array_equal(first, augment.epoch_order(50, seed=0, epoch=0))
    assert not np.array_equal(first, augment.epoch_order(50, seed=0, epoch=1))
    assert not np.array_equal(first, augment.epoch_order(50, seed=1, epoch=0))
