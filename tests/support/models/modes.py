"""The simulator's modes under test, each behind one function that keeps all tensors."""

import faithful
from needs import absent

from adqhw.sim import engine
from adqhw.sim.kernels.simd import MODES, supported

ORDERS = tuple(f"faithful-{order}" for order in faithful.ORDERS if order != "shift_add")
"""shift_add needs codebooks of its form: tests/conformance/test_faithful.py."""
ALL = (*MODES, *ORDERS)


def run_mode(mode, program, images):
    """Result of one mode; ends the test when this processor lacks the instructions."""
    if mode in MODES:
        need_simd(mode)
        return engine.run(program, images, "all", simd=mode, threads=1)
    return faithful.run(program, images, "all", order=mode.removeprefix("faithful-"), rows=3)


def need_simd(mode):
    """The test goes on only where this processor can run `mode`."""
    if mode not in supported():
        absent(mode, f"processor has no {mode}: only {', '.join(supported())} run here")


def supported_modes():
    """Names of the modes that this processor can run."""
    return [mode for mode in ALL if mode in ORDERS or mode in supported()]
