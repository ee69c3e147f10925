"""Data sets of Python code: tensors, arrays and Pillow images, and what is refused."""

import numpy as np
import pytest
import torch
from own_data import Items, digits_arrays
from PIL import Image
from tiny_runs import tiny
from torch.utils.data import TensorDataset

from adqhw.adq.data import torch_items
from adqhw.adq.recipes.config import DataConfig
from adqhw.adq.runs import checkpoint
from adqhw.adq.training import trainer
from adqhw.spec.errors import InputError

CONFIG = DataConfig(name="torch")
PIXELS, LABELS = digits_arrays(150)
FORMS = {
    "tensor": torch.from_numpy,
    "array": lambda image: image[0],
    "pillow": lambda image: Image.fromarray(image[0]),
    "divided": lambda image: torch.from_numpy(image).float() / 255,
    "half": lambda image: torch.from_numpy(image).double() / 255,
}


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_images_give_the_same_codes(form):
    codes = torch_items.load({"train": Items(PIXELS, LABELS, FORMS[form])}, CONFIG)
    plain = torch_items.load({"train": TensorDataset(*map(torch.from_numpy, (PIXELS, LABELS)))},
                             CONFIG)  # fmt: skip
    for split, images in plain.images.items():
        np.testing.assert_array_equal(codes.images[split], images)
        np.testing.assert_array_equal(codes.labels[split], plain.labels[split])


def test_the_trainer_takes_data_sets(tmp_path):
    recipe = tiny("own_float", "train.epochs=1", "train.threads=1")
    train, test = Items(PIXELS[:100], LABELS[:100]), Items(PIXELS[100:], LABELS[100:])
    done = trainer.train(recipe, tmp_path / "run", data={"train": train, "test": test})
    state = checkpoint.load(tmp_path / "run" / "checkpoint.safetensors")
    assert done["steps"] == state.step > 0
    assert state.recipe.data.name == "torch"
    assert state.recipe.model.image == (1, 8, 8)
    assert state.recipe.model.classes == 10
    resumed = trainer.train(
        recipe, tmp_path / "run", data={"train": train, "test": test}, existing="resume"
    )
    assert resumed == done


class Endless:
    def __getitem__(self, index):
        return PIXELS[0], 1


def random_item(image):
    return torch.from_numpy(image).float() + torch.rand(1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"test": Items(PIXELS, LABELS)}, "train at least, not"),
        ({"train": Items(PIXELS, LABELS), "dev": None}, "named train, validation, test"),
        ({"train": Endless()}, "must have a length"),
        ({"train": Items([], [])}, "at least one item"),
        ({"train": Items(PIXELS, LABELS, random_item)}, "same item 0 whenever it is read"),
        ({"train": Items(PIXELS, LABELS / 2)}, "whole number as label"),
        ({"train": Items(PIXELS, LABELS - 5)}, r"classes 0\.\.99999, not -"),
        ({"train": Items(PIXELS, LABELS, lambda x: x.astype(int))}, "uint8 or float values"),
        ({"train": Items(PIXELS, LABELS, lambda x: "text")}, "a tensor, an array or a Pillow"),
        ({"train": Items(PIXELS, LABELS, lambda x: x / 0.0)}, "finite|stated"),
        ({"train": Items([*PIXELS[:9], PIXELS[9][:, :4]], LABELS[:10])}, "one shape.* at index 9"),
        ({"train": Items(PIXELS, LABELS, lambda x: 1 // 0)}, "item 0 must be readable: ZeroDiv"),
        ({"train": Items(PIXELS, LABELS, lambda x: torch.zeros(2, 2, 2, 2))}, r"image \(C, H, W\)"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_is_wrong_is_named_in_one_line(given, message):
    with pytest.raises(InputError, match=message) as caught:
        torch_items.load(given, CONFIG)
    assert "\n" not in str(caught.value)
