"""The engines by name, imported at their first use, and running them in steps with progress."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import cast

import numpy as np
import numpy.typing as npt

from ..spec.engines import Engine, Keep, Result
from ..spec.errors import InputError
from ..spec.formats import IntArray
from ..spec.program import Program

ENGINES = {
    "golden": "adqhw.spec.golden",
    "numba": "adqhw.sim.engine",
    "torch": "adqhw.adq.integers.integer",
    "rtl": "adqhw.cosim.compare.rtl_engine",
}
"""Modules with a function `run(program, images, keep) -> Result`."""

SIMD_HELP = "Instruction set of the numba engine: vnni, avx2 or portable. Same bits, other speed."

STEP = {"golden": 4, "numba": 256, "torch": 100, "rtl": 8}
"""Images per call, so that progress is visible and memory does not grow with the data set."""


def engine(name: str) -> Engine:
    """The engine called `name`.

    >>> engine("golden").__module__
    'adqhw.spec.golden'
    """
    if name not in ENGINES:
        raise InputError(f"Engine must be one of {', '.join(sorted(ENGINES))}, not {name!r}")
    try:
        return cast(Engine, import_module(ENGINES[name]).run)
    except ImportError as error:
        raise InputError(
            f"Engine {name!r} needs a package that is not installed ({error.name}): "
            "pip install 'adqhw[all]'"
        ) from error


def run_in_steps(
    name: str,
    program: Program,
    images: IntArray,
    keep: Keep = (),
    advance: Callable[[int], None] = lambda count: None,
    simd: str | None = None,
) -> Result:
    """Run `images` (N, C, H, W) in steps; the result is that of one call.

    simd: instruction set that the Numba engine must use (vnni, avx2, portable); None chooses.
    """
    run, step = engine(name), STEP[name]
    if simd is not None:
        if name != "numba":
            raise InputError(f"--simd must go with the engine numba, not {name!r}")
        run = partial(run, simd=simd)  # type: ignore[call-arg]  # of the engine numba alone
    parts = []
    for start in range(0, max(len(images), 1), step):
        chunk = images[start : start + step]
        parts.append(run(program, chunk, keep))
        advance(len(chunk))
    return Result(
        logits=np.concatenate([part.logits for part in parts]),
        tensors={
            tensor: np.concatenate([part.tensors[tensor] for part in parts])
            for tensor in parts[0].tensors
        },
    )


def top1(logits: npt.NDArray[np.int32], labels: npt.NDArray[np.int64]) -> float:
    """Share of images, in percent, whose largest logit (the first of equals) is the label's."""
    return 100.0 * int(np.count_nonzero(logits.argmax(axis=1) == labels)) / len(labels)
