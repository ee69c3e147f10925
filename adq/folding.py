"""Arithmetic of the export: affine functions of integer sums become thresholds and requants.

All of it is float64; the results are integers of the numeric contract (sections 4 and 5).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..spec.activation import Threshold
from ..spec.errors import InputError
from ..spec.formats import Int64Array, IntFormat
from ..spec.requant import (
    BIAS_FORMAT,
    MAX_SHIFT,
    SKIP_MULTIPLIER_FORMAT,
    TOTAL_FORMAT,
    Requant,
)

Float64Array = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Affine:
    """Real value of a sum, per channel: ``slope_c * acc + intercept_c``."""

    slope: Float64Array
    intercept: Float64Array


def channel_bounds(levels: Int64Array, source: IntFormat) -> tuple[Int64Array, Int64Array]:
    """Lowest and highest sum of each output channel; levels (Cout, ...), codes of ``source``."""
    flat = levels.reshape(len(levels), -1)
    positive, negative = np.maximum(flat, 0).sum(1), np.minimum(flat, 0).sum(1)
    low = positive * source.min + negative * source.max
    high = positive * source.max + negative * source.min
    return low, high


def fold_thresholds(
    real: Float64Array, affine: Affine, bounds: tuple[Int64Array, Int64Array]
) -> Threshold:
    """Integer thresholds equivalent to ``slope * acc + intercept >= real_i`` (contract section 4).

    real: (L,) or per channel (C, L), ascending, -inf: always. A falling channel compares -acc; a
    constant one fires always or never. Thresholds beyond the reachable sums are clamped to just
    inside or just outside of them.
    """
    real = np.atleast_2d(real)
    slope, intercept = affine.slope[:, None], affine.intercept[:, None]
    sign = np.where(affine.slope < 0, -1, 1)
    low, high = bounds
    least = np.where(sign < 0, -high, low)[:, None]
    never = np.where(sign < 0, -low, high)[:, None] + 1
    fires = np.where(intercept >= real, least, never)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        edge = np.ceil((real - intercept) / np.abs(slope))
    edge = np.where(slope == 0, fires, edge)
    tau = np.clip(edge, least, never).astype(np.int64)
    return Threshold(tau=tau, sign=sign)


def fold_requant(
    affine: Affine,
    *,
    step: float,
    out: IntFormat,
    bounds: tuple[int, int],
    skip: tuple[float, IntFormat] | None = None,
    multiplier_width: int = 24,
    name: str = "",
) -> Requant:
    """Requant of ``(slope * acc + intercept + skip_step * skip_code) / step`` (section 5).

    bounds: of the sums of all channels. skip: step and format of the residual's codes. The largest
    shift is taken with which every number and the total fit; numbers are rounded half to even.
    """
    slope, intercept = affine.slope / step, affine.intercept / step
    skip_scale = skip[0] / step if skip else 0.0
    multiplier_format = IntFormat(width=multiplier_width, signed=True)
    for shift in range(MAX_SHIFT, -1, -1):
        multiplier, bias = np.rint(np.ldexp(slope, shift)), np.rint(np.ldexp(intercept, shift))
        skip_multiplier = round(math.ldexp(skip_scale, shift))
        fits = (
            _fits(multiplier, multiplier_format)
            and _fits(bias, BIAS_FORMAT)
            and SKIP_MULTIPLIER_FORMAT.contains(skip_multiplier, skip_multiplier)
        )
        if not fits:
            continue
        requant = Requant(
            multiplier=multiplier.astype(np.int64),
            bias=bias.astype(np.int64),
            shift=shift,
            out=out,
            skip_multiplier=skip_multiplier,
        )
        skip_range = (skip[1].min, skip[1].max) if skip else (0, 0)
        if TOTAL_FORMAT.contains(*requant.total_bounds(bounds, skip_range)):
            return requant
    raise InputError(
        f"Layer {name!r}: scale must fit a multiplier of {multiplier_width} bits, "
        f"not reach {float(np.abs(slope).max()):.3g} output steps per unit of the sum"
    )


def _fits(values: Float64Array, fmt: IntFormat) -> bool:
    return bool(np.isfinite(values).all()) and fmt.contains(int(values.min()), int(values.max()))
