"""Extras of the distribution: which packages each takes, and how absent ones are said."""

import pytest
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.flows import extras


def test_requirements_by_extra():
    lines = [
        "numpy>=2.0", 'torch>=2; extra == "train"', 'amaranth[yosys]>=0.5; extra == "rtl"',
        "adqhw[rtl]; extra == 'cosim'", 'cocotb<3,>=2.0; extra == "cosim"',
        'adqhw[train,cosim]; extra == "all"',
    ]  # fmt: skip
    assert extras.requirements(lines) == {
        "": {"numpy"}, "train": {"torch"}, "rtl": {"amaranth"}, "cosim": {"amaranth", "cocotb"},
        "all": {"torch", "amaranth", "cocotb"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("marker", "taken"),
    [('python_version < "3.11"', False), ('python_version >= "3.11"', True),
     ('(python_version < "4.0") and extra == "place"', True)],
)  # fmt: skip
def test_a_line_for_another_python_is_no_requirement(marker, taken):
    """`coloquinte; python_version < "3.13" and extra == "place"` was one of the base install."""
    line = marker if "extra" in marker else f'{marker} and extra == "place"'
    assert extras.requirements([f"coloquinte==0.4.1; {line}"]) == {
        "": set(),
        "place": {"coloquinte"} if taken else set(),
    }


def test_the_base_install_is_what_pyproject_says():
    assert extras.own_requirements()[""] == {"numpy", "numba", "safetensors", "typer", "rich"}


def test_demo_names_the_missing_extras_in_one_line(monkeypatch, tmp_path):
    known = extras.installed
    absent = {"torch", "scikit-learn", "jinja2"}
    monkeypatch.setattr(extras, "installed", lambda n: None if n in absent else known(n))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["demo"])
    assert done.exit_code == 2
    assert done.stderr == (
        "adqhw: Extras must be installed for `adqhw demo`, not absent: train (torch), data "
        "(scikit-learn), cosim (jinja2): pip install 'adqhw[train,data,cosim]'\n"
    )
    assert not list(tmp_path.iterdir())
