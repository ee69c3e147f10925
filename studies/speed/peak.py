"""Roofline: how fast the inner kernel alone runs from the first-level cache."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...sim.kernels import dot
from ...sim.kernels.simd import Portable, Tag, choose
from ...sim.kernels.sources import DIGEST
from ...sim.lowering.layout import aligned
from ...spec.host.kernel_cache import cached_kernel

DEPTH = 576
"""Codes per sum: 3 x 3 x 64; tile and weights take 23 KB."""
TILE_MACS = dot.TILE * 32 * DEPTH


def _compiled(sources: int):
    @cached_kernel()
    def repeat(tag, words, codes, weights, first, sums, count):
        units = DEPTH // 4
        for _ in range(count):
            if words:
                dot.dot_words_2(tag, codes, DEPTH, 1, 0, units, 8, weights, first, sums)
            else:
                dot.dot_bytes_2(tag, codes, DEPTH, 1, 0, units, 8, weights, first, sums)
        return sources

    return repeat


_repeat = _compiled(DIGEST)


def peak_gops(simd: str | None = None, threads: int = 1, seconds: float = 0.3) -> float:
    """1e9 operations (2 per multiply-add) per second of the inner kernel on `threads` threads."""
    tag = choose(simd)
    count = 2000
    elapsed = _elapsed(tag, threads, count)  # also compiles
    elapsed = _elapsed(tag, threads, count)
    count = max(int(count * seconds / 3 / elapsed), 1)
    best = min(_elapsed(tag, threads, count) for _ in range(3))
    return 2 * TILE_MACS * count * threads / best / 1e9


def _elapsed(tag: Tag, threads: int, count: int) -> float:
    words = isinstance(tag, Portable)

    def repeat(_: int) -> None:
        buffers = [aligned(size) for size in (dot.TILE * DEPTH, 32 * DEPTH * 2, 128, 1024)]
        addresses = [buffer.ctypes.data for buffer in buffers]
        _repeat(tag, words, *addresses, count)

    start = time.perf_counter()
    if threads == 1:
        repeat(0)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(repeat, np.arange(threads)))
    return time.perf_counter() - start
