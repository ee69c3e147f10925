"""Image folders: layout, decoding, crops as a function of (seed, epoch, step), clear refusals."""

import struct
import zlib

import numpy as np
import pytest
import torch
from image_folders import make_folder, picture
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from adqhw.adq.data import datasets
from adqhw.adq.data.augment import training_batch
from adqhw.adq.data.batches import FileBatches, batches
from adqhw.adq.data.dataset import SPLITS
from adqhw.adq.data.image_files import FolderConfig, ImageFiles, centre, random_box
from adqhw.adq.data.image_folder import load
from adqhw.adq.recipes.config_text import override
from adqhw.adq.recipes.recipes import get
from adqhw.spec.errors import InputError

CONFIG = FolderConfig(size=32, workers=2)


def recipe(folder_classes=2, *changes):
    return override(
        get("imagenet_resnet18_adq281"),
        ["model.image=[3, 32, 32]", f"model.classes={folder_classes}", "train.batch_size=4",
         "train.device=cpu", *changes],
    )  # fmt: skip


def test_splits_share_no_image(tmp_path):
    make_folder(tmp_path)
    parts = {split: load(split, tmp_path, CONFIG) for split in SPLITS}
    paths = {split: set(part.images.paths) for split, part in parts.items()}
    assert {split: len(part) for split, part in parts.items()} == {
        "train": 10, "validation": 2, "test": 12
    }  # fmt: skip
    assert not paths["train"] & paths["validation"]
    assert all("val" in str(path) for path in paths["test"])
    assert parts["train"].labels.tolist() == [0] * 5 + [1] * 5
    assert parts["train"].classes == 2


def test_evaluation_is_the_resized_centre(tmp_path):
    make_folder(tmp_path)
    test = load("test", tmp_path, CONFIG)
    found = test.images[:3]
    assert found.shape == (3, 3, 32, 32)
    assert found.dtype == np.uint8
    with Image.open(test.images.paths[0]) as image:
        resized = image.resize((round(60 * 36.57 / 48), 37), Image.Resampling.BILINEAR)
        left, top = (resized.width - 32) // 2, (resized.height - 32) // 2
        usual = np.asarray(resized.crop((left, top, left + 32, top + 32))).transpose(2, 0, 1)
    # the usual way rounds sizes to whole pixels, here the box is exact
    assert np.abs(found[0].astype(int) - usual).mean() < 12
    assert centre(60, 48) == pytest.approx((9, 3, 51, 45))


def test_reduced_decoding_differs_little_from_a_full_one(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 256, (9, 12, 3)).astype(np.uint8)).resize((640, 480))
    smooth.save(tmp_path / "big.jpeg", quality=95)
    files = ImageFiles([tmp_path / "big.jpeg"], CONFIG)
    asked = []
    draft = JpegImageFile.draft

    def noted(self, mode, size):
        before = self.size
        found = draft(self, mode, size)
        asked.append((before, self.size))
        return found

    monkeypatch.setattr(JpegImageFile, "draft", noted)
    fast = files[:][0].astype(int)
    assert asked == [((640, 480), (80, 60))]  # an eighth: 32 pixels of 420
    monkeypatch.setattr(JpegImageFile, "draft", lambda self, mode, size: None)
    full = files[:][0].astype(int)
    assert np.abs(fast - full).mean() < 3


def test_crops_are_a_function_of_seed_epoch_and_step(tmp_path):
    data = load("train", make_folder(tmp_path), CONFIG)
    fixed = {"batch_size": 4, "padding": 0, "flip": True}
    first, labels = training_batch(data, seed=1, epoch=2, step=1, **fixed)
    one = load("train", tmp_path, FolderConfig(size=32, workers=1))
    again, same = training_batch(one, seed=1, epoch=2, step=1, **fixed)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(labels, same)
    for other in ({"seed": 2}, {"epoch": 3}, {"step": 0}):
        moved, _ = training_batch(data, **{"seed": 1, "epoch": 2, "step": 1, **other}, **fixed)
        assert not np.array_equal(first, moved)


def test_batches_made_ahead_are_the_same(tmp_path):
    data = load("train", make_folder(tmp_path), CONFIG)
    made = batches(data, recipe(), torch.device("cpu"))
    assert isinstance(made, FileBatches)
    order = [(0, 0), (0, 1), (0, 2), (1, 0), (0, 1)]  # the last one is a resume
    for epoch, step in order:
        images, labels = made(epoch, step)
        again, same = made.arrays(epoch, step)
        np.testing.assert_array_equal(images.numpy(), again)
        np.testing.assert_array_equal(labels.numpy(), same)
    assert len(made(0, 2)[1]) == 2  # the rest of 10 images


def test_boxes_lie_in_the_image_and_obey_the_limits():
    generator = np.random.default_rng(5)
    for _ in range(300):
        width, height = generator.integers(3, 300, 2).tolist()
        left, top, right, bottom = random_box(width, height, generator.random((10, 4)))
        assert 0 <= left < right <= width + 1e-9
        assert 0 <= top < bottom <= height + 1e-9
        area = (right - left) * (bottom - top) / (width * height)
        if width > 40 and height > 40 and 0.75 < width / height < 4 / 3:
            assert 0.07 < area <= 1.0
    # nothing fits a needle: the largest box of an allowed ratio, centred
    assert random_box(300, 3, np.full((10, 4), 0.9)) == (148.0, 0.0, 152.0, 3.0)


def test_bad_folders_are_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="must hold train/CLASS/IMAGE, not lack"):
        load("train", tmp_path, CONFIG)
    make_folder(tmp_path)
    (tmp_path / "train" / "eel").mkdir()
    with pytest.raises(InputError, match=r"Class folder '.*eel' must hold images .*not none"):
        load("train", tmp_path, CONFIG)
    picture(0, 0).save(tmp_path / "train" / "eel" / "0.png")
    with pytest.raises(InputError, match=r"'.*eel' must hold at least 2 images"):
        load("train", tmp_path, CONFIG)
    with pytest.raises(InputError, match=r"Classes of '.*val' must be those of train, .* eel"):
        load("test", tmp_path, CONFIG)


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
def test_bad_images_are_named(tmp_path, damage):
    make_folder(tmp_path)
    path = tmp_path / "train" / "dog" / "03.jpeg"
    whole = path.read_bytes()
    path.write_bytes(
        {"text": b"not an image", "cut": whole[: len(whole) // 2], "empty": b""}[damage]
    )
    data = load("train", tmp_path, CONFIG)
    with pytest.raises(InputError, match=r"Image '.*dog/03\.jpeg' must be readable"):
        data.images[:]


def test_classes_must_be_the_recipes(tmp_path):
    make_folder(tmp_path)
    with pytest.raises(InputError, match=r"must be the 2 class folders .* --set model.classes=2"):
        datasets.for_recipe(recipe(1000), "train", tmp_path)
    with pytest.raises(InputError, match="pass --data DIR with"):
        datasets.for_recipe(recipe(), "train", None)


def decoded(path, channels=3):
    """What `ImageFiles` gives of one file of 32x32 pixels or more."""
    return ImageFiles([path], FolderConfig(size=32, channels=channels))[:][0]


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bit_grey_keeps_its_high_byte(tmp_path, channels):
    ramp = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    Image.fromarray((ramp >> 8).astype(np.uint8)).save(tmp_path / "flat.png")
    found, expected = (decoded(tmp_path / f"{name}.png", channels) for name in ("deep", "flat"))
    np.testing.assert_array_equal(found, expected)
    assert found.max() - found.min() > 150  # clipping would leave white


@pytest.mark.parametrize(
    ("mode", "name", "colour"),
    [
        ("1", "a.png", 1),
        ("L", "a.png", 90),
        ("P", "a.png", 3),
        ("LA", "a.png", (90, 0)),
        ("RGBA", "a.png", (10, 200, 30, 0)),
        ("CMYK", "a.jpg", (20, 100, 30, 40)),
        ("RGB", "a.webp", (200, 10, 30)),
        ("RGB", "a.bmp", (200, 10, 30)),
    ],
)
def test_every_other_pixel_format_is_what_pillow_converts(tmp_path, mode, name, colour):
    image = Image.new(mode, (40, 40), colour)
    if mode == "P":
        image.putpalette([k % 256 for k in range(40, 40 + 768)])
    image.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    with Image.open(tmp_path / name) as again:
        expected = again.convert("RGB").getpixel((5, 5))
    assert tuple(decoded(tmp_path / name)[:, 7, 7]) == expected
    assert decoded(tmp_path / name, channels=1).shape == (1, 32, 32)


def _rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_exif_rotation_is_not_applied(tmp_path):
    halves = np.zeros((64, 64, 3), np.uint8)
    halves[:, 32:] = 255
    Image.fromarray(halves).save(tmp_path / "r.jpg", exif=_rotated(), quality=95)
    pixels = decoded(tmp_path / "r.jpg")
    assert pixels[:, :, :8].mean() < 20
    assert pixels[:, :, -8:].mean() > 235


def test_only_the_named_decoders_are_asked(tmp_path, monkeypatch):
    picture(0, 0).save(tmp_path / "a.png", format="EPS")
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("a program was run"))
    for kind in ("EPS", "GIF", "TIFF", "PPM", "ICO"):
        picture(0, 0).save(tmp_path / "a.png", format=kind)
        with pytest.raises(InputError, match=r"a\.png' must be readable as JPEG, PNG, BMP, WEBP"):
            decoded(tmp_path / "a.png")
    picture(0, 0).save(tmp_path / "a.png", format="JPEG")  # as one of ImageNet's is
    assert decoded(tmp_path / "a.png").shape == (3, 32, 32)


@pytest.mark.parametrize(
    ("size", "rule"),
    [
        ((8193, 8192), "must have 1..67108864 pixels, not 8193x8192"),
        ((10_000, 9_000), "must have at most 67108864 pixels"),
        ((30_000, 30_000), "must have at most 67108864 pixels"),
        ((8000, 8000), "on data.workers threads must fit 0.1 GiB"),
    ],
)
def test_an_image_that_is_too_large_is_refused_before_it_is_decoded(
    tmp_path, size, rule, monkeypatch
):
    header = struct.pack(">IIBBBBB", *size, 1, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    (tmp_path / "big.png").write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    monkeypatch.setenv("ADQHW_MEMORY", "0.1")
    monkeypatch.setattr(ImageFiles, "_pixels", lambda *_: pytest.fail("decoded"))
    with pytest.raises(InputError, match=r"big\.png.*" + rule.replace("..", r"\.\.")):
        decoded(tmp_path / "big.png")


def test_damaged_images_are_refused(tmp_path):
    for kind in ("PNG", "JPEG", "BMP", "WEBP"):
        picture(0, 0).save(tmp_path / "a", format=kind)
        whole = (tmp_path / "a").read_bytes()
        for share in (0.0, 0.02, 0.3, 0.7):
            (tmp_path / "a.png").write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(InputError, match=r"a\.png' must be readable"):
                decoded(tmp_path / "a.png")
