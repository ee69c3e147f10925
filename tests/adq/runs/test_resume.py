"""Resume: a run stopped anywhere ends with the same bytes as a run that was not stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_runs import TOTAL_STEPS, Stop, StopAt, contents, tiny

from adqhw.adq.runs import checkpoint
from adqhw.adq.training import trainer
from adqhw.spec.errors import InputError


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Float weights that the ADQ runs of this file start from."""
    folder = tmp_path_factory.mktemp("float")
    trainer.train(tiny("digits_resnet8_float"), folder)
    return folder / "checkpoint.safetensors"


@pytest.mark.parametrize("name", ["digits_resnet8_float", "digits_resnet8_adq"])
def test_stopped_at_any_step_ends_with_the_same_files(tmp_path, name, weights):
    recipe = tiny(name)
    trainer.train(recipe, tmp_path / "whole", init=weights)
    expected = contents(tmp_path / "whole")
    assert set(expected) == {"checkpoint.safetensors", "best.safetensors", "metrics.jsonl"}
    for last in range(1, TOTAL_STEPS + 2):
        folder = tmp_path / str(last)
        with pytest.raises(Stop):
            trainer.train(recipe, folder, init=weights, observer=StopAt(last))
        trainer.train(recipe, folder, existing="resume")
        assert contents(folder) == expected, f"stopped at step {last}"


def test_resume_of_a_finished_run_changes_nothing_and_reports_it(tmp_path, weights):
    recipe = tiny("digits_resnet8_adq", "train.epochs=1")
    first = trainer.train(recipe, tmp_path, init=weights)
    before = contents(tmp_path)
    assert trainer.train(recipe, tmp_path, existing="resume") == first
    assert contents(tmp_path) == before


def test_resume_refuses_another_recipe_and_names_the_field(tmp_path, weights):
    trainer.train(tiny("digits_resnet8_adq", "train.epochs=1"), tmp_path, init=weights)
    before = contents(tmp_path)
    changed = tiny("digits_resnet8_adq", "train.epochs=1", "optim.lr=0.5")
    with pytest.raises(InputError, match=r"optim\.lr.*0\.5"):
        trainer.train(changed, tmp_path, existing="resume")
    assert contents(tmp_path) == before


def test_resume_continues_a_run_whose_widths_were_allocated(tmp_path, weights):
    recipe = tiny("digits_resnet8_adq", "quant.average_weight_bits=3.0")
    trainer.train(recipe, tmp_path / "whole", init=weights)
    with pytest.raises(Stop):
        trainer.train(recipe, tmp_path / "part", init=weights, observer=StopAt(5))
    trainer.train(recipe, tmp_path / "part", existing="resume")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


OTHER_QUANTIZERS = [
    ("quant.method.ema=count", "quant.method.ema_period=3", "quant.method.per_channel=true"),
    ("quant.method.weights=post", "quant.method.activations=asq"),
    ("quant.method.weights=apot", "quant.method.activations=pact", "quant.method.dead=split"),
    ("quant.method.weights=lsq", "quant.method.activations=lsq"),
]


@pytest.mark.parametrize("changes", OTHER_QUANTIZERS, ids=lambda x: x[0].partition("=")[2])
def test_resume_is_exact_with_other_quantizers(tmp_path, weights, changes):
    recipe = tiny("digits_resnet8_adq", *changes)
    trainer.train(recipe, tmp_path / "whole", init=weights)
    for last in (4, 7):  # before and after the freeze
        folder = tmp_path / str(last)
        with pytest.raises(Stop):
            trainer.train(recipe, folder, init=weights, observer=StopAt(last))
        trainer.train(recipe, folder, existing="resume")
        assert contents(folder) == contents(tmp_path / "whole")


def test_damaged_checkpoint_is_refused_and_kept(tmp_path, weights):
    recipe = tiny("digits_resnet8_adq", "train.epochs=1")
    trainer.train(recipe, tmp_path, init=weights)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-7])
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"checkpoint\.safetensors"):
        trainer.train(recipe, tmp_path, existing="resume")
    assert contents(tmp_path) == before


KILLED = [
    "model.width=4",
    "train.epochs=2",
    "data.limit=640",
    "train.log_steps=1",
    "train.checkpoint_steps=4",
    "quant.freeze_fraction=0.5",
]
"""2 x 10 steps of the digits recipe."""


def command(folder: Path, weights: Path) -> list[str]:
    changes = [word for change in KILLED for word in ("--set", change)]
    words = ["train", "digits_resnet8_adq", "--init", str(weights), "--out", str(folder)]
    return [sys.executable, "-m", "adqhw.cli", *words, "--resume", "--json", *changes]


def logged_steps(folder: Path) -> int:
    try:
        lines = (folder / "metrics.jsonl").read_bytes().split(b"\n")[:-1]
        return max((json.loads(line)["step"] for line in lines), default=0)
    except FileNotFoundError:
        return 0


def writing(folder: Path) -> bool:
    return logged_steps(folder) > 4 and any(folder.glob(".checkpoint.safetensors.*"))


def kill_when(folder: Path, weights: Path, moment: Callable[[], bool]) -> None:
    """Start the run, SIGKILL it at `moment`, and require that it had not ended by itself."""
    process = subprocess.Popen(
        command(folder, weights), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300  # seconds, but for a machine that does much else
    while not moment():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.0002)
    process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_killed_processes_resume_to_the_same_weights(tmp_path, weights):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole_run = subprocess.run(command(whole, weights), capture_output=True, text=True, check=True)
    assert json.loads(whole_run.stdout)["steps"] == 20
    kill_when(killed, weights, lambda: logged_steps(killed) >= 2)
    kill_when(killed, weights, lambda: writing(killed))
    kill_when(killed, weights, lambda: logged_steps(killed) >= 15)
    last = subprocess.run(command(killed, weights), capture_output=True, text=True, check=True)
    assert contents(killed) == contents(whole)
    digests = {checkpoint.load(f / "checkpoint.safetensors").digest for f in (whole, killed)}
    assert len(digests) == 1
    expected = json.loads(whole_run.stdout)
    result = json.loads(last.stdout)
    assert all(result[key] == expected[key] for key in ("steps", "validation_top1", "test_top1"))
