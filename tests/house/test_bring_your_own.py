"""The page "Bring your own network" works as printed: its blocks in order, in an empty folder."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

PAGE = ROOT / "docs" / "bring-your-own.md"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.M | re.S)


def blocks() -> list[tuple[str, str, str]]:
    """(language, file name or empty, text) of each block of the page."""
    return [(kind, name or "", text) for kind, name, text in BLOCK.findall(PAGE.read_text())]


def run_commands(text: str) -> None:
    """Each line as a command of a shell; `adqhw` is the one of this environment."""
    for line in filter(None, map(str.strip, text.splitlines())):
        words = shlex.split(line)
        assert words[0] == "adqhw", line
        done = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (line, done.stderr)


@pytest.mark.simulator
@pytest.mark.filterwarnings("ignore:You are using the legacy TorchScript")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.onnx")
def test_the_page_works_as_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(os.environ, "PYTHONPATH", str(tmp_path))
    names: dict[str, object] = {}
    found = blocks()
    assert {kind for kind, _, _ in found} == {"python", "sh"}
    for kind, name, text in found:
        if name:
            Path(name).write_text(text)
        elif kind == "python":
            exec(compile(text, str(PAGE), "exec"), names)
        else:
            run_commands(text)
    assert names["top1"] > 0.9
    assert names["integer_top1"] > 0.9
    assert names["report"].mismatches == 0
    sys.modules.pop("nets", None)
