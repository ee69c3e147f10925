"""Digits: fixed stratified splits of the bundled images, and the Dataset value."""

import builtins

import numpy as np
import pytest

from adqhw.adq.data import datasets, digits
from adqhw.adq.data.dataset import Dataset
from adqhw.adq.data.splits import stratified
from adqhw.spec.errors import InputError


def test_splits_are_disjoint_and_complete():
    labels = digits._read()[1]
    parts = stratified(labels, 0, digits.CLASSES)
    together = np.concatenate(list(parts.values()))
    np.testing.assert_array_equal(np.sort(together), np.arange(1797))


def test_every_class_has_its_share_in_every_split():
    for split, share in {"train": 0.7, "validation": 0.1, "test": 0.2}.items():
        counts = np.bincount(digits.load(split).labels, minlength=10)
        assert np.all(np.abs(counts / counts.sum() - 0.1) < 0.01), split
        assert abs(counts.sum() / 1797 - share) < 0.005, split


def test_pixels_are_the_bundled_counts_times_fifteen():
    pixels, labels = digits._read()
    test = digits.load("test")
    assert test.images.dtype == np.uint8
    assert test.images.shape[1:] == (1, 8, 8)
    assert set(np.unique(test.images)) == {15 * count for count in range(17)}
    chosen = stratified(labels, digits.SPLIT_SEED, digits.CLASSES)["test"]
    np.testing.assert_array_equal(test.images[:, 0] // 15, pixels[chosen].reshape(-1, 8, 8))
    np.testing.assert_array_equal(test.labels, labels[chosen])


def test_same_seed_same_split_other_seed_other_split():
    first, again, other = (digits.load("train", seed=seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.images, again.images)
    assert not np.array_equal(first.images, other.images)


def test_missing_scikit_learn_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def fake(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", fake)
    with pytest.raises(InputError, match=r"scikit-learn must be installed.*adqhw\[data\]"):
        digits.load("test")


def test_dataset_refuses_wrong_arrays():
    images, labels = np.zeros((3, 1, 8, 8), np.uint8), np.array([0, 1, 2])

    def make(images=images, labels=labels, split="test"):
        return Dataset(name="d", split=split, images=images, labels=labels, classes=3)

    assert len(make().take(2)) == 2
    with pytest.raises(InputError, match=r"must be uint8 \(N, C, H, W\), not float64"):
        make(images=images.astype(float))
    with pytest.raises(InputError, match="must be int64"):
        make(labels=labels[:2])
    with pytest.raises(InputError, match=r"must be in 0..2, not 7 at index 1"):
        make(labels=np.array([0, 7, 2]))
    with pytest.raises(InputError, match=r"must be in 1\.\.3, not 4"):
        make().take(4)
    with pytest.raises(InputError, match="Split must be train, validation or test, not"):
        make(split="training")


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match=r"Dataset must be .* not 'mnist'"):
        datasets.load("mnist", "test")
    with pytest.raises(InputError, match="Split must be train, validation or test, not"):
        datasets.load("digits", "dev")
