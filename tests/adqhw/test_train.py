"""`adqhw train` and `adqhw export`: JSON, files, and refusals, on tiny runs of the digits."""

import json
import resource

import numpy as np
import pytest
from typer.testing import CliRunner

from adqhw.adq.data import datasets
from adqhw.adq.runs import checkpoint
from adqhw.cli import app
from adqhw.spec import golden
from adqhw.spec.program_file import load

TINY = ["data.limit=128", "train.batch_size=32", "train.epochs=2", "model.width=4"]


def call(*arguments, tiny=True):
    changes = [word for change in TINY if tiny for word in ("--set", change)]
    return CliRunner().invoke(app, [*(str(a) for a in arguments), *changes])


def refused(result, *words):
    """Exit code 2 and nothing but one line on standard error, which holds `words`."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert result.exit_code == 2, (result.output, result.exception)
    assert len(lines) == 1, lines
    assert all(word in lines[0] for word in words), lines[0]
    assert result.stdout == ""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder with a float run and the ADQ run made from it."""
    folder = tmp_path_factory.mktemp("runs")
    assert call("train", "digits_resnet8_float", "--out", folder / "float").exit_code == 0
    init = folder / "float" / "checkpoint.safetensors"
    done = call("train", "digits_resnet8_adq", "--init", init, "--out", folder / "adq", "--json")
    (folder / "adq.json").write_text(done.stdout)
    return folder


def test_train_json_is_one_object_and_names_the_checkpoint(runs):
    result = json.loads((runs / "adq.json").read_text())
    assert result["recipe"] == "digits_resnet8_adq"
    assert result["steps"] == 8
    state = checkpoint.load(result["checkpoint"])
    assert state.finished
    assert state.metrics["final"]["test_top1"] == result["test_top1"]
    assert state.metrics["init"] is not None


def test_list_shows_recipes_with_their_fields():
    result = call("train", "--list", "--json", tiny=False)
    recipes = json.loads(result.stdout)
    assert recipes["cifar10_resnet20_adq"]["train"]["epochs"] == 2
    shown = call("train", "--list", tiny=False)
    assert "optim.momentum=0.9" in shown.stderr
    assert shown.stdout == ""


def test_train_refuses_bad_input_in_one_line(runs, tmp_path):
    out = ("--out", tmp_path / "x")
    refused(call("train", tiny=False), "Recipe must be named")
    refused(call("train", "digits_resnet9", tiny=False), "Recipe must be a known one")
    refused(call("train", "digits_resnet8_float", *out, "--set", "optim.lr=x"), "optim.lr")
    refused(call("train", "cifar10_resnet20_adq", *out, tiny=False), "--data DIR")
    missing = ("--data", tmp_path / "nowhere")
    refused(call("train", "cifar10_resnet20_adq", *out, *missing, tiny=False), "nowhere")
    refused(call("train", "digits_resnet8_adq", *out), "pass --init")
    again = call("train", "digits_resnet8_float", "--out", runs / "float")
    refused(again, "must be without an earlier run", "--resume")
    (tmp_path / "file").write_text("in the way")
    unwritable = ("--out", tmp_path / "file" / "run")
    refused(call("train", "digits_resnet8_float", *unwritable), "must be writable")


def test_export_writes_the_program_and_compares_it(runs, tmp_path):
    source, target = runs / "adq" / "checkpoint.safetensors", tmp_path / "p.safetensors"
    done = call("export", source, "-o", target, "--images", 40, "--json", tiny=False)
    record = json.loads(done.stdout)
    program = load(target)
    assert record["digest"] == program.digest
    assert program.provenance["dataset"] == "digits"
    assert program.provenance["checkpoint"] == checkpoint.load(source).digest
    assert program.average_weight_bits == 4
    test = datasets.load("digits", "test").take(40)
    right = golden.run(program, test.images).logits.argmax(1) == test.labels
    compared = record["comparison"]
    assert compared["top1"]["integer"] == pytest.approx(100 * np.mean(right))
    assert compared["images"] == 40
    assert list(compared["differing_codes"]) == [layer.name for layer in program.layers]
    # the graph is evaluated with the constants of the program, in float64
    assert max(compared["differing_codes"].values()) <= 1e-4
    assert compared["largest_difference"]["conv1"] <= 1


def test_export_without_room_is_one_line_and_leaves_the_old_program(runs, tmp_path):
    source, target = runs / "adq" / "checkpoint.safetensors", tmp_path / "p.safetensors"
    target.write_bytes(b"before")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        done = call("export", source, "-o", target, "--images", 2, "--json", tiny=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    refused(done, "must have room on its disk", "p.safetensors")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"before"]


def test_export_prints_a_table_for_people(runs, tmp_path):
    source, target = runs / "adq" / "checkpoint.safetensors", tmp_path / "p.safetensors"
    done = call("export", source, "-o", target, "--images", 10, tiny=False)
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "codes that differ" in done.stderr
    assert "layer3.0.conv2" in done.stderr
    assert "top-1: graph" in done.stderr


def test_export_refuses_bad_input_and_writes_nothing(runs, tmp_path):
    target = tmp_path / "p.safetensors"
    float_run = runs / "float" / "checkpoint.safetensors"
    adq_run = runs / "adq" / "checkpoint.safetensors"
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(adq_run.read_bytes()[:-1])
    refused(call("export", float_run, "-o", target, tiny=False), "must be of an ADQ run")
    refused(call("export", damaged, "-o", target, tiny=False), "damaged.safetensors")
    refused(call("export", adq_run, "-o", target, "--images", 0, tiny=False), "in 1..359, not 0")
    state = checkpoint.load(adq_run)
    early = {n: t.zero_() if n.endswith("frozen") else t for n, t in state.model.items()}
    unfinished = checkpoint.Checkpoint(recipe=state.recipe, step=3, epoch=0, model=early)
    checkpoint.save(unfinished, tmp_path / "early.safetensors")
    result = call("export", tmp_path / "early.safetensors", "-o", target, tiny=False)
    refused(result, "frozen codebooks", "--resume")
    (tmp_path / "file").write_text("in the way")
    refused(call("export", adq_run, "-o", tmp_path / "file" / "p", tiny=False), "writable")
    assert not target.exists()
    names = {"damaged.safetensors", "early.safetensors", "file"}
    assert {path.name for path in tmp_path.iterdir()} == names
