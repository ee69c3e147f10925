"""A user's own modules through the whole trainer: float, quantized, resumed, exported."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from own_data import digits_arrays, write_npz
from tiny_runs import Stop, StopAt
from torch.utils.data import TensorDataset
from user_modules import Vgg

from adqhw.adq.data import datasets
from adqhw.adq.export.compare import compare_codes
from adqhw.adq.export.export import export
from adqhw.adq.models.build import restored
from adqhw.adq.models.init import Init
from adqhw.adq.recipes.config_text import override
from adqhw.adq.recipes.recipes import get
from adqhw.adq.runs import checkpoint
from adqhw.adq.training import trainer
from adqhw.sim.runner import Runner
from adqhw.spec import golden
from adqhw.spec.errors import InputError

FAST = ["train.epochs=1", "train.batch_size=32", "train.threads=1", "train.device=cpu",
        "quant.calibration_images=64", "optim.warmup_steps=0"]  # fmt: skip
PIXELS, LABELS = digits_arrays(300)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with a user's modules and data."""
    source = Path(__file__).parents[2] / "support" / "nets" / "user_modules.py"
    shutil.copy(source, tmp_path / "nets.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    write_npz(tmp_path / "digits.npz", images=PIXELS, labels=LABELS)
    return tmp_path


def recipe(name, factory="nets.py:Vgg", arguments=(), *changes):
    own = ["model.arch=own", f"model.factory={factory}"]
    listed = "[" + ", ".join(f'"{argument}"' for argument in arguments) + "]"
    return override(get(name), [*own, f"model.arguments={listed}", *FAST, *changes])


def last(folder):
    return checkpoint.load(Path(folder) / "checkpoint.safetensors")


def check_program(state, data, images=16):
    """Zero differences: graph, golden and Numba."""
    model = restored(state, "Checkpoint").eval()
    program = export(model)
    test = datasets.for_recipe(state.recipe, "test", data).take(images)
    compared = compare_codes(model, program, test.images[:], test.labels)
    assert max(compared.differing.values()) == 0
    expected = golden.run(program, test.images[:]).logits
    np.testing.assert_array_equal(Runner(program)(test.images[:]), expected)
    return program


NETS = {
    "Vgg": (),
    "BranchedResNet": (),
    "DsCnn": ("classes=10",),
    "MobileNetV2": ("ins=1",),
}


@pytest.mark.parametrize(
    "name", [n if n == "Vgg" else pytest.param(n, marks=pytest.mark.slow) for n in NETS]
)
def test_float_quantized_and_exported(here, name):
    data = here / "digits.npz"
    if name == "DsCnn":  # features 49 x 10
        images = np.pad(PIXELS.repeat(6, 2), ((0, 0), (0, 0), (0, 1), (1, 1)))
        write_npz(data, images=images / 60.0 - 2, labels=LABELS, scale=1 / 60, zero_point=120)
    own = (f"nets.py:{name}", NETS[name])
    trainer.train(recipe("own_float", *own), "float", data_folder=data)
    state = last("float")
    assert state.recipe.model.digest
    assert set(torch.load(saved(here, name), weights_only=True)) <= set(state.model)
    # after one epoch of float training MobileNet's norms are far from their weights
    changes = ["quant.average_weight_bits=3.0"] if name == "Vgg" else ["optim.lr=0.001"]
    adq = recipe("own_adq", *own, *changes)
    init = here / "float" / "checkpoint.safetensors"
    trainer.train(adq, "adq", data_folder=data, init=init)
    program = check_program(last("adq"), data)
    assert program.input_shape == state.recipe.model.image


def saved(here, name):
    """The state of the user's module in a torch file."""
    import user_modules

    arguments = {"DsCnn": {"classes": 10}, "MobileNetV2": {"ins": 1}}.get(name, {})
    torch.save(getattr(user_modules, name)(**arguments).state_dict(), here / "plain.pth")
    return here / "plain.pth"


def test_a_resumed_run_ends_with_the_same_weights(here):
    """Vgg has a dropout: its masks are functions of (seed, step), too."""
    data, steps = here / "digits.npz", ["train.epochs=2", "train.checkpoint_steps=2"]
    run = recipe("own_float", "nets.py:Vgg", (), *steps)
    trainer.train(run, "whole", data_folder=data)
    with pytest.raises(Stop):
        trainer.train(run, "cut", data_folder=data, observer=StopAt(5))
    trainer.train(run, "cut", data_folder=data, existing="resume")
    assert last("cut").digest == last("whole").digest


def test_weights_of_the_module_are_loaded_under_its_own_names(here):
    torch.manual_seed(1)
    net = Vgg(classes=3)
    lightning = {"state_dict": {f"model.{k}": v for k, v in net.state_dict().items()}}
    for number, record in enumerate((net.state_dict(), lightning)):
        torch.save(record, here / "w.pth")
        notes = []

        class Notes(trainer.Observer):
            def note(self, text, kept=notes):
                kept.append(text)

        run = recipe("own_float", "nets.py:Vgg", (), "optim.lr=1e-30", "optim.weight_decay=0")
        with pytest.raises(InputError, match=r"--new-head starts the classifier anew"):
            trainer.train(run, f"no{number}", data_folder="digits.npz", init=here / "w.pth")
        init = Init(path=here / "w.pth", new_head=True)
        trainer.train(run, f"r{number}", data_folder="digits.npz", init=init, observer=Notes())
        state = last(f"r{number}").model
        torch.testing.assert_close(state["features.0.weight"], net.features[0].weight.data)
        assert state["classifier.3.weight"].shape == (10, 32)
        assert "new head: classifier.3.bias (10,), classifier.3.weight (10, 32)" in notes[0]


def test_code_that_changed_is_refused(here):
    run = recipe("own_float")
    trainer.train(run, "run", data_folder="digits.npz")
    text = (here / "nets.py").read_text()
    (here / "nets.py").write_text(text.replace('width, 3, padding="same"', "width, 1"))
    with pytest.raises(InputError, match="must make the layers that were trained"):
        restored(last("run"), "Checkpoint")
    with pytest.raises(InputError, match=r"model\.digest is|the layers that were trained"):
        trainer.train(run, "run", data_folder="digits.npz", existing="resume")
    (here / "nets.py").unlink()
    with pytest.raises(InputError, match="must be a module in the current folder"):
        restored(last("run"), "Checkpoint")


def test_too_few_outputs_and_maps_are_refused(here):
    with pytest.raises(
        InputError, match=r"must have 10 outputs, one per class, not 3.*--model-arg"
    ):
        trainer.train(recipe("own_float", "nets.py:Vgg", ["classes=3"]), "a",
                      data_folder="digits.npz")  # fmt: skip
    (here / "maps.py").write_text(
        "from torch import nn\ndef make(): return nn.Sequential(nn.Conv2d(1, 10, 1))\n"
    )
    with pytest.raises(InputError, match=r"must give logits \(N, classes\)"):
        trainer.train(recipe("own_float", "maps.py:make"), "b", data_folder="digits.npz")
    with pytest.raises(InputError, match=r"model\.arch must be own with --model only"):
        override(get("own_float"), ["model.arch=own"])


def test_features_without_a_map_and_data_sets_of_python(here):
    (here / "mlp.py").write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(),\n"
        "                         nn.Linear(16, 10))\n"
    )
    data = TensorDataset(torch.from_numpy(PIXELS.reshape(-1, 64)), torch.from_numpy(LABELS))
    trainer.train(recipe("own_float", "mlp.py:make"), "mlp", data={"train": data})
    assert last("mlp").recipe.model.image == (64, 1, 1)
    assert "2.weight" in last("mlp").model
