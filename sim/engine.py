"""The Numba engine: `run(program, images, keep)`, bit-identical with the golden interpreter."""

from functools import lru_cache
from typing import Any

from ..spec.engines import Keep, Result, wanted
from ..spec.program import Program
from .runner import Runner

KEPT_RUNNERS = 4
"""Plans (and their buffers, tens of MB for a ResNet) kept for the programs run last."""


def run(
    program: Program,
    images: Any,
    keep: Keep = (),
    *,
    simd: str | None = None,
    threads: int | None = None,
) -> Result:
    """Logits (and kept tensors) of `images` (N, C, H, W); the last few plans are kept."""
    return _runner(program, wanted(program, keep), simd, threads).run(images)


# Not a weak dictionary: a runner refers to its program, so no entry would ever die.
@lru_cache(maxsize=KEPT_RUNNERS)
def _runner(
    program: Program, keep: frozenset[str], simd: str | None, threads: int | None
) -> Runner:
    return Runner(program, simd=simd, threads=threads, keep=keep)
