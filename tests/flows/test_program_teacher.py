"""A program as teacher: logits in real units; one that does not fit the data is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from networks import frozen_network, tiny_images
from tiny_runs import Stop, StopAt, contents, tiny

from adqhw.adq.export.export import export
from adqhw.adq.training import trainer
from adqhw.adq.training.distill import load_teacher
from adqhw.flows.program_teacher import teacher_of, teachers_of
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


def test_several_teachers_answer_with_the_mean_of_their_logits(path, tmp_path):
    weights = tmp_path / "float"
    trainer.train(tiny("digits_resnet8_float"), weights)
    paths = [path, weights / "checkpoint.safetensors"]
    images = tiny_images(9, 3, 1)
    both = teachers_of(RECIPE, paths)
    alone = [load_teacher(RECIPE, teacher_of(RECIPE, p)).logits(images) for p in paths]
    torch.testing.assert_close(both.logits(images), (alone[0] + alone[1]) / 2)
    turned = teachers_of(RECIPE, paths[::-1])
    assert both.digest == turned.digest  # the order is none of a run's
    assert torch.equal(both.logits(images), turned.logits(images))
    assert teachers_of(RECIPE, paths[:1]).digest != both.digest
    assert teachers_of(RECIPE, []) is None
    assert teachers_of(RECIPE, paths[1:]) == paths[1]


def test_a_teacher_named_twice_or_without_distillation_is_refused(path):
    with pytest.raises(InputError, match="--teacher must name different networks, not one twice"):
        teachers_of(RECIPE, [path, path])
    plain = tiny("digits_resnet8_float")
    with pytest.raises(InputError, match=r"must go with distill\.mode kl or soft, not off"):
        load_teacher(plain, teachers_of(plain, [path, path]))
