"""The inner product of depthwise convolutions: a tile of 8 pixels x 32 channels.

There is no reduction over channels, so dot-product instructions do not apply: codes and levels
are widened and multiplied lane by lane. Tiles have the layout of `dot.py`'s with 32 channels.
"""

from llvmlite import ir

from ...spec.host.llvm import I8, I16, I32, Emitter, by_address
from .dot import TILE

LANES = 32
_TOGETHER = 4
_CODES, _LEVELS, _SUMS = (ir.VectorType(kind, LANES) for kind in (I8, I16, I32))


@by_address
def dot_depthwise(e: Emitter, codes, pixel_stride, rows, row_stride, cols, col_stride, weights,
                  first, sums):  # fmt: skip
    """Weights are (rows, cols, 32) int16; `first` is added to the sums of each pixel."""
    start = e.load(first, _SUMS)
    for pixel in range(0, TILE, _TOGETHER):
        bases = [
            e.ir.add(codes, e.ir.mul(pixel_stride, e.number(pixel + k))) for k in range(_TOGETHER)
        ]
        totals = [start] * _TOGETHER
        with e.loop(rows, totals) as (row, outer), e.loop(cols, outer) as (col, inner):
            tap = e.ir.add(e.ir.mul(row, cols), col)
            levels = e.load(e.ir.add(weights, e.ir.mul(tap, e.number(LANES * 2))), _LEVELS)
            levels = e.ir.sext(levels, _SUMS)
            offset = e.ir.add(e.ir.mul(row, row_stride), e.ir.mul(col, col_stride))
            for k, base in enumerate(bases):
                code = e.ir.zext(e.load(e.ir.add(base, offset), _CODES), _SUMS)
                inner[k] = e.ir.add(inner[k], e.ir.mul(code, levels))
        for k, total in enumerate(totals):
            e.store(total, e.at(sums, (pixel + k) * LANES * 4))
