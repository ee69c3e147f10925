"""Inputs that are refused, each with the line that says why: the rows of docs/refusals.md."""

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import chdir
from pathlib import Path

import refused_modules
import refused_onnx
import torch
from typer.testing import CliRunner

import adqhw
from adqhw.cli import app
from adqhw.spec.errors import InputError

ONNX = {
    "memory (LSTM)": (refused_onnx.lstm, "onnxruntime"),
    "control flow (If)": (refused_onnx.branch, "onnxruntime"),
    "control flow (Loop)": (refused_onnx.loop, "onnxruntime"),
    "an unknown operator": (refused_onnx.operator, "onnxruntime"),
    "an unknown domain": (refused_onnx.domain, "onnxruntime"),
    "an opset of the future": (refused_onnx.opset, "onnxruntime"),
    "a cycle": (refused_onnx.cyclic, "onnxruntime"),
    "weights that are missing": (refused_onnx.missing, "onnxruntime"),
    "weights outside the file": (refused_onnx.external, "onnxruntime"),
    "a float network": (refused_onnx.floats, "onnxruntime"),
    "scales computed at run time": (refused_onnx.dynamic_quantization, "onnxruntime"),
    "dynamic height and width": (refused_onnx.dynamic_shape, "onnxruntime"),
    "codes of 16 bits": (refused_onnx.wide_bits, "qonnx"),
    "sums beyond 32 bits": (refused_onnx.integer_sums, "deeploy"),
    "another dialect": (refused_onnx.wide_bits, "deeploy"),
    "a dialect that nobody speaks": (refused_onnx.wide_bits, "klingon"),
    "half of a file": (refused_onnx.truncated, "deeploy"),
    "a text": (refused_onnx.text, "onnxruntime"),
    "an empty file": (refused_onnx.empty, "onnxruntime"),
    "TFLite's mark, then nothing": (refused_onnx.mark, "tflite-reference"),
    "an ONNX file for a TFLite dialect": (refused_onnx.wide_bits, "tflite-micro"),
}


def refusal(words: list[str]) -> str:
    """The one line that a command ends with, and exit code 2; nothing is written."""
    before = sorted(Path().iterdir())
    done = CliRunner().invoke(app, words)
    lines = done.stderr.strip().splitlines()
    assert done.exit_code == 2, (words, done.output, done.exception)
    assert len(lines) == 1, (words, lines)
    assert done.stdout == ""
    assert sorted(Path().iterdir()) == before
    return lines[0].removeprefix("adqhw: ")


def files() -> Iterator[tuple[str, str, str]]:
    """(what, command, line) of each foreign file, in the current folder."""
    for what, (write, dialect) in ONNX.items():
        name = "network.tflite" if write is refused_onnx.mark else "network.onnx"
        write(Path(name))
        words = ["import", name, "-o", "program.safetensors", "--dialect", dialect]
        yield what, f"adqhw import --dialect {dialect}", refusal(words)
        Path(name).unlink()


def modules() -> Iterator[tuple[str, str]]:
    """(what, line) of each module."""
    images = torch.rand(4, 2, 8, 8)
    for what, make in refused_modules.MODULES.items():
        yield what, _message(lambda make=make: adqhw.quantize(make(), images))
    plain = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3))
    config = adqhw.QuantizeConfig(mean=0.5, std=0.5)
    network = adqhw.quantize(plain, images, config)
    yield "an input outside the range", _message(lambda: network(images + 100))
    yield "images of another kind", _message(lambda: adqhw.quantize(plain, images.double()))


def _message(call: Callable[[], object]) -> str:
    try:
        call()
    except InputError as error:
        text = str(error)
        assert "\n" not in text
        return re.sub(r"[^ (]*/tests/support/files/", "", text)
    raise AssertionError("not refused")


def tables(
    of_files: list[tuple[str, str, str]], of_modules: list[tuple[str, str]]
) -> tuple[str, str]:
    """The two tables of docs/refusals.md."""
    return (
        _table(of_files, ("file", "command", "line")),
        _table(of_modules, ("module", "line of `adqhw.quantize`")),
    )


def _table(rows: Iterable[tuple[str, ...]], head: tuple[str, ...]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(x) for x in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*")


def main() -> None:
    """Write the page anew: `python tests/support/files/refusals.py`."""
    page = Path(__file__).parents[3] / "docs" / "refusals.md"
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        of_files, of_modules = tables(list(files()), list(modules()))
    page.write_text(TEXT.format(files=of_files, modules=of_modules))


TEXT = """# What is refused

One line that says what must be otherwise, and where; on the command line with exit code 2, and
nothing is written. The lines are those that the test suite gets
(`python tests/support/files/refusals.py` writes this page).

## Files

{files}

## PyTorch modules

{modules}
"""

if __name__ == "__main__":
    main()
