"""What the data says of a network, and what it must not contradict."""

import numpy as np
import pytest
from image_folders import make_folder
from own_data import digits_arrays, write_npz

from adqhw.adq.data import datasets
from adqhw.adq.data.decided import decided, measured
from adqhw.adq.recipes.config_text import from_dict, override, to_dict
from adqhw.adq.recipes.recipes import get
from adqhw.spec.errors import InputError

PIXELS, LABELS = digits_arrays(200)


def test_arrays_say_classes_image_and_normalization(tmp_path):
    path = write_npz(tmp_path / "d.npz", images=PIXELS, labels=LABELS % 7)
    recipe = decided(get("own_float"), path)
    model = recipe.model
    assert (recipe.data.name, model.classes, model.image) == ("npz", 7, (1, 8, 8))
    train = datasets.for_recipe(recipe, "train", path)
    assert model.mean[0] == pytest.approx(train.images.mean() / 255, abs=1e-4)
    assert model.std[0] == pytest.approx(train.images.std() / 255, abs=1e-4)
    assert decided(recipe, path) == recipe
    assert from_dict(type(recipe), to_dict(recipe)) == recipe


def test_features_keep_their_values(tmp_path):
    arrays = {"images": PIXELS / 50 - 1, "labels": LABELS, "scale": 0.02, "zero_point": 50}
    path = write_npz(tmp_path / "d.npz", **arrays)
    recipe = decided(get("own_float"), path)
    codes = datasets.for_recipe(recipe, "test", path).images.astype(float)
    seen = (codes / 255 - recipe.model.mean[0]) / recipe.model.std[0]
    np.testing.assert_allclose(seen, (codes - 50) * 0.02, atol=1e-12)


def test_another_data_set_replaces_what_a_recipe_says_of_its_own(tmp_path):
    path = write_npz(tmp_path / "d.npz", images=PIXELS, labels=LABELS % 3)
    recipe = override(get("cifar10_resnet20_float"), ["data.name=npz"])
    assert recipe.model.undecided == ("classes", "image", "mean", "std")
    assert decided(recipe, path).model.image == (1, 8, 8)
    kept = override(get("cifar10_resnet20_float"), ["data.name=npz", "model.classes=5"])
    assert decided(kept, path).model.classes == 5
    same = override(get("cifar10_resnet20_float"), ["data.name=cifar10"])
    assert same == get("cifar10_resnet20_float")


def test_contradictions_are_refused(tmp_path):
    path = write_npz(tmp_path / "d.npz", images=PIXELS, labels=LABELS)
    for change, message in (
        ("model.classes=3", r"classes 0\.\.2, not"),
        ("model.image=[3, 8, 8]", r"model\.image \(3, 8, 8\)"),
    ):
        recipe = override(get("own_float"), ["data.name=npz", change])
        with pytest.raises(InputError, match=message):
            decided(recipe, path)


def test_kinds_of_data_are_recognized(tmp_path):
    make_folder(tmp_path / "pictures")
    with pytest.raises(InputError, match=r"model\.image must be set for image files"):
        decided(get("own_float"), tmp_path / "pictures")
    recipe = override(get("own_float"), ["model.image=[3, 20, 30]"])
    found = decided(recipe, tmp_path / "pictures")
    assert (found.data.name, found.model.classes) == ("imagefolder", 2)
    assert found.model.mean == (0.485, 0.456, 0.406)
    shown = datasets.for_recipe(found, "test", tmp_path / "pictures").images[:2]
    assert shown.shape == (2, 3, 20, 30)
    digits = decided(override(get("own_float"), ["data.name=digits"]))
    assert digits.model.image == (1, 8, 8)
    with pytest.raises(InputError, match="Data must be given: pass --data"):
        decided(get("own_float"))
    with pytest.raises(InputError, match="must hold cifar-10-batches-py"):
        decided(get("own_float"), tmp_path)


def test_a_constant_channel_has_a_deviation(tmp_path):
    images = np.concatenate([PIXELS, np.full_like(PIXELS, 9)], 1)
    path = write_npz(tmp_path / "d.npz", images=images, labels=LABELS)
    recipe = decided(get("own_float"), path)
    assert recipe.model.std[1] == 1.0
    assert recipe.model.mean[1] == round(9 / 255, 4)
    assert measured(datasets.for_recipe(recipe, "train", path))[1][1] == 1.0
