"""A command checks first for the tools that it calls, and for no other."""

import sys

import pytest
from cost_nets import small_net
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.gates.netlist import synthesis_tools
from adqhw.spec import InputError
from adqhw.spec.program_file import save

YOSYS, PLACERS = {"yosys"}, {"nextpnr-ice40", "nextpnr-ecp5"}
COMMANDS = {
    "characterize p.safetensors --liberty cells.lib -o c.toml": YOSYS,
    "bench gates p.safetensors --liberty cells.lib": YOSYS,
    "bench synth --no-fmax --micro decode": YOSYS,
    "bench synth --micro decode": YOSYS | PLACERS,
    "bench timing --no-fpga --micro decode": YOSYS,
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    save(small_net(shape=(1, 8, 8), dataset="digits"), tmp_path / "p.safetensors")
    (tmp_path / "cells.lib").write_text("library (x) { }")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize("absent", sorted(YOSYS | PLACERS))
def test_only_a_tool_that_is_used_is_missed(monkeypatch, words, absent):
    """Every tool but one is installed; the command names the absent one, or continues."""

    def find(name: str) -> str:
        if name == absent:
            raise InputError(f"{name} must be installed, not absent")
        return sys.executable  # says its version, and cannot synthesize

    monkeypatch.setattr(synthesis_tools, "find_tool", find)
    done = CliRunner().invoke(app, words.split())
    said = f"{absent} must be installed"
    assert (said in done.stderr) == (absent in COMMANDS[words]), done.output


def test_a_missing_solver_is_said_before_the_work(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    done = CliRunner().invoke(app, next(iter(COMMANDS)).split())
    assert done.exit_code == 2
    assert "scipy" in done.stderr
    assert "must be installed, not absent: pip install 'adqhw[cosim]'" in done.stderr
