"""A run that starts from a quantized one keeps its learned ranges."""

import pytest
import torch
from tiny_runs import tiny

from adqhw.adq.runs import checkpoint
from adqhw.adq.training import preparation, trainer
from adqhw.adq.training.carry import carry_quantizers


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A quantized run of the digits, its thresholds moved away from where they began."""
    folder = tmp_path_factory.mktemp("carry")
    trainer.train(tiny("digits_resnet8_float"), folder / "float")
    recipe = tiny("digits_resnet8_adq", "optim.lr=0.05", "optim.quantizer_lr_factor=1")
    trainer.train(recipe, folder / "w4", init=folder / "float" / "checkpoint.safetensors")
    return folder / "w4" / "checkpoint.safetensors"


def start(path, *changes):
    recipe = tiny("digits_resnet8_adq", *changes)
    data = trainer.datasets.load("digits", "train")
    return preparation.prepare(recipe, data, path, lambda text: None).model


def test_equal_widths_are_copied(trained):
    model, state = start(trained), checkpoint.load(trained).model
    own = {n: t for n, t in model.state_dict().items() if ".output." in n}
    assert own
    assert all(torch.equal(t, state[n]) for n, t in own.items())


def test_another_width_spreads_over_the_learned_range(trained):
    model, state = start(trained, "quant.act_width=2"), checkpoint.load(trained).model
    act = model.get_submodule("layer1.0.act1").output
    name = "layer1.0.act1.output"
    learned = state[f"{name}.lengths"].sum() / state[f"{name}.gain"]
    assert len(act.lengths) == 3
    torch.testing.assert_close(act.lengths.detach().sum() / act.gain.detach(), learned)
    torch.testing.assert_close(act.start.detach(), state[f"{name}.start"])


def test_float_weights_carry_nothing(tmp_path, trained):
    float_run = trained.parents[1] / "float" / "checkpoint.safetensors"
    assert preparation.learned_quantizers(float_run) == {}
    assert carry_quantizers(start(float_run), {}) == []
