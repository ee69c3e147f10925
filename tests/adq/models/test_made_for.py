"""What a file of weights is of, and what `--init` says where the recipe is of another network."""

import shlex
from itertools import pairwise

import pytest
import torch
from foreign_weights import foreign_state
from safetensors.torch import save_file

from adqhw.adq.models.build import build
from adqhw.adq.models.init import load_init, told
from adqhw.adq.networks.pretrained import APOT_MEAN, APOT_STD
from adqhw.adq.recipes.config_text import override
from adqhw.adq.recipes.recipes import get
from adqhw.adq.runs import checkpoint
from adqhw.spec.errors import InputError

IMAGENET = "model.mean=[0.485,0.456,0.406]", "model.std=[0.229,0.224,0.225]"


def recipe(*changes):
    small = ("model.width=4", "model.classes=5", "model.image=[3,8,8]", *IMAGENET)
    return override(get("own_float"), [*small, *changes])


def settings(text):
    """The `--set` options of a line."""
    words = shlex.split(text)
    return [value for flag, value in pairwise(words) if flag == "--set"]


@pytest.fixture(name="projected")
def weights_with_projections(tmp_path):
    save_file(foreign_state(True), tmp_path / "b.safetensors")
    return tmp_path / "b.safetensors"


def test_the_options_that_a_refusal_names_fit(projected):
    with pytest.raises(InputError, match=r"not have a tensor '.*downsample.*; it fits with ") as no:
        load_init(build(recipe()), projected)
    fitting = settings(str(no.value).partition("it fits with")[2])
    assert fitting == [
        "model.shortcut=B",
        "model.mean=[0.491,0.482,0.447]",
        "model.std=[0.247,0.243,0.262]",
    ]
    model = build(recipe(*fitting))
    load_init(model, projected)
    assert (model.config.mean, model.config.std) == (APOT_MEAN, APOT_STD)
    assert told(model, projected) == []


def test_another_width_alone_leaves_the_scale_of_pixels(projected):
    other = build(recipe("model.width=8", "model.shortcut=B"))
    with pytest.raises(InputError, match=r"it fits with --set model\.width=4$"):
        load_init(other, projected)


def test_published_weights_behind_a_recipe_s_own_scale_are_told(projected):
    [line] = told(build(recipe("model.shortcut=B")), projected)
    assert settings(line) == ["model.mean=[0.491,0.482,0.447]", "model.std=[0.247,0.243,0.262]"]
    chosen = ("model.mean=[0.3,0.3,0.3]", "model.std=[0.1,0.1,0.1]")
    assert told(build(recipe("model.shortcut=B", *chosen)), projected) == []


def test_what_is_not_such_a_network_gets_no_advice(tmp_path):
    save_file({"weight": torch.zeros(2, 2)}, tmp_path / "odd.safetensors")
    with pytest.raises(InputError) as no:
        load_init(build(recipe()), tmp_path / "odd.safetensors")
    assert "it fits" not in str(no.value)


@pytest.fixture(name="trained")
def checkpoint_of_another_scale(tmp_path):
    made = recipe("model.mean=[0.1,0.2,0.3]", "model.std=[0.5,0.5,0.5]", "model.depth=14")
    path = tmp_path / "c.safetensors"
    model = build(made).state_dict()
    checkpoint.save(checkpoint.Checkpoint(recipe=made, step=0, epoch=0, model=model), path)
    return path


def test_a_checkpoint_names_its_own_settings(trained):
    with pytest.raises(InputError, match=r"it fits with --set model\.depth=14$"):
        load_init(build(recipe()), trained)
    [line] = told(build(recipe("model.depth=14")), trained)
    assert "than those of the checkpoint" in line
    assert settings(line) == ["model.mean=[0.1,0.2,0.3]", "model.std=[0.5,0.5,0.5]"]
    model = build(recipe("model.depth=14", *settings(line)))
    load_init(model, trained)
    assert told(model, trained) == []
