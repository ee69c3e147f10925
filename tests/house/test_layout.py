"""The folders, the package list and what imports may pull in."""

import subprocess
import sys
import tomllib

import pytest
from places import ROOMS, ROOT


def test_package_list_equals_the_folders():
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    inits = [init for room in ROOMS for init in (ROOT / room).rglob("__init__.py")]
    folders = [init.parent.relative_to(ROOT) for init in inits]
    found = {
        ".".join(("adqhw", *folder.parts[folder.parts[0] == "adqhw" :])): folder.as_posix()
        for folder in folders
    }
    assert sorted(setup["packages"]) == sorted(found)
    assert setup["package-dir"] == found


IMPORTS = {
    "adqhw": ("torch", "numba", "amaranth", "cocotb", "numpy"),
    "adqhw.cli": ("torch", "numba", "amaranth", "cocotb", "matplotlib", "sklearn"),
    "adqhw.spec": ("torch", "numba", "amaranth", "cocotb", "matplotlib"),
    "adqhw.spec.program_file": ("torch", "numba", "amaranth"),
    "adqhw.sim.engine": ("torch", "amaranth", "cocotb", "matplotlib"),
    "adqhw.rtl.verilog": ("torch", "numba", "cocotb", "matplotlib"),
    "adqhw.cosim.compare.cosimulate": ("torch", "matplotlib"),
    "adqhw.cost.estimate.estimate": ("torch", "cocotb"),
    "adqhw.adq.data.datasets": ("torch", "numba", "amaranth"),
    "adqhw.adq.training.trainer": ("amaranth", "cocotb", "matplotlib"),
}


@pytest.mark.parametrize("module", IMPORTS)
def test_import_pulls_in_nothing_heavy(module):
    code = f"import {module}, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & set(IMPORTS[module])
