"""`adqhw export-onnx`: files by format, and refusals in one line that leave nothing behind."""

import json

import numpy as np
import programs
import pytest
from onnx_engines import onnx_session
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.exchange.writers import graph as graphs
from adqhw.exchange.writers.export import ExportFormat, export_program
from adqhw.spec import golden
from adqhw.spec.errors import InputError
from adqhw.spec.program import INPUT
from adqhw.spec.program_file import save


@pytest.fixture
def source(tmp_path):
    program = programs.second_version(0)
    save(program, tmp_path / "program.safetensors")
    return tmp_path / "program.safetensors"


def command(*arguments):
    return CliRunner().invoke(app, ["export-onnx", *map(str, arguments)])


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("p.onnx", [], "onnx"),
        ("p.npz", [], "npz"),
        ("p.NPZ", [], "npz"),
        ("p.onnx", ["--format", "qonnx"], "qonnx"),
        ("p.bin", ["--format", "onnx"], "onnx"),
    ],
)
def test_format_of_a_file(source, name, options, expected):
    out = source.parent / name
    result = command(source, "-o", out, *options, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert (record["format"], record["bytes"]) == (expected, out.stat().st_size)
    assert record["digest"] == programs.second_version(0).digest
    assert sorted(path.name for path in source.parent.iterdir()) == sorted([source.name, name])


def test_the_file_is_what_onnxruntime_runs(source):
    out = source.parent / "p.onnx"
    assert command(source, "-o", out).exit_code == 0
    program = programs.second_version(0)
    images = programs.random_images(program, 3)
    found = onnx_session(out.read_bytes()).run(None, {INPUT: images})[0]
    np.testing.assert_array_equal(found, golden.run(program, images).logits)


@pytest.mark.parametrize("kind", [ExportFormat.ONNX, ExportFormat.QONNX, ExportFormat.NPZ])
def test_equal_programs_give_equal_files(tmp_path, kind):
    first, second = (
        export_program(programs.every_kind(0), tmp_path / name, format=kind) for name in "ab"
    )
    assert first == second
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("p.txt", [], "Output file must end in .onnx, .npz or .tflite, or --format must be"),
        (
            "p.onnx",
            ["--format", "tflite"],
            "Format must be one of onnx, qonnx, npz, tflite-micro, tflite-micro-lut, not 'tflite'",
        ),
        ("folder", ["--format", "onnx"], "Output must be a file or a pipe, not a folder"),
        ("program.safetensors/p.onnx", [], "Output file must be writable"),
    ],
)
def test_refusals(source, out, options, message):
    (source.parent / "folder").mkdir()
    before = sorted(source.parent.rglob("*"))
    result = command(source, "-o", source.parent / out, *options)
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("adqhw: ")
    assert message in lines[0]
    assert sorted(source.parent.rglob("*")) == before


def test_a_program_that_is_none_is_refused(tmp_path):
    wrong = tmp_path / "p.safetensors"
    wrong.write_bytes(b"no program")
    result = command(wrong, "-o", tmp_path / "p.onnx")
    assert result.exit_code == 2
    assert len(result.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "p.onnx").exists()


@pytest.mark.parametrize("kind", [ExportFormat.ONNX, ExportFormat.QONNX])
def test_a_model_too_large_for_protobuf_keeps_the_old_file(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(graphs, "MAX_BYTES", 1000)
    out = tmp_path / "p.onnx"
    out.write_bytes(b"old")
    with pytest.raises(InputError, match=r"Model must take at most 1,000 bytes .protobuf's limit."):
        export_program(programs.every_kind(0), out, format=kind)
    assert out.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["p.onnx"]


def test_weights_beyond_the_memory_budget_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("ADQHW_MEMORY", "0.000001")
    with pytest.raises(InputError, match="Weights of the largest layer"):
        export_program(programs.every_kind(0), tmp_path / "p.onnx")


@pytest.mark.parametrize("kind", ["onnx", "qonnx"])
def test_an_export_is_not_imported(source, kind):
    out, back = source.parent / "p.onnx", source.parent / "back.safetensors"
    assert command(source, "-o", out, "--format", kind).exit_code == 0
    result = CliRunner().invoke(app, ["import", str(out), "-o", str(back), "--dialect", "deeploy"])
    assert result.exit_code == 2
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1
    assert f"export of the adqhw program '{programs.second_version(0).digest}" in lines[0]
    assert not back.exists()
