"""The Numba engine: `run(program, images, keep)`, bit-identical with the golden interpreter."""

from typing import Any
from weakref import WeakKeyDictionary

from ..spec.engines import Keep, Result, wanted
from ..spec.program import Program
from .runner import Runner

_runners: WeakKeyDictionary[Program, dict[tuple[Any, ...], Runner]] = WeakKeyDictionary()


def run(
    program: Program,
    images: Any,
    keep: Keep = (),
    *,
    simd: str | None = None,
    threads: int | None = None,
) -> Result:
    """Logits (and kept tensors) of `images` (N, C, H, W); plans are kept with the program."""
    key = (wanted(program, keep), simd, threads)
    runners = _runners.setdefault(program, {})
    if key not in runners:
        runners[key] = Runner(program, simd=simd, threads=threads, keep=keep)
    return runners[key].run(images)
