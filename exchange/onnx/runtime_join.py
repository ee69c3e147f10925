"""Additions of ONNX Runtime as layers: one addition, or an exact sum with thresholds after it."""

from fractions import Fraction

import numpy as np

from ...spec.errors import InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import Skip
from ...spec.requant import Requant
from ..addition import exact_addition
from ..stages import stage
from .emit import Codes, Emitter, window
from .runtime_arithmetic import Affine, added
from .runtime_values import Coded

_MOST = 16
"""Largest integers whose ratio is looked for in two scales."""


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
    near = Fraction(float(first.affine.scale / second.affine.scale)).limit_denominator(_MOST)
    p, q = near.numerator, near.denominator
    every = np.arange(256)
    sums = p * every[:, None] + q * every[None, :]
    codes = table(*np.broadcast_arrays(every[:, None], every[None, :]))
    by_sum = _by_sum(sums, codes)
    if by_sum is None:
        raise InputError(
            f"{where}: addition must be a plane with saturation, or a function of the sum of the "
            f"codes, not scales {first.affine.scale} and {second.affine.scale}"
        )
    low, high = int(sums.min()), int(sums.max())
    wide = IntFormat.holding(low, high)
    exact = Requant(
        multiplier=np.array([p]), bias=np.array([0]), shift=0, out=wide, skip_multiplier=q
    )
    total = emitter.finish(window(first.codes, (1, 1), (1, 1), where), exact, f"{label}.sum", skip)
    ones = np.full(1, low), np.full(1, high)
    chosen = stage(lambda s: by_sum[s - low], *ones, form, where)
    return emitter.finish(window(total, (1, 1), (1, 1), where), chosen, label)


def _by_sum(sums: Int64Array, codes: Int64Array) -> Int64Array | None:
    """The code of each sum, None where pairs of one sum have several; gaps take the next code."""
    low, high = int(sums.min()), int(sums.max())
    least = np.full(high - low + 1, np.iinfo(np.int64).max)
    most = np.full(high - low + 1, np.iinfo(np.int64).min)
    np.minimum.at(least, sums - low, codes)
    np.maximum.at(most, sums - low, codes)
    used = least <= most
    if (least[used] != most[used]).any():
        return None
    after = np.flatnonzero(used)[np.searchsorted(np.flatnonzero(used), np.arange(high - low + 1))]
    return least[after]
