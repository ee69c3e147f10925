"""What is said of a loss that rises above that of the start."""

import math

from tiny_runs import tiny

from adqhw.adq.training import trainer
from adqhw.adq.training.watch import RISE, WINDOW, LossWatch


def said(losses):
    watch = LossWatch()
    return [text for step, loss in enumerate(losses, 1) if (text := watch(step, loss, 0.03))]


def test_a_loss_that_falls_or_wavers_is_no_news():
    assert said([3.0 / (1 + 0.01 * k) for k in range(300)]) == []
    assert said([1.0 + 0.9 * math.sin(k) for k in range(300)]) == []
    assert said([1.0] * WINDOW + [9.0]) == []  # one batch
    assert said([9.0] * (WINDOW - 1)) == []


def test_a_loss_that_rises_is_told_once_with_its_figures():
    (text,) = said([2.6] * WINDOW + [7.7] * 100)
    assert text.startswith("loss rose from 2.6 (steps 1 to 20) to 5.")
    assert "at a rate of 0.03" in text
    assert "optim.lr" in text
    assert len(said([1.0] * WINDOW + [RISE * 1.01] * WINDOW)) == 1


class Notes(trainer.Observer):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_a_run_whose_rate_forgets_its_start_says_so(tmp_path):
    recipe = tiny("digits_resnet8_float", "train.epochs=20", "data.limit=640")
    quiet, heard = Notes(), Notes()
    trainer.train(recipe, tmp_path / "tame", observer=quiet)
    assert not quiet.notes
    init = tmp_path / "tame" / "checkpoint.safetensors"
    rates = "optim.lr=3", "optim.warmup_steps=60"
    wild = tiny("digits_resnet8_float", "train.epochs=20", "data.limit=640", *rates)
    trainer.train(wild, tmp_path / "wild", init=init, observer=heard)
    assert [text for text in heard.notes if "loss rose from" in text]
