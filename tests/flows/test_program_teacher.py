"""A program as teacher: logits in real units; one that does not fit the data is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import frozen_network, tiny_images
from tiny_runs import Stop, StopAt, contents, tiny

from adqhw.adq.export.export import export
from adqhw.adq.training import trainer
from adqhw.flows.program_teacher import teacher_of
from adqhw.spec import golden
from adqhw.spec.errors import InputError
from adqhw.spec.program_file import load, save

RECIPE = tiny("digits_resnet8_float", "distill.mode=kl")


@pytest.fixture(scope="module")
def model():
    return frozen_network(classes=10, mean=(0.3,), std=(0.2,))


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    found = tmp_path_factory.mktemp("program") / "program.safetensors"
    save(export(model), found)
    return found


def test_it_answers_what_the_network_says(model, path):
    images = torch.as_tensor(tiny_images(16, 3, 1))
    taught = teacher_of(RECIPE, path).logits(images)
    with torch.no_grad():
        wanted = model(images)
    torch.testing.assert_close(taught, wanted, rtol=1e-4, atol=1e-4)
    program = load(path)
    step = program.provenance["logit_step"]
    exact = golden.run(program, images.numpy()).logits.astype(np.float32) * np.float32(step)
    np.testing.assert_array_equal(taught.numpy(), exact)


def test_other_files_are_left_to_the_trainer(tmp_path):
    other = tmp_path / "weights.safetensors"
    other.write_bytes(b"not a program")
    assert teacher_of(RECIPE, other) == other
    assert teacher_of(RECIPE, None) is None


def test_a_program_without_the_unit_of_its_logits_is_refused(path, tmp_path):
    program = load(path)
    old = tmp_path / "old.safetensors"
    save(replace(program, provenance={}), old)
    with pytest.raises(InputError, match=r"logit_step > 0\), not None: export it again"):
        teacher_of(RECIPE, old)


def test_a_program_of_other_classes_is_refused(tmp_path):
    other = tmp_path / "other.safetensors"
    save(export(frozen_network(classes=3, mean=(0.3,), std=(0.2,))), other)
    with pytest.raises(
        InputError, match=r"\(channels, height, width, classes\) \(1, 8, 8, 10\), not"
    ):
        teacher_of(RECIPE, other)


def test_a_resumed_run_has_the_same_teacher(path, tmp_path):
    trainer.train(RECIPE, tmp_path / "whole", teacher=teacher_of(RECIPE, path))
    taught = teacher_of(RECIPE, path)
    with pytest.raises(Stop):
        trainer.train(RECIPE, tmp_path / "part", teacher=taught, observer=StopAt(5))
    trainer.train(RECIPE, tmp_path / "part", teacher=teacher_of(RECIPE, path), existing="resume")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")
