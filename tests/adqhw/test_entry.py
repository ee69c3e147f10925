"""The script `adqhw`: signals, closed pipes, absent packages: one line and the right code."""

import os
import signal
import subprocess
import sys

import programs
import pytest
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.spec.program_file import save

ADQHW = [sys.executable, "-m", "adqhw"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_commands_are_imported_is_one_line(number):
    code = (
        "import sys, time, os, signal\n"
        # a suite that runs in the background of a script has it ignored, and so has its child
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "class Late:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'adqhw.app': os.kill(os.getpid(), {int(number)}); time.sleep(5)\n"
        "sys.meta_path.insert(0, Late())\n"
        "from adqhw.cli import main\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert (done.returncode, done.stderr) == (128 + number, f"adqhw: {word}\n")


def test_a_reader_that_leaves_is_no_error(tmp_path):
    save(programs.every_kind(), tmp_path / "p.safetensors")
    for words in (["--help"], ["inspect", tmp_path / "p.safetensors", "--json"]):
        out, into = os.pipe()
        os.close(out)
        done = subprocess.run([*ADQHW, *words], stdout=into, stderr=subprocess.PIPE, text=True)
        os.close(into)
        assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


ABSENT = {
    "torch": ("train digits_resnet8_float", "adqhw[train]"),
    "amaranth": ("verilog PROGRAM -o OUT", "adqhw[rtl]"),
}


@pytest.mark.parametrize("package", ABSENT)
def test_an_absent_package_is_named_with_its_extra(package, tmp_path):
    save(programs.every_kind(), tmp_path / "PROGRAM")
    words, extra = ABSENT[package]
    code = (
        f"import sys; sys.modules[{package!r}] = None; sys.argv = ['adqhw', *{words.split()!r}]\n"
        "from adqhw.cli import main\n"
        "main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 2
    assert done.stderr.startswith("adqhw: ")
    assert done.stderr.count("\n") == 1
    assert extra in done.stderr


def test_a_home_that_takes_no_files_is_no_matter_where_nothing_is_cached(tmp_path):
    save(programs.every_kind(), tmp_path / "p.safetensors")
    changed = {"HOME": "/dev/null/nowhere", "XDG_CACHE_HOME": "", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [*ADQHW, "inspect", tmp_path / "p.safetensors", "--json"],
        capture_output=True, text=True, env={**os.environ, **changed},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.glob("adqhw-cache-*"))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("adqhw ben", ["bench"]),
        ("adqhw bench syn", ["synth"]),
        ("adqhw estimate --gat", ["--gates"]),
    ],
)
def test_a_shell_completes_commands_and_options(line, found):
    """What the script that `adqhw --install-completion` installs asks for, in bash."""
    asked = {"_ADQHW_COMPLETE": "complete_bash", "COMP_WORDS": line}
    asked["COMP_CWORD"] = str(len(line.split()) - 1)
    code = "import sys; sys.argv = ['adqhw']; from adqhw.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **asked}
    )
    assert (done.returncode, done.stdout.split()) == (0, found)


def test_completion_is_offered_and_only_at_the_top():
    done = CliRunner().invoke(app, ["--help"])
    assert "--install-completion" in done.output
    assert "completion" not in CliRunner().invoke(app, ["inspect", "--help"]).output
