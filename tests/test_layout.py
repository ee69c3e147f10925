"""The folders, the package list and what imports may pull in."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = {
    "adqhw": "adqhw",
    **{f"adqhw.{room}": room for room in ("spec", "adq", "sim", "rtl", "cosim")},
}


def test_package_list_equals_the_folders():
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {}
    for package, folder in ROOMS.items():
        found[package] = folder
        for init in (ROOT / folder).rglob("*/__init__.py"):
            nested = init.parent.relative_to(ROOT / folder)
            found[".".join([package, *nested.parts])] = f"{folder}/{nested.as_posix()}"
    assert sorted(setup["packages"]) == sorted(found)
    assert setup["package-dir"] == found


IMPORTS = {
    "adqhw": ("torch", "numba", "amaranth", "cocotb", "numpy"),
    "adqhw.cli": ("torch", "numba", "amaranth", "cocotb", "matplotlib", "sklearn"),
    "adqhw.spec": ("torch", "numba", "amaranth", "cocotb", "matplotlib"),
    "adqhw.spec.program_file": ("torch", "numba", "amaranth"),
    "adqhw.sim.engine": ("torch", "amaranth", "cocotb", "matplotlib"),
    "adqhw.rtl.verilog": ("torch", "numba", "cocotb", "matplotlib"),
    "adqhw.cosim.cosimulate": ("torch", "matplotlib"),
    "adqhw.cosim.estimate": ("torch", "cocotb"),
    "adqhw.adq.datasets": ("torch", "numba", "amaranth"),
    "adqhw.adq.trainer": ("amaranth", "cocotb", "matplotlib"),
}


@pytest.mark.parametrize("module", IMPORTS)
def test_import_pulls_in_nothing_heavy(module):
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & set(IMPORTS[module])


def test_rooms_keep_to_the_star():
    """adq, sim and rtl import spec only; cosim imports spec, sim and rtl, never adq."""
    allowed = {
        "spec": set(),
        "adq": {"spec"},
        "sim": {"spec"},
        "rtl": {"spec"},
        "cosim": {"spec", "sim", "rtl"},
    }
    rooms = set(allowed)
    for room, others in allowed.items():
        for path in (ROOT / room).rglob("*.py"):
            for line in path.read_text().splitlines():
                text = line.strip()
                if text.startswith("from .."):
                    target = text.removeprefix("from ..").split()[0].split(".")[0]
                    assert target in others or target not in rooms, f"{path}: {text}"
                assert not text.startswith(("import adqhw", "from adqhw")), f"{path}: {text}"
