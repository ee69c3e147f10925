"""Our own networks on maps that are not square, and with a new head on given weights."""

import numpy as np
import pytest
import torch
from foreign_weights import foreign_state
from own_data import digits_arrays, write_npz
from safetensors.torch import save_file
from tiny_runs import tiny

from adqhw.adq.data import datasets
from adqhw.adq.export.compare import compare_codes
from adqhw.adq.export.export import export
from adqhw.adq.models.build import build, restored
from adqhw.adq.models.init import Init, load_init, told
from adqhw.adq.recipes.config_text import override
from adqhw.adq.recipes.recipes import get
from adqhw.adq.runs import checkpoint
from adqhw.adq.training import trainer
from adqhw.sim.runner import Runner
from adqhw.spec import golden
from adqhw.spec.errors import InputError

PIXELS, LABELS = digits_arrays(120)


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_digits_of_8_x_6_through_training_and_export(tmp_path, shortcut):
    data = write_npz(tmp_path / "d.npz", images=PIXELS[:, :, :, 1:7], labels=LABELS)
    changes = [f"model.shortcut={shortcut}", "train.epochs=1", "train.threads=1"]
    changes += ["train.device=cpu"]
    trainer.train(tiny("own_float", *changes), tmp_path / "f", data_folder=data)
    init = tmp_path / "f" / "checkpoint.safetensors"
    trainer.train(tiny("own_adq", *changes), tmp_path / "q", data_folder=data, init=init)
    state = checkpoint.load(tmp_path / "q" / "checkpoint.safetensors")
    assert state.recipe.model.image == (1, 8, 6)
    model = restored(state, "Checkpoint").eval()
    program = export(model)
    assert program.input_shape == (1, 8, 6)
    test = datasets.for_recipe(state.recipe, "test", data)
    compared = compare_codes(model, program, test.images[:], test.labels)
    assert max(compared.differing.values()) == 0
    logits = Runner(program)(test.images[:8])
    np.testing.assert_array_equal(logits, golden.run(program, test.images[:8]).logits)


@pytest.mark.parametrize(
    ("arch", "image", "last"), [("cifar", [1, 49, 10], (13, 3)), ("resnet18", [3, 96, 40], (3, 2))]
)
def test_maps_have_the_sizes_of_the_image(arch, image, last):
    norm = [f"model.mean={[0.5] * image[0]}", f"model.std={[1.0] * image[0]}", "model.width=4"]
    changes = [f"model.arch={arch}", f"model.image={image}", *norm, "model.classes=12"]
    model = build(override(get("own_float"), changes)).eval()
    assert model.config.input_shape == tuple(image)
    assert next(node for node in model.nodes if node.name == "pool").kernel == last
    with torch.no_grad():
        assert model(torch.zeros(2, *image, dtype=torch.uint8)).shape == (2, 12)


def digits(classes):
    changes = [f"model.classes={classes}", "model.image=[3,8,8]", "model.mean=[0,0,0]"]
    return build(override(get("own_float"), [*changes, "model.std=[1,1,1]", "model.width=4"]))


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_a_new_head_takes_everything_but_the_classifier(tmp_path, kind):
    state, path = foreign_state(False), tmp_path / f"w.{kind}"
    if kind == "pth":
        torch.save({"state_dict": {f"backbone.{n}": t for n, t in state.items()}}, path)
    else:
        save_file(state, path)
    with pytest.raises(InputError, match=r"'fc\.\w+' must be \(2.*--new-head starts the class"):
        load_init(digits(2), path)
    model = digits(2)
    before = model.state_dict()["fc.weight"].clone()
    init = Init(path=path, new_head=True)
    load_init(model, init)
    assert torch.equal(model.state_dict()["conv1.weight"], state["conv1.weight"])
    assert torch.equal(model.state_dict()["fc.weight"], before)
    assert "new head: fc.bias (2,), fc.weight (2, 16) start anew" in told(model, init)[0]
    assert told(model, path) == []


def test_a_new_head_needs_no_head_in_the_file(tmp_path):
    state = {n: t for n, t in foreign_state(False).items() if not n.startswith("linear")}
    torch.save(state, tmp_path / "w.pth")
    load_init(digits(3), Init(path=tmp_path / "w.pth", new_head=True))
    with pytest.raises(InputError, match=r"must have a tensor 'fc\.bias'"):
        load_init(digits(3), tmp_path / "w.pth")


def test_what_the_data_decides_must_be_decided_before_there_is_a_network():
    with pytest.raises(InputError, match=r"model\.classes must be set, or decided from data"):
        build(get("own_float"))
