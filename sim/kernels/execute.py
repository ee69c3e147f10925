"""The compiled interpreter: runs planned steps one after the other, without Python in between.

One compiled function per tag (`simd.py`), kept on disk under a key that holds the processor, the
tag and the text of every file of this folder (`sources.py`).
"""

import numpy as np

from ...spec.host.kernel_cache import cached_kernel
from . import convolve, maps, vectors
from .nonzero import nonzero
from .op import Kind
from .sources import DIGEST

WORK = np.dtype([(name, np.int64) for name in ("packed", "sums", "codes", "skips", "gate")])
"""Addresses of a thread's scratch, and of the gate where threads that share rows meet."""


def _compiled(sources: int):
    @cached_kernel()
    def run(tag, steps, first, last, images, part, parts, places, work):
        """Steps first..last-1 on `images` images: part `part` of `parts` of each step's rows."""
        scratch = work[0]
        for index in range(first, last):
            op = steps[index]
            kind = op.kind
            if kind == Kind.CONVOLVE:
                convolve.convolve(tag, op, images, part, parts, places, scratch)
            elif kind == Kind.COUNT:
                maps.count(tag, op, images, part, parts)
            elif kind == Kind.TABLE:
                maps.table(op, images, part, parts)
            elif kind == Kind.LARGEST:
                maps.largest(op, images, part, parts, scratch)
            elif kind == Kind.AVERAGE:
                maps.average(op, images, part, parts, scratch)
            elif kind == Kind.HALO:
                if part == 0:
                    maps.halo(op, images)
            elif kind == Kind.INPUT:
                maps.interleave(op, images, part, parts)
            elif kind == Kind.COPY:
                maps.copy(op, images, part, parts)
            elif kind == Kind.MOVE:
                maps.move(op, images, part, parts)
            elif kind == Kind.NONZERO:
                if part == 0:
                    nonzero(op, images, scratch)
            elif Kind.PLAIN_THRESHOLD <= kind <= Kind.PLAIN_AVERAGE:
                maps.plain(op, images, part, parts, kind - Kind.PLAIN_THRESHOLD)
            else:
                raise ValueError("Step must be of a known kind")
            if parts > 1:  # the next step may read the output of any thread
                vectors.meet(scratch.gate, (index - first + 1) * parts)
        return sources

    return run


run = _compiled(DIGEST)
"""Entry point; `sources` is a closure variable, hence part of the cache's key."""
