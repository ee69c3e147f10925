"""Options that every command must refuse or handle: long numbers, unreadable folders, usage."""

import pytest
from cost_nets import small_net
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.spec.program_file import save

LONG = "9" * 5000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("options")
    save(small_net(shape=(1, 8, 8), dataset="digits"), made / "d.safetensors")
    (made / "cells.lib").write_text("library (x) { }")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        yield made


def refusal(words: str) -> str:
    """The message of a bad command line: exit code 2, no traceback, few words."""
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 2, (words, done.output, done.exception)
    assert isinstance(done.exception, SystemExit)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return done.stderr


PROGRAM = "d.safetensors"
DIGITS = [
    f"evaluate {PROGRAM}", f"simulate {PROGRAM}", f"cosim {PROGRAM}", f"sweep {PROGRAM} -o s",
    f"estimate {PROGRAM}", f"verilog {PROGRAM} -o v", f"diff {PROGRAM}", f"bench cosim {PROGRAM}",
]  # fmt: skip


@pytest.mark.parametrize("words", DIGITS)
def test_the_bundled_digits_take_no_folder(folder, words):
    said = refusal(f"{words} --data {folder}")
    assert "--data must be left out: the digits come with scikit-learn" in said
    assert not (folder / "s").exists()


@pytest.mark.parametrize("words", ["--rows 2", "--cols 3", "--micro binned", "--flip loads:0:1"])
def test_an_array_needs_an_engine_that_has_one(folder, words):
    said = refusal(f"diff {PROGRAM} --a golden --b numba {words}")
    assert f"{words.split()[0]} must go with the engine rtl, not with golden and numba" in said


def test_images_per_load_need_a_load(folder):
    said = refusal(f"sweep {PROGRAM} --batch 2 --resident -o s")
    assert "--batch must go without --resident" in said


@pytest.mark.parametrize(
    "words",
    [
        f"sweep {PROGRAM} --rows-cols {LONG}x4",
        f"sweep {PROGRAM} --rows-cols ٣x٣",
        f"sweep {PROGRAM} --rows-cols 0x4",
        f"sweep {PROGRAM} --micro {LONG}",
        f"characterize {PROGRAM} --liberty cells.lib -o c.toml --sizes {LONG}x{LONG}",
        f"characterize {PROGRAM} --liberty cells.lib -o c.toml --test-size 4x{LONG}",
        f"cosim {PROGRAM} --waves vcd --window {LONG}:{LONG}",
        f"cosim {PROGRAM} --waves vcd --window 1:{LONG[:4000]}",
        f"diff {PROGRAM} --flip thresholds:{LONG}:0",
        f"diff {PROGRAM} --flip thresholds:0:{LONG[:15]}",
        f"diff {PROGRAM} --flip thresholds:0:-1",
    ],
)  # fmt: skip
def test_long_numbers_are_one_line(folder, words):
    said = refusal(words)
    assert len(said) < 1000
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        "nothing", "estimate", f"estimate {PROGRAM} --rows", f"estimate {PROGRAM} --rows x",
        f"estimate {PROGRAM} --rows {LONG}", f"estimate {PROGRAM} --bandwidth x",
        f"estimate {PROGRAM} --other", f"sweep {PROGRAM} --batch {LONG}", "bench", "bench nothing",
        "bench synth --fmax=3", f"evaluate {PROGRAM} d",
    ],
)  # fmt: skip
def test_usage_errors_are_code_2(folder, words):
    done = CliRunner().invoke(app, words.split())
    assert done.exit_code == 2, (words, done.output, done.exception)
    assert "Traceback" not in done.output
