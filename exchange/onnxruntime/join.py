"""Additions of ONNX Runtime as layers.

QLinearAdd rounds in float32, so some pairs of codes near a boundary fall to the other side. Mostly
a plane with halves going up still has the whole table of 256 x 256 codes; else each of the 255
steps is placed by itself, on a weighted sum of the two codes.
"""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np

from ...spec.activation import Threshold
from ...spec.errors import InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import Skip
from ...spec.requant import Requant
from ..addition import exact_addition
from ..onnx.emit import Codes, Emitter, window
from .arithmetic import Affine, added
from .values import Coded

_MOST = 16
"""Largest integers whose ratio is looked for in two scales."""
_LONGEST = (1 << 31) // 256 - 2
"""Largest sum of two weights: weighted sums of two codes fit 32 bits."""
_TRIES = 400


def addition(
    emitter: Emitter, first: Coded, second: Coded, out: Affine, label: str, where: str
) -> Codes:
    """Codes of QLinearAdd, by one layer where a plane has its table."""

    def table(a: Int64Array, b: Int64Array) -> Int64Array:
        codes = added(a + first.offset, b + second.offset, first.affine, second.affine, out)
        return codes - out.format.min

    form = IntFormat(width=8)
    found = exact_addition(table, first.codes.format, second.codes.format, form)
    skip = Skip(tensor=second.codes.name)
    if found is not None:
        return emitter.finish(window(first.codes, (1, 1), (1, 1), where), found, label, skip)
    every = np.arange(256)
    a, b = (x.reshape(-1) for x in np.meshgrid(every, every, indexing="ij"))
    codes = table(a, b)
    for p, q in _weights(first.affine, second.affine):
        tau = _steps(p * a + q * b, codes)
        if tau is not None:
            break
    else:
        raise InputError(
            f"{where}: addition must be thresholds of a weighted sum of the codes, which it is not "
            f"with the scales {first.affine.scale}, {second.affine.scale} and {out.scale}"
        )
    wide = IntFormat.holding(-1, 255 * (p + q))
    exact = Requant(
        multiplier=np.array([p]), bias=np.array([0]), shift=0, out=wide, skip_multiplier=q
    )
    total = emitter.finish(window(first.codes, (1, 1), (1, 1), where), exact, f"{label}.sum", skip)
    chosen = Threshold(tau=tau[None], sign=np.ones(1, np.int64))
    return emitter.finish(window(total, (1, 1), (1, 1), where), chosen, label)


def _weights(first: Affine, second: Affine) -> Iterator[tuple[int, int]]:
    """Weights of two codes in the ratio of their scales: a small ratio, then long ones."""
    near = Fraction(float(first.scale / second.scale)).limit_denominator(_MOST)
    if near:
        yield near.numerator, near.denominator
    whole = float(first.scale) + float(second.scale)
    p, q = (float(x.scale) / whole * _LONGEST for x in (first, second))
    for i in range(_TRIES):  # other roundings of the same ratio
        factor = 1 - i / (4 * _TRIES)
        yield max(round(p * factor), 1), max(round(q * factor), 1)


def _steps(sums: Int64Array, codes: Int64Array) -> Int64Array | None:
    """(255,) least sum of each code, None where a larger sum has a smaller code."""
    order = np.argsort(sums, kind="stable")
    sums, codes = sums[order], codes[order]
    first = np.searchsorted(codes, np.arange(1, 256))
    rising = (np.diff(codes) >= 0).all()
    equal = (np.diff(codes) == 0) | (np.diff(sums) > 0)
    if not rising or not equal.all():
        return None
    return np.append(sums, sums[-1] + 1)[first]
