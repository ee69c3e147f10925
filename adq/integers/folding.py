"""Arithmetic of the export: affine functions of integer sums become thresholds and requants.

All of it is float64; the results are integers of the numeric contract (sections 4 and 5).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...spec.activation import Threshold
from ...spec.errors import InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.requant import BIAS_FORMAT, MAX_SHIFT, SKIP_MULTIPLIER_FORMAT, TOTAL_FORMAT, Requant

Float64Array = npt.NDArray[np.float64]


class FoldError(InputError):
    """A network's numbers have no integer form; names layer, number and channel."""


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
    scale = (skip[0] if skip else 0.0) / step
    scaled = Affine(slope=affine.slope / step, intercept=affine.intercept / step)
    formats = _Formats(multiplier=IntFormat(width=multiplier_width, signed=True))
    skip_range = (skip[1].min, skip[1].max) if skip else (0, 0)
    for shift in range(MAX_SHIFT, -1, -1):
        if formats.first_too_large(scaled, scale, shift) is not None:
            continue
        requant = Requant(
            multiplier=np.rint(np.ldexp(scaled.slope, shift)).astype(np.int64),
            bias=np.rint(np.ldexp(scaled.intercept, shift)).astype(np.int64),
            shift=shift,
            out=out,
            skip_multiplier=round(math.ldexp(scale, shift)),
        )
        if TOTAL_FORMAT.contains(*requant.total_bounds(bounds, skip_range)):
            return requant
    cause = formats.first_too_large(scaled, scale, 0) or f"total must fit {TOTAL_FORMAT.name}"
    raise FoldError(f"Layer {name!r}: {cause} (output step {step:.3g})")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Formats:
    """Where the numbers of a requantization must fit."""

    multiplier: IntFormat

    def first_too_large(self, affine: Affine, skip: float, shift: int) -> str | None:
        """The number that does not fit at a shift, its channel, in output steps."""
        for values, fmt, what, where in (
            (affine.slope, self.multiplier, "scale", "a multiplier"),
            (affine.intercept, BIAS_FORMAT, "offset (batch norm's bias and mean)", "a bias"),
            (np.array([skip]), SKIP_MULTIPLIER_FORMAT, "scale of the residual", "a multiplier"),
        ):
            with np.errstate(over="ignore"):
                rounded = np.rint(np.ldexp(values, shift))
            # compared as a float, exactly, with powers of two: as an integer it could wrap
            outside = ~((rounded >= fmt.min) & (rounded < fmt.max + 1))
            if outside.any():
                channel = int(np.argmax(outside))
                return (
                    f"{what} must fit {where} of {fmt.width} bits, not reach "
                    f"{values[channel]:.3g} output steps in channel {channel}"
                )
        return None


def refuse_channel(
    bad: npt.NDArray[np.bool_], values: Float64Array, name: str, what: str, rule: str
) -> None:
    """Refuse the first channel of a layer whose number is ``bad``."""
    if bad.any():
        channel = int(np.argmax(bad))
        raise FoldError(
            f"Layer {name!r}: {what} in channel {channel} must be {rule}, not {values[channel]:g}"
        )
