"""`adqhw import`: what it prints, writes and refuses."""

import json

import onnx
import pytest
from typer.testing import CliRunner

from adqhw.app import app
from adqhw.exchange.dialects import import_model
from adqhw.spec.program_file import load
from tests.support.models.onnx_nets import Net, cnv, deeploy


@pytest.fixture
def files(tmp_path):
    for name, build in (("integers", deeploy), ("cnv", cnv)):
        net = Net(3)
        output, shape = build(net)
        onnx.save(net.model(shape, output), tmp_path / f"{name}.onnx")
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(app, ["import", *map(str, arguments)])


def test_record(files):
    out = files / "net.safetensors"
    done = run(files / "cnv.onnx", "-o", out, "--dialect", "qonnx", "--json")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    program = load(out)
    assert record["digest"] == program.digest
    assert [x["name"] for x in record["layers"]] == [x.name for x in program.layers]
    assert sum(record["stages"].values()) == sum(x["stage"] is not None for x in record["layers"])
    assert "* 2 - 1, then round(x / 0.0078125 + 0) by ROUND" in record["input"]["encoding"]
    assert len(record["result"]["scaling"]["scale"]) == 10
    assert program.provenance["import"]["dialect"] == "qonnx"


def test_text_names_the_input_the_result_and_the_layers(files):
    done = run(files / "integers.onnx", "-o", files / "a.safetensors", "--dialect", "deeploy")
    assert done.exit_code == 0
    for words in ("requant", "input x (3, 8, 10)", "result", "wrote", "in thresholds"):
        assert words in done.output


@pytest.mark.parametrize(
    ("name", "dialect", "words"),
    [
        ("integers.onnx", "qonnx", "must be deeploy"),
        ("cnv.onnx", "tflite-reference", "not a TFLite file"),
        ("cnv.onnx", "nonsense", "Dialect must be one of"),
        ("absent.onnx", "qonnx", "must be a file"),
    ],
)
def test_refusals_are_one_line_and_nothing_is_written(files, name, dialect, words):
    out = files / "net.safetensors"
    done = run(files / name, "-o", out, "--dialect", dialect)
    assert done.exit_code == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("adqhw:")]
    assert len(lines) == 1
    assert words in lines[0]
    assert not out.exists()


def test_the_python_face_gives_the_same_program(files):
    out = files / "net.safetensors"
    assert run(files / "cnv.onnx", "-o", out, "--dialect", "qonnx").exit_code == 0
    assert import_model(files / "cnv.onnx", "qonnx").program.digest == load(out).digest
