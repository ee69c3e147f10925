"""Distillation: loss against its formula, teachers from files, resume."""

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save
from tiny_runs import Stop, StopAt, contents, tiny

from adqhw.adq.recipes.config import DistillConfig
from adqhw.adq.runs import checkpoint
from adqhw.adq.training import trainer
from adqhw.adq.training.distill import Teacher, distillation_loss, load_teacher
from adqhw.spec.errors import InputError


def logits(seed: int) -> torch.Tensor:
    return torch.randn(6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


LABELS = torch.tensor([0, 1, 2, 3, 4, 0])


def test_kl_mode_is_the_weighted_sum_of_the_paper():
    student, master = logits(0), logits(1)
    config = DistillConfig(mode="kl", weight=0.3, temperature=4.0)
    p, q = (master / 4).softmax(1), (student / 4).softmax(1)
    divergence = (p * (p / q).log()).sum(1).mean()
    hard = -student.log_softmax(1)[torch.arange(6), LABELS].mean()
    expected = 0.7 * hard + 0.3 * 16 * divergence
    torch.testing.assert_close(distillation_loss(student, LABELS, master, config), expected)


def test_soft_mode_ignores_the_labels():
    student, master = logits(0), logits(1)
    config = DistillConfig(mode="soft")
    expected = -(master.softmax(1) * student.log_softmax(1)).sum(1).mean()
    for labels in (LABELS, LABELS.flip(0)):
        torch.testing.assert_close(distillation_loss(student, labels, master, config), expected)


def test_a_student_equal_to_its_teacher_has_no_gradient_from_it():
    student = logits(0).requires_grad_()
    config = DistillConfig(mode="kl", weight=1.0)
    distillation_loss(student, LABELS, student.detach(), config).backward()
    torch.testing.assert_close(student.grad, torch.zeros_like(student))


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    """A float run of the digits: weights to start from and the teacher in one."""
    folder = tmp_path_factory.mktemp("teacher")
    trainer.train(tiny("digits_resnet8_float"), folder)
    return folder / "checkpoint.safetensors"


def test_resume_with_a_teacher_ends_with_the_same_files(tmp_path, teacher):
    recipe = tiny("digits_resnet8_adq", "distill.mode=kl")
    sources = {"init": teacher, "teacher": teacher}
    trainer.train(recipe, tmp_path / "whole", **sources)
    with pytest.raises(Stop):
        trainer.train(recipe, tmp_path / "part", **sources, observer=StopAt(5))
    trainer.train(recipe, tmp_path / "part", teacher=teacher, existing="resume")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")
    trainer.train(tiny("digits_resnet8_adq"), tmp_path / "alone", init=teacher)
    digests = {checkpoint.load(tmp_path / f / "checkpoint.safetensors").digest
               for f in ("whole", "alone")}  # fmt: skip
    assert len(digests) == 2


def test_the_teacher_answers_in_its_own_mode_and_learns_nothing(tmp_path, teacher):
    recipe = tiny("digits_resnet8_adq", "distill.mode=soft")
    master = load_teacher(recipe, teacher)
    assert not master.model.training
    assert not any(p.requires_grad for p in master.model.parameters())
    images = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert master.logits(images).shape == (2, 10)


def test_wrong_teachers_are_refused(tmp_path, teacher):
    recipe = tiny("digits_resnet8_adq", "distill.mode=kl")
    with pytest.raises(InputError, match="pass --teacher FILE"):
        trainer.train(recipe, tmp_path / "a", init=teacher)
    with pytest.raises(InputError, match=r"must go with distill\.mode kl or soft, not off"):
        trainer.train(tiny("digits_resnet8_adq"), tmp_path / "b", init=teacher, teacher=teacher)
    with pytest.raises(InputError, match=r"must have .* \(3, 32, 32, 10\), not \(1, 8, 8, 10\)"):
        load_teacher(tiny("cifar10_resnet20_adq", "distill.mode=kl", "train.epochs=1"), teacher)
    trainer.train(recipe, tmp_path / "c", init=teacher, teacher=teacher)
    other = tmp_path / "other"
    trainer.train(tiny("digits_resnet8_float", "train.seed=5"), other)
    with pytest.raises(InputError, match="--teacher must be the one of the run"):
        trainer.train(
            recipe, tmp_path / "c", teacher=other / "checkpoint.safetensors", existing="resume"
        )


def test_bad_configuration_is_refused():
    for change in ({"mode": "hard"}, {"weight": 1.5}, {"temperature": 0.0}):
        with pytest.raises(InputError, match=f"distill.{next(iter(change))} must be"):
            DistillConfig(**change)


def test_answers_are_kept_for_the_next_run(tmp_path, teacher, monkeypatch):
    recipe = tiny("digits_resnet8_adq", "distill.mode=kl")
    sources = {"init": teacher, "teacher": teacher}
    trainer.train(recipe, tmp_path / "asked", **sources)
    trainer.train(recipe, tmp_path / "kept", **sources, answers=tmp_path / "answers")
    files = sorted((tmp_path / "answers").rglob("*"))
    assert [f.name for f in files[1:]] == ["epoch0000.safetensors", "epoch0001.safetensors"]
    whole = [f.read_bytes() for f in files[1:]]
    with monkeypatch.context() as patch:
        patch.setattr(Teacher, "logits", None)  # asking again would fail
        trainer.train(recipe, tmp_path / "read", **sources, answers=tmp_path / "answers")
    assert (
        contents(tmp_path / "asked") == contents(tmp_path / "kept") == contents(tmp_path / "read")
    )
    # cut short; one number changed in a file that is whole; another epoch's answers
    tensors = load_file(files[2])
    tensors["logits"][3, 1] += 1.0
    spoilt = (whole[0][:50], _with_metadata(tensors, files[2]), whole[0])
    for k, (path, content) in enumerate(zip((files[1], files[2], files[2]), spoilt, strict=True)):
        path.write_bytes(content)
        heard = Heard()
        folder = tmp_path / f"again{k}"
        options = {"answers": tmp_path / "answers", "observer": heard}
        trainer.train(recipe, folder, **sources, **options)
        assert contents(folder) == contents(tmp_path / "asked")
        assert [path.name in line for line in heard.notes] == [True]
        assert [f.read_bytes() for f in files[1:]] == whole  # and kept anew


class Heard(trainer.Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def _with_metadata(tensors, path):
    with safe_open(path, "pt") as stream:
        return save(tensors, metadata=stream.metadata())


def test_answers_of_other_batches_are_not_taken(tmp_path, teacher):
    sources = {"init": teacher, "teacher": teacher, "answers": tmp_path / "answers"}
    for seed in (0, 3):
        recipe = tiny("digits_resnet8_adq", "distill.mode=kl", f"train.seed={seed}")
        trainer.train(recipe, tmp_path / str(seed), **sources)
    assert len(list((tmp_path / "answers").iterdir())) == 2
