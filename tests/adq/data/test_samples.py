"""Images to calibrate and to measure with."""

import numpy as np
import pytest
from image_folders import make_folder, picture

from adqhw.adq.data.samples import Samples, halves
from adqhw.adq.recipes.config_text import override
from adqhw.adq.recipes.recipes import get
from adqhw.spec.errors import InputError

RECIPE = override(
    get("imagenet_resnet18_adq281"),
    ["model.image=[3, 32, 32]", "model.classes=20", "data.workers=1"],
)


def pictures(folder, names):
    for index, name in enumerate(names):
        picture(index, index % 2).save(folder / name, format="JPEG")
    return folder


def test_a_flat_folder_is_split_by_turns(tmp_path):
    names = ["012_a.jpg", "3.jpg", "007x.jpeg", "19_b.jpg", "0005_c.jpg"]
    folder = pictures(tmp_path, names)
    (folder / "notes.txt").write_text("no picture")
    first, second = halves(RECIPE, folder, "name")
    assert [path.name for path in first.images.paths] == ["0005_c.jpg", "012_a.jpg", "3.jpg"]
    assert [path.name for path in second.images.paths] == ["007x.jpeg", "19_b.jpg"]
    assert first.labels.tolist() == [5, 12, 3]
    assert second.labels.tolist() == [7, 19]
    assert first.images[:].shape == (3, 3, 32, 32)
    assert halves(RECIPE, folder, "none")[0].labels is None


def test_classes_in_folders_give_their_splits(tmp_path):
    make_folder(tmp_path)
    recipe = override(RECIPE, ["model.classes=2"])
    first, second = halves(recipe, tmp_path, "none")
    assert (len(first), len(second)) == (10, 12)
    assert not set(first.images.paths) & set(second.images.paths)
    with pytest.raises(InputError, match="--labels"):
        halves(recipe, tmp_path, "name")


def test_chosen_images_are_spread_evenly():
    samples = Samples(images=np.zeros((10, 1, 2, 2), np.uint8), labels=np.arange(10))
    assert samples.spread(4).labels.tolist() == [0, 2, 5, 7]
    assert samples.spread(None) is samples
    assert samples.spread(11) is samples
    with pytest.raises(InputError, match="at least 1, not 0"):
        samples.spread(0)


@pytest.mark.parametrize(
    ("names", "labels", "message"),
    [
        ([], "none", "must hold images"),
        (["a.jpg"], "none", "at least 2 images, not 1"),
        (["1.jpg", "b.jpg"], "name", "must begin with its class 0..19"),
        (["1.jpg", "20_b.jpg"], "name", "must begin with its class 0..19"),
    ],
)
def test_folders_that_do_not_fit_are_refused(tmp_path, names, labels, message):
    pictures(tmp_path, names)
    with pytest.raises(InputError, match=message):
        halves(RECIPE, tmp_path, labels)


def test_a_folder_must_be_there(tmp_path):
    with pytest.raises(InputError, match="--data must be a folder"):
        halves(RECIPE, tmp_path / "none", "none")
