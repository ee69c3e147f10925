"""One place that decides whether a test may use a simulator."""

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
