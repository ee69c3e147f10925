"""What a test needs from outside: if absent, the test is skipped, or fails if required.

ADQHW_REQUIRE: names of what must be there, with commas between: verilator, icarus, yosys, nextpnr,
onnxruntime, da4ml, scalesim, playwright, chromium, coloquinte, sc-leflib, data, weights, liberty,
opensta, lz4, gpu, vnni, avx2. `make test` requires Verilator, which it installs.
"""

import importlib.util
import os
from pathlib import Path
from typing import NoReturn

import pytest

REQUIRE = "ADQHW_REQUIRE"


def absent(name: str, reason: str) -> NoReturn:
    """`name` is not here: the test ends."""
    required = os.environ.get(REQUIRE, "")
    if name in required.split(","):
        pytest.fail(f"{REQUIRE}={required}, but: {reason}")
    pytest.skip(reason)


def package(name: str, how: str, module: str = "") -> None:
    """The test goes on only where the package `name` is installed; how: what installs it."""
    if importlib.util.find_spec(module or name) is None:
        absent(name, f"{name} must be installed, not absent: {how}")


def path(name: str, variable: str, what: str) -> str:
    """What an environment variable names."""
    found = os.environ.get(variable)
    if not found:
        absent(name, f"{variable} must name {what}, not be unset")
    return found


def cifar10() -> str:
    """The folder of the official CIFAR-10 batches."""
    return path("data", "ADQHW_DATA", "a folder with the official CIFAR-10 batches")


def models() -> Path:
    """The folder of the foreign networks (deeploy, qonnx, mlperf_tiny)."""
    found = Path(path("data", "ADQHW_DATA", "a folder that has the foreign networks")) / "models"
    if not found.is_dir():
        absent("data", f"ADQHW_DATA must have a folder models, not {found.parent} without it")
    return found


def weights() -> str:
    """The folder of the foreign float weights."""
    return path("weights", "ADQHW_WEIGHTS", "a folder with foreign weights (safetensors)")


def liberty() -> Path:
    """A Liberty that abc can map to: with a library of a few cells abc crashes in buffering."""
    return Path(path("liberty", "ADQHW_LIBERTY", "a Liberty file with power tables"))
