"""Training in two processes under torchrun (gloo): as one process, but for rounding."""

import json
import os
import subprocess
import sys

import pytest
import torch
from places import SUPPORT
from tiny_runs import TINY, contents, tiny

from adqhw.adq.runs import checkpoint
from adqhw.adq.training import trainer
from adqhw.adq.training.schedule import Schedule
from adqhw.spec.errors import InputError

pytestmark = pytest.mark.skipif(os.name != "posix", reason="gloo and SIGKILL")
TOLERANCE = 1e-5
"""Of weights, momenta and losses after 8 steps. Sums are split between the processes, hence rounded
otherwise (measured: 6e-7); a code that rounding moves over a threshold would show as 1e-3."""


def torchrun(*words, processes=2, **environment) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes)]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(
        [*command, *(str(word) for word in words)],
        capture_output=True,
        text=True,
        timeout=600,
        env=variables,
        check=False,
    )


def arguments(name, folder, *changes):
    settings = [word for change in (*TINY, *changes) for word in ("--set", change)]
    return ("train", name, "--out", folder, *settings)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("float")
    trainer.train(tiny("digits_resnet8_float"), folder)
    return folder / "checkpoint.safetensors"


@pytest.fixture(scope="module")
def two(tmp_path_factory, weights):
    """Folder of an ADQ run in two processes."""
    folder = tmp_path_factory.mktemp("two") / "run"
    words = arguments("digits_resnet8_adq", folder, "optim.average=0.5")
    done = torchrun("-m", "adqhw.cli", *words, "--init", weights, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["steps"] == 8  # one object: the first process tells
    return folder


def losses(folder):
    lines = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def assert_close(folder, other, tolerance=TOLERANCE):
    a, b = (checkpoint.load(x / "checkpoint.safetensors") for x in (folder, other))
    for kind in ("model", "momentum", "extra"):
        ours, theirs = getattr(a, kind), getattr(b, kind)
        assert set(ours) == set(theirs)
        for name, tensor in ours.items():
            torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=tolerance, msg=name)
    assert losses(folder) == pytest.approx(losses(other), abs=tolerance)


def test_two_processes_end_where_one_does(tmp_path, weights, two):
    recipe = tiny("digits_resnet8_adq", "optim.average=0.5")
    trainer.train(recipe, tmp_path, init=weights)
    assert_close(two, tmp_path)


def test_a_dead_rank_stops_the_run_and_resume_is_exact(tmp_path, weights, two):
    folder = tmp_path / "run"
    words = arguments("digits_resnet8_adq", folder, "optim.average=0.5")
    dead = torchrun(SUPPORT / "runs" / "dying_rank.py", *words, "--init", weights, DIE_AT="5")
    assert dead.returncode != 0
    ours = [line for line in dead.stderr.splitlines() if line.startswith("adqhw: ")]
    assert len(ours) == 1, dead.stderr
    assert ours[0].startswith("adqhw: Rank ")
    assert "the last checkpoint is intact" in ours[0]
    assert "--resume" in ours[0]
    assert checkpoint.load(folder / "checkpoint.safetensors").step == 4
    with pytest.raises(InputError, match=r"in 2 processes \(torchrun --nproc-per-node 2\), not 1"):
        trainer.train(tiny("digits_resnet8_adq", "optim.average=0.5"), folder, existing="resume")
    again = torchrun("-m", "adqhw.cli", *words, "--resume")
    assert again.returncode == 0, again.stderr
    assert contents(folder) == contents(two)


@pytest.mark.slow
def test_without_shared_statistics_ranks_are_the_parts_of_a_batch(tmp_path, weights):
    words = arguments("digits_resnet8_adq", tmp_path / "two", "train.sync_batch_norm=false")
    done = torchrun("-m", "adqhw.cli", *words, "--init", weights)
    assert done.returncode == 0, done.stderr
    recipe = tiny("digits_resnet8_adq", "train.accumulate=2")
    trainer.train(recipe, tmp_path / "one", init=weights)
    # running statistics differ: those of the first part there, of both parts here
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=TOLERANCE)


def test_what_ranks_do_together(tmp_path):
    done = torchrun(SUPPORT / "runs" / "rank_checks.py", tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert (first["part"], second["part"]) == ([0, 1, 2], [3, 4])
    for record in (first, second):
        assert record["count"] == 2
        assert record["total"] == 4.0
        assert record["decided"] == "by rank 0"
        assert record["refused"] == "only the first rank says so"
        assert record["same"] == ""
        assert "must be the same on all 2 ranks, not ['0', '1']" in record["different"]
        assert max(record["batch_norm"].values()) < 1e-5, record["batch_norm"]
        if sys.platform == "linux":
            # a thread that lives when the interpreter ends aborts the rank now and then
            assert record["threads_before"]
            assert record["threads_after"] == []


def test_a_batch_must_have_an_image_for_every_process():
    recipe = tiny("digits_resnet8_float", "train.batch_size=59")
    assert Schedule.of(recipe, 60, 1).epoch == 2
    with pytest.raises(InputError, match="an image for each of 2 processes, not 1"):
        Schedule.of(recipe, 60, 2)
