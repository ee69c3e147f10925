"""A user's own .npz: splits, orders of axes, features on a scale, and what is refused."""

import numpy as np
import pytest
from own_data import digits_arrays, write_npz

from adqhw.adq.data import npz_file
from adqhw.adq.data.dataset import SPLITS
from adqhw.adq.recipes.config import DataConfig
from adqhw.spec.errors import InputError

AUTO = DataConfig(name="npz")
PIXELS, LABELS = digits_arrays(200)


def test_one_array_is_split_by_class_and_seed(tmp_path):
    path = write_npz(tmp_path / "d.npz", images=PIXELS, labels=LABELS)
    codes = npz_file.load(path, AUTO)
    assert codes.classes == 10
    together = np.concatenate([codes.images[split] for split in SPLITS])
    assert sorted(map(bytes, together)) == sorted(map(bytes, PIXELS))
    shares = {split: len(codes.labels[split]) / 200 for split in SPLITS}
    assert shares == pytest.approx({"train": 0.7, "validation": 0.1, "test": 0.2}, abs=0.03)
    again = npz_file.load(path, DataConfig(name="npz", split_seed=1))
    assert codes.labels["test"].tolist() != again.labels["test"].tolist()


def test_given_splits_stay_as_they_are(tmp_path):
    path = write_npz(
        tmp_path / "d.npz", x_train=PIXELS[:120], y_train=LABELS[:120],
        test_images=PIXELS[120:], test_labels=LABELS[120:, None],
    )  # fmt: skip
    codes = npz_file.load(path, AUTO)
    np.testing.assert_array_equal(codes.images["test"], PIXELS[120:])
    np.testing.assert_array_equal(codes.labels["test"], LABELS[120:])
    assert 0 < len(codes.labels["validation"]) < 20
    assert len(codes.labels["train"]) + len(codes.labels["validation"]) == 120


@pytest.mark.parametrize(
    ("shape", "found"),
    [
        ((0, 2, 3, 1), (1, 8, 8)),
        ((0, 1, 2, 3), (1, 8, 8)),
        ((0, 2, 3), (1, 8, 8)),
    ],
)
def test_orders_of_axes_are_recognized(tmp_path, shape, found):
    images = PIXELS[:, 0] if len(shape) == 3 else PIXELS.transpose(shape)
    path = write_npz(tmp_path / "d.npz", images=images, labels=LABELS)
    whole = write_npz(tmp_path / "e.npz", images=PIXELS, labels=LABELS)
    codes, plain = npz_file.load(path, AUTO), npz_file.load(whole, AUTO)
    assert codes.images["train"].shape[1:] == found
    np.testing.assert_array_equal(codes.images["test"], plain.images["test"])


def test_layout_and_image_decide_where_both_orders_are_possible(tmp_path):
    images = np.arange(40 * 3 * 5 * 4).reshape(40, 3, 5, 4).astype(np.uint8)
    path = write_npz(tmp_path / "d.npz", images=images, labels=np.arange(40) % 2)
    with pytest.raises(InputError, match="must say which axis has the channels"):
        npz_file.load(path, AUTO)
    turned = npz_file.load(path, DataConfig(name="npz", layout="nhwc"))
    assert turned.images["train"].shape[1:] == (4, 3, 5)
    assert npz_file.load(path, AUTO, shape=(3, 5, 4)).images["test"].shape[1:] == (3, 5, 4)


def test_features_become_codes_of_their_scale(tmp_path):
    features = (PIXELS.astype(np.float32) - 51) * np.float32(0.02)
    arrays = {"images": features, "labels": LABELS, "scale": 0.02, "zero_point": 51}
    codes = npz_file.load(write_npz(tmp_path / "d.npz", **arrays), AUTO)
    pixels = npz_file.load(write_npz(tmp_path / "e.npz", images=PIXELS, labels=LABELS), AUTO)
    assert (codes.scale, codes.zero_point) == (0.02, 51)
    np.testing.assert_array_equal(codes.images["train"], pixels.images["train"])


def test_pixels_divided_by_255_are_pixels(tmp_path):
    arrays = {"images": PIXELS.astype(np.float32) / 255, "labels": LABELS}
    codes = npz_file.load(write_npz(tmp_path / "d.npz", **arrays), AUTO)
    pixels = npz_file.load(write_npz(tmp_path / "e.npz", images=PIXELS, labels=LABELS), AUTO)
    assert codes.scale == 1 / 255
    np.testing.assert_array_equal(codes.images["test"], pixels.images["test"])


def test_clipped_features_are_reported(tmp_path, capsys):
    features = np.linspace(-1, 1, 200 * 64).reshape(200, 1, 8, 8)
    path = write_npz(tmp_path / "d.npz", images=features, labels=LABELS)
    codes = npz_file.load(path, DataConfig(name="npz", scale=0.01, zero_point=50))
    assert "% of images lie outside the codes 0..255" in capsys.readouterr().err
    assert {int(part.min()) for part in codes.images.values()} == {0}


def near(value, **more):
    """Features that are 0 but for one value."""
    images = np.zeros((200, 1, 8, 8), np.float32)
    images[3, 0, 1, 2] = value
    return {"images": images, "labels": LABELS, **more}


BAD_LABELS = np.where(np.arange(200) == 7, -1, LABELS)
REFUSED = [
    ({"images": PIXELS}, "must hold one array labels, not lack it"),
    ({"images": PIXELS, "lables": LABELS}, "must hold one array labels"),
    ({"pictures": PIXELS, "y": LABELS}, "must hold one array images"),
    ({"a": PIXELS}, "train_images, train_labels, test_images, test_labels, or images and labels"),
    ({"test_images": PIXELS, "test_labels": LABELS}, "train_images"),
    ({"images": PIXELS, "x": PIXELS, "labels": LABELS}, "one array images, not also x"),
    ({"images": PIXELS[:9], "labels": LABELS}, "labels of 9 images, not 200"),
    ({"images": PIXELS, "labels": LABELS * 1.0}, r"labels must be integers \(N,\), not float64"),
    ({"images": PIXELS, "labels": BAD_LABELS}, r"classes 0\.\.99999, not -1 at index 7"),
    ({"images": PIXELS.astype(np.int16), "labels": LABELS}, "uint8 pixels or float features"),
    ({"images": PIXELS[None], "labels": LABELS}, r"images \(N, C, H, W\) or \(N, H, W, C\)"),
    ({"images": PIXELS[:0], "labels": LABELS[:0]}, "at least one of them"),
    ({"images": PIXELS[:2], "labels": LABELS[:2]}, "must have an image"),
    (near(2), "must be stated .* data.scale=0.00784"),
    (near(np.nan, scale=0.1), r"finite, not nan at .* \(3, 0"),
    (near(np.inf, scale=0.1), "finite, not inf"),
    (near(2, scale=0.0), "Scale of features"),
    (near(2, scale=np.zeros(3)), "must be one finite number"),
    (near(2, scale=1.0, zero_point=300), "code in 0..255"),
    ({"images": PIXELS, "labels": np.array(["a"] * 200)}, "must be a .npy file"),
    ({"images": np.array([None] * 3), "labels": LABELS}, "must be a .npy file"),
]  # fmt: skip


@pytest.mark.parametrize(("arrays", "message"), REFUSED)
def test_what_is_wrong_is_named_in_one_line(tmp_path, arrays, message):
    path = write_npz(tmp_path / "d.npz", **arrays)
    with pytest.raises(InputError, match=message) as caught:
        npz_file.load(path, AUTO)
    assert "\n" not in str(caught.value)
    assert "d.npz" in str(caught.value) or "Array" in str(caught.value)


def test_contradictions_with_the_network_are_refused(tmp_path):
    path = write_npz(tmp_path / "d.npz", images=PIXELS, labels=LABELS, scale=0.5)
    with pytest.raises(InputError, match=r"model\.image \(3, 8, 8\).*not \(200, 1, 8, 8\)"):
        npz_file.load(path, AUTO, shape=(3, 8, 8))
    with pytest.raises(InputError, match=r"labels must be classes 0\.\.4, not"):
        npz_file.load(path, AUTO, classes=5)
    with pytest.raises(InputError, match=r"data\.scale must be 0\.5 as the data states, not 0\.25"):
        npz_file.load(path, DataConfig(name="npz", scale=0.25))


def test_torn_files_and_bombs_are_refused(tmp_path, monkeypatch):
    path = write_npz(tmp_path / "d.npz", images=PIXELS, labels=LABELS)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"must be an \.npz file"):
        npz_file.load(path, AUTO)
    with pytest.raises(InputError, match=r"must be an \.npz file"):
        npz_file.load(tmp_path / "absent.npz", AUTO)
    np.savez_compressed(path, images=np.zeros((4000, 3, 64, 64), np.uint8), labels=LABELS)
    monkeypatch.setenv("ADQHW_MEMORY", "0.02")
    with pytest.raises(InputError, match=r"must fit 0\.02 GiB of memory"):
        npz_file.load(path, AUTO)


def test_a_changed_file_is_read_again(tmp_path):
    path = write_npz(tmp_path / "d.npz", images=PIXELS, labels=LABELS)
    first = npz_file.load(path, AUTO)
    assert npz_file.load(path, AUTO) is first
    write_npz(path, images=PIXELS[:150], labels=LABELS[:150])
    assert sum(map(len, npz_file.load(path, AUTO).labels.values())) == 150
