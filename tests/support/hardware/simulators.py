"""One place that decides whether a test may use a simulator."""

from dataclasses import replace

from needs import absent

from adqhw.cosim.simulators.toolchain import Simulator, find_simulator
from adqhw.spec import InputError


def usable(name: str) -> Simulator:
    """The simulator called `name`; without it the test is skipped, or fails when required."""
    try:
        return find_simulator(name)
    except InputError as error:
        absent(name, str(error))


def quickest() -> str:
    """Icarus where it is installed (it builds in a second), else Verilator: never neither."""
    try:
        return find_simulator("icarus").name
    except InputError:
        return usable("verilator").name


def soon_built(tool: Simulator) -> Simulator:
    """`tool` for small designs that run for moments: all C++ is one file, without optimization.

    With a precompiled header and optimized parts compiling takes four times as long.
    """
    flags = f"{tool.environment.get('MAKEFLAGS', '')} VM_PARALLEL_BUILDS=0 VM_USER_CFLAGS=-O0"
    return replace(tool, environment=tool.environment | {"MAKEFLAGS": flags})
