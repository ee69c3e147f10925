"""One place that decides whether a test may use a simulator."""

import os

import pytest

from adqhw.cosim.toolchain import Simulator, find_simulator
from adqhw.spec import InputError

REQUIRE = "ADQHW_REQUIRE_SIMULATOR"
"""Set to 1 (continuous integration): an absent simulator is a failure, not a skip."""


def usable(name: str) -> Simulator:
    """The simulator called `name`; without it the test is skipped, or fails when required."""
    try:
        return find_simulator(name)
    except InputError as error:
        if os.environ.get(REQUIRE) == "1":
            pytest.fail(f"{REQUIRE}=1, but: {error}")
        pytest.skip(str(error))
