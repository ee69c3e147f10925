"""`adqhw calibrate`: program, JSON, table, refusals."""

import json

import numpy as np
import pytest
import torch
from image_folders import picture
from safetensors.torch import save_file
from typer.testing import CliRunner

from adqhw.adq.data import datasets
from adqhw.adq.models.build import build
from adqhw.adq.recipes.config_text import override
from adqhw.adq.recipes.recipes import get
from adqhw.adq.runs import checkpoint
from adqhw.cli import app
from adqhw.flows.engines import run_in_steps, top1
from adqhw.spec.program_file import load


def call(*arguments):
    return CliRunner().invoke(app, ["calibrate", *(str(a) for a in arguments)])


def refused(result, *words):
    """Exit code 2 and nothing but one line on standard error, which holds `words`."""
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert result.exit_code == 2, (result.output, result.exception)
    assert len(lines) == 1, lines
    assert all(word in lines[0] for word in words), lines[0]
    assert result.stdout == ""


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A float checkpoint of digits; what it classifies does not matter here."""
    torch.manual_seed(0)
    recipe = override(get("digits_resnet8_float"), ["model.width=4"])
    model = build(recipe)
    path = tmp_path_factory.mktemp("float") / "checkpoint.safetensors"
    state = checkpoint.Checkpoint(recipe=recipe, step=1, epoch=1, model=model.state_dict())
    checkpoint.save(state, path)
    return path


def test_json_tells_what_the_program_does(weights, tmp_path):
    out = tmp_path / "program.safetensors"
    result = call(
        "--init", weights, "-o", out, "--weight-width", 8, "--act-width", 8, "--images", 50,
        "--measure", 100, "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    record, program = json.loads(result.stdout), load(out)
    assert record["digest"] == program.digest
    assert record["average_weight_bits"] == 8.0
    assert record["calibration"]["images"] == 50
    assert [layer["name"] for layer in record["calibration"]["layers"]] == [
        layer.name for layer in program.layers
    ]
    measured = record["measured"]
    assert measured["images"] == 100
    assert measured["agreement"] > 90
    test = datasets.load("digits", "test")
    chosen = np.arange(100) * len(test) // 100
    logits = run_in_steps("golden", program, test.images[chosen]).logits
    assert measured["program_top1"] == top1(logits, test.labels[chosen])


def test_a_recipe_and_its_fields_can_be_named(weights, tmp_path):
    out = tmp_path / "program.safetensors"
    result = call(
        "digits_resnet8_adq", "--init", weights, "-o", out, "--set", "model.width=4", "--set",
        'quant.widths={"layer1.0.conv1": 2}', "--set", "quant.method.weights=lsq", "--images", 20,
        "--measure", 0, "--rounding", "nearest",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "calibrated on 20 images" in result.stderr
    assert "layer1.0.conv1" in result.stderr
    widths = {layer.name: getattr(layer, "weight_width", None) for layer in load(out).layers}
    assert (widths["layer1.0.conv1"], widths["layer1.0.conv2"]) == (2, 4)


def test_a_foreign_network_and_a_folder_of_pictures(tmp_path):
    recipe = override(
        get("imagenet_resnet18_float"), ["model.width=4", "model.classes=12", "train.device=cpu"]
    )
    torch.manual_seed(1)
    state = {k: v for k, v in build(recipe).state_dict().items()
             if ".output." not in k and ".quantizer." not in k}  # fmt: skip
    save_file(state, tmp_path / "net.safetensors")
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(8):
        picture(i, i % 2).save(folder / f"{i:03}_n.jpg")
    result = call(
        "--init", tmp_path / "net.safetensors", "--data", folder, "--labels", "name", "-o",
        tmp_path / "out.safetensors", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["calibration"]["images"] == record["measured"]["images"] == 4
    assert record["measured"]["float_top1"] is not None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "x"], ("--init must be given",)),
        (["--init", "W"], ("--out must be given",)),
        (["--init", "W", "-o", "x", "--images", 0], ("--images must be at least 1",)),
        (["--init", "W", "-o", "x", "--measure", -1], ("--measure must be at least 0",)),
        (["--init", "W", "-o", "x", "--weight-width", 9], ("quant.weight_width", "in 2..8")),
        (["--init", "W", "-o", "x", "--act-width", 9], ("quant.act_width", "in 1..8")),
        (["--init", "W", "-o", "x", "--rounding", "up"], ("rounding", "'up'")),
        (["--init", "W", "-o", "x", "--labels", "folder"], ("--labels", "folder")),
        (["--init", "W", "-o", "x", "--labels", "name"], ("--labels must go with",)),
        (["--init", "missing", "-o", "x"], ("missing",)),
        (["cifar10_resnet20_adq", "--init", "W", "-o", "x"], ("must fit the recipe",)),
    ],
)
def test_bad_options_are_one_line(weights, arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = call(*(weights if a == "W" else a for a in arguments))
    refused(result, *words)
    assert not (tmp_path / "x").exists()


def test_weights_of_no_network_are_refused(tmp_path):
    save_file({"a.weight": torch.zeros(3)}, tmp_path / "odd.safetensors")
    refused(call("--init", tmp_path / "odd.safetensors", "-o", tmp_path / "x"), "--init")
