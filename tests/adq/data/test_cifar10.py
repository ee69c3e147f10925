"""CIFAR-10 reader: layout, MD5, restricted unpickling. Tiny batches of the official form."""

import hashlib
import os
import pickle
from pathlib import Path

import needs
import numpy as np
import pytest

from adqhw.adq.data import cifar10, datasets
from adqhw.adq.data.dataset import Dataset
from adqhw.adq.recipes import recipes
from adqhw.adq.recipes.config_text import override
from adqhw.spec.errors import InputError

COUNT = 6
HELD_OUT = 2
TEST_SEED = 2


def official_pickle(pixels: bytes, labels: bytes) -> bytes:
    """The opcodes of the official files (Python 2, protocol 2): byte strings, old numpy names."""
    dtype = (
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN"
        + 2 * b"J\xff\xff\xff\xff"
        + b"K\x00tb"
    )
    empty = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    shape = b"K" + bytes([len(labels)]) + b"M\x00\x0c\x86"
    content = b"T" + len(pixels).to_bytes(4, "little") + pixels
    data = empty + b"(K\x01" + shape + dtype + b"\x89" + content + b"tb"
    classes = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(U\x04data" + data + b"U\x06labels" + classes + b"u."


def write_batch(path: Path, seed: int) -> str:
    generator = np.random.default_rng(seed)
    path.write_bytes(
        official_pickle(generator.bytes(COUNT * 3072), bytes(range(seed, seed + COUNT)))
    )
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.fixture
def small(tmp_path):
    """A folder in the official layout with tiny batches, and the MD5s they must have."""
    root = tmp_path / cifar10.FOLDER
    root.mkdir()
    return tmp_path, {
        name: write_batch(root / name, seed)
        for name, seed in (("data_batch_1", 0), ("data_batch_2", 1), ("test_batch", TEST_SEED))
    }


def load(small, split: str) -> Dataset:
    folder, digests = small
    return cifar10.load(split, folder, digests=digests, held_out=HELD_OUT)


def test_splits_cover_the_batches_and_hold_out_the_end_of_training(small):
    folder, digests = small
    first, second, test = (
        cifar10.read_batch(folder / cifar10.FOLDER / name, digests[name]) for name in digests
    )
    training = np.concatenate([first[0], second[0]])
    np.testing.assert_array_equal(load(small, "train").images, training[:-HELD_OUT])
    np.testing.assert_array_equal(load(small, "validation").images, training[-HELD_OUT:])
    np.testing.assert_array_equal(load(small, "validation").labels, second[1][-HELD_OUT:])
    np.testing.assert_array_equal(load(small, "test").images, test[0])


def test_pixels_are_planes_of_red_green_blue(small):
    folder, digests = small
    path = folder / cifar10.FOLDER / "test_batch"
    raw = np.random.default_rng(TEST_SEED).bytes(COUNT * 3072)
    images, labels = cifar10.read_batch(path, digests["test_batch"])
    for channel, y, x in ((0, 0, 0), (1, 2, 31), (2, 31, 5)):
        assert images[4, channel, y, x] == raw[4 * 3072 + channel * 1024 + y * 32 + x]
    assert labels.tolist() == [2, 3, 4, 5, 6, 7]


def test_the_batch_folder_itself_may_be_given(small):
    folder, digests = small
    inner = cifar10.load("test", folder / cifar10.FOLDER, digests=digests, held_out=HELD_OUT)
    np.testing.assert_array_equal(inner.images, load(small, "test").images)


def test_corrupted_batch_names_the_file_and_both_md5(small):
    folder, digests = small
    path = folder / cifar10.FOLDER / "data_batch_2"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(content)
    actual = hashlib.md5(content).hexdigest()
    with pytest.raises(InputError) as caught:
        load(small, "validation")
    message = str(caught.value)
    assert str(path) in message
    assert digests["data_batch_2"] in message
    assert actual in message
    assert "\n" not in message


def test_missing_batch_and_missing_folder_are_one_line(small, tmp_path):
    folder, _ = small
    (folder / cifar10.FOLDER / "data_batch_2").unlink()
    with pytest.raises(InputError, match=r"data_batch_2.*must be a readable file"):
        load(small, "train")
    assert len(load(small, "test")) == COUNT
    with pytest.raises(InputError, match="not missing") as caught:
        cifar10.load("test", tmp_path / "nowhere")
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="--data DIR"):
        datasets.load("cifar10", "test")


class Attack:
    """Unpickling this would call `os.mkdir`."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize("kind", ["call", "truncated", "list", "keys"])
def test_hostile_or_foreign_pickles_are_refused_without_running(tmp_path, kind):
    target = tmp_path / "created"
    whole = pickle.dumps({b"data": Attack(target)})
    content = {
        "call": whole,
        "truncated": official_pickle(bytes(3072), bytes(1))[:200],
        "list": pickle.dumps([1, 2]),
        "keys": pickle.dumps({b"pixels": 1}),
    }[kind]
    path = tmp_path / "data_batch_1"
    path.write_bytes(content)
    with pytest.raises(InputError, match="data_batch_1"):
        cifar10.read_batch(path, hashlib.md5(content).hexdigest())
    assert not target.exists()


@pytest.mark.data
def test_official_files_have_balanced_classes():
    folder = needs.cifar10()
    test = datasets.load("cifar10", "test", folder)
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert len(datasets.load("cifar10", "train", folder)) == 45_000
    assert len(datasets.load("cifar10", "validation", folder)) == 5_000


def test_all_images_may_be_trained_on_and_nothing_is_held_out_then(small, monkeypatch, tmp_path):
    folder, digests = small
    everything = cifar10.load("train", folder, digests=digests, held_out=0)
    np.testing.assert_array_equal(
        everything.images,
        np.concatenate([load(small, split).images for split in ("train", "validation")]),
    )
    recipe = recipes.get("cifar10_resnet20_w4a4")
    seen = {}
    monkeypatch.setattr(cifar10, "load", lambda *_, **options: seen.update(options) or everything)
    datasets.for_recipe(override(recipe, ["data.all_images=true"]), "train", folder)
    assert seen == {"held_out": 0}
    with pytest.raises(InputError, match=r"data\.all_images must be false but for cifar10"):
        override(recipes.get("digits_resnet8_adq"), ["data.all_images=true"])
    with pytest.raises(InputError, match="Data folder must be given for cifar10"):
        datasets.for_recipe(override(recipe, ["data.all_images=true"]), "train")
