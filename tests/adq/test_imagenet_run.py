"""End to end on a small image folder: ResNet-18 at 2.81 average bits, into an exact program."""

import numpy as np
import pytest
from image_folders import make_folder

from adqhw.adq.data import datasets
from adqhw.adq.export.export import export
from adqhw.adq.integers import integer
from adqhw.adq.recipes.config_text import override
from adqhw.adq.recipes.recipes import get
from adqhw.adq.runs import checkpoint
from adqhw.adq.training import preparation, trainer
from adqhw.flows.engines import top1
from adqhw.sim import engine
from adqhw.spec import golden

SMALL = (
    "model.image=[3, 64, 64]",
    "model.classes=3",
    "model.width=8",
    "data.workers=2",
    "train.batch_size=8",
    "train.device=cpu",
    "train.threads=1",
    "train.checkpoint_steps=2",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    return make_folder(root, images=9, classes=("ant", "bee", "cow"))


@pytest.fixture(scope="module")
def float_run(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("float")
    recipe = override(
        get("imagenet_resnet18_float"),
        [*SMALL, "train.epochs=8", "optim.warmup_steps=2", "optim.lr=0.05"],
    )
    trainer.train(recipe, out, data_folder=folder)
    return out / "checkpoint.safetensors"


def quantized(*more):
    return override(
        get("imagenet_resnet18_adq281"),
        [*SMALL, "train.epochs=2", "optim.warmup_steps=2", "quant.calibration_images=24",
         "quant.lloyd_steps=2", *more],
    )  # fmt: skip


def test_resnet18_at_281_average_bits_becomes_an_exact_program(folder, float_run, tmp_path):
    result = trainer.train(quantized(), tmp_path, data_folder=folder, init=float_run)
    state = checkpoint.load(tmp_path / "checkpoint.safetensors")
    model = preparation.build(state.recipe)
    model.load_state_dict(state.model)
    program = export(model.eval())
    assert set(state.recipe.quant.widths.values()) <= {2, 3, 4}
    assert len(set(state.recipe.quant.widths.values())) > 1
    assert 2.7 < program.average_weight_bits <= 2.81
    assert (tmp_path / "allocation.json").exists()
    test = datasets.for_recipe(state.recipe, "test", folder)
    images = test.images[:]
    results = [run(program, images, "all") for run in (golden.run, integer.run, engine.run)]
    for found in results[1:]:
        for name, codes in results[0].tensors.items():
            np.testing.assert_array_equal(found.tensors[name], codes, err_msg=name)
    assert top1(results[0].logits, test.labels) == pytest.approx(result["test_top1"])
    assert result["test_top1"] > 50  # three classes of stripes


def test_a_killed_run_on_files_resumes_exactly(folder, float_run, tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    trainer.train(quantized(), whole, data_folder=folder, init=float_run)

    class Killed(BaseException):
        pass

    class Kills(trainer.Observer):
        def step(self, *, step, loss, lr):
            if step == 3:
                raise Killed

    with pytest.raises(Killed):
        trainer.train(quantized(), broken, data_folder=folder, init=float_run, observer=Kills())
    trainer.train(quantized(), broken, data_folder=folder, init=float_run, existing="resume")
    ends = [checkpoint.load(path / "checkpoint.safetensors").model for path in (whole, broken)]
    for name, tensor in ends[0].items():
        assert tensor.equal(ends[1][name]), name
