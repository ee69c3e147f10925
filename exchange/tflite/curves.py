"""LOGISTIC of TFLite-Micro and HARD_SWISH of both engines, in fixed point.

Sources: fixedpoint/fixedpoint.h of gemmlowp (exp by a polynomial on -1/4..0 and a barrel of
factors, 1/(1+x) by three Newton steps), reference/integer_ops/logistic.h and
reference/hard_swish.h. An `F0` has its point after the sign, an `F4` after four more bits.
"""

import numpy as np

from ...spec.formats import Int64Array
from ..imported import Quantization
from .arithmetic import Multiplier, doubling_high, rounding_divide

_MAX = (1 << 31) - 1
_BARREL = (
    (-2, 1672461947), (-1, 1302514674), (0, 790015084), (1, 290630308), (2, 39332535), (3, 720401),
)  # fmt: skip
"""exp(-2^k) as F0 for each bit k of an F4."""


def logistic_fixed_point(x: Int64Array, scale: float) -> Int64Array:
    """int8 codes, zero point -128 and scale 1/256, of codes minus zero point (1, K)."""
    multiplier = Multiplier.of(scale * 2**27)
    left = int(multiplier.exponent[0])
    radius = int(np.floor(15 * 2**27 / 2**left))
    inside = np.clip(x, -radius, radius)
    scaled = np.clip(multiplier.times(inside), -_MAX, _MAX)
    positive = _one_over_one_plus(_exp_negative(-np.abs(scaled)))
    value = np.where(scaled > 0, positive, _MAX - positive)
    value = np.where(scaled == 0, 1 << 30, value)
    codes = np.clip(rounding_divide(value, 23) - 128, -128, 127)
    return np.where(x <= -radius, -128, np.where(x >= radius, 127, codes))


def _exp_negative(a: Int64Array) -> Int64Array:
    """exp of an F4 <= 0, as F0."""
    quarter = 1 << 25
    fraction = (a & (quarter - 1)) - quarter
    result = _exp_quarter(_saturated_left(fraction, 4))
    remainder = fraction - a
    for bit, factor in _BARREL:
        set_ = (remainder >> (27 + bit)) & 1
        result = np.where(set_ != 0, doubling_high(result, factor), result)
    return np.where(a == 0, _MAX, result)


def _exp_quarter(a: Int64Array) -> Int64Array:
    """exp of an F0 in -1/4..0."""
    centre, third = 1895147668, 715827883
    x = a + (1 << 28)
    square = doubling_high(x, x)
    cube, fourth = doubling_high(square, x), doubling_high(square, square)
    tail = doubling_high(rounding_divide(fourth, 2) + cube, third) + square
    return centre + doubling_high(x + rounding_divide(tail, 1), centre)


def _one_over_one_plus(a: Int64Array) -> Int64Array:
    """1/(1+x) of an F0 in 0..1, as F0."""
    half = (a + _MAX + 1) // 2
    x = 1515870810 + doubling_high(half, -1010580540)
    for _ in range(3):
        rest = (1 << 29) - doubling_high(half, x)
        x = x + _saturated_left(doubling_high(x, rest), 2)
    return _saturated_left(x, 1)


def _saturated_left(x: Int64Array, bits: int) -> Int64Array:
    return np.clip(x << bits, -_MAX - 1, _MAX)


def hard_swish(x: Int64Array, source: Quantization, out: Quantization) -> Int64Array:
    """Codes of the result of codes minus zero point, in 16-bit fixed point."""
    fine = np.float32(1 / 128) * np.float32(source.scale)
    output = Multiplier.of(float(fine / np.float32(out.scale)))
    relu = Multiplier.of(float(fine / (np.float32(3) / np.float32(32768))))
    value = x << 7
    scaled = _high16(value, _narrow(output))
    exponent = int(relu.exponent[0])
    part = value
    if exponent > 0:
        part = _clip16(part << (exponent - 1))
    part = _high16(part, _narrow(relu))
    if exponent > 0:
        part = _clip16(part << 1)
    if exponent < 0:
        part = rounding_divide(part, -exponent)
    part = (part + (1 << 15)) >> 1
    product = part * scaled
    product = np.sign(product) * (np.abs(product) >> 15)
    total = rounding_divide(product, -int(output.exponent[0])) + out.zero_point
    return np.clip(total, out.format.min, out.format.max)


def _narrow(multiplier: Multiplier) -> int:
    """DownScaleInt32ToInt16Multiplier."""
    mantissa = int(multiplier.mantissa[0])
    return min((mantissa + (1 << 15)) >> 16, (1 << 15) - 1)


def _high16(a: Int64Array, b: int) -> Int64Array:
    """SaturatingRoundingDoublingHighMul of int16."""
    nudged = a * b + np.where(a * b >= 0, 1 << 14, 1 - (1 << 14))
    return np.minimum(np.sign(nudged) * (np.abs(nudged) >> 15), (1 << 15) - 1)


def _clip16(x: Int64Array) -> Int64Array:
    return np.clip(x, -(1 << 15), (1 << 15) - 1)
