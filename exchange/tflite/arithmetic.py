"""Fixed-point arithmetic of TFLite's kernels, on int64 arrays, wrapping where int32 wraps.

Sources: kernels/internal/common.{h,cc}, kernels/internal/quantization_util.cc and
kernels/kernel_util.cc of LiteRT and of TFLite-Micro (Apache-2.0); measured against both engines by
tests/exchange/tflite.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.formats import Int64Array, IntFormat

NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)
"""Fused activations (schema: ActivationFunctionType)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Multiplier:
    """`value ~ mantissa * 2^(exponent - 31)`, one per row, or one: QuantizeMultiplier."""

    mantissa: Int64Array
    exponent: Int64Array

    @classmethod
    def of(cls, *values: float) -> "Multiplier":
        """The fixed-point form of real multipliers (doubles)."""
        pairs = [_quantized(value) for value in values]
        return cls(
            mantissa=np.array([m for m, _ in pairs], np.int64),
            exponent=np.array([e for _, e in pairs], np.int64),
        )

    def times(self, x: Int64Array) -> Int64Array:
        """MultiplyByQuantizedMultiplier, rounded twice: (C, K) int32 values times the row's."""
        mantissa, exponent = self.mantissa[:, None], self.exponent[:, None]
        left, right = np.maximum(exponent, 0), np.maximum(-exponent, 0)
        return rounding_divide(doubling_high(wrap(x << left), mantissa), right)


@dataclass(frozen=True, kw_only=True, eq=False)
class RealMultiplier:
    """Doubles, one per row, or one: `round(value * x)`, halves away from zero."""

    values: npt.NDArray[np.float64]

    def times(self, x: Int64Array) -> Int64Array:
        """(C, K) int32 values times the row's double."""
        return np.asarray(round_away(x.astype(np.float64) * self.values[:, None]), np.int64)


def _quantized(value: float) -> tuple[int, int]:
    if not value:
        return 0, 0
    fraction, exponent = math.frexp(value)
    mantissa = math.floor(abs(fraction) * 2**31 + 0.5)
    mantissa = mantissa if fraction > 0 else -mantissa
    if abs(mantissa) == 1 << 31:
        mantissa, exponent = mantissa // 2, exponent + 1
    return (0, 0) if exponent < -31 else (mantissa, exponent)


def wrap(x: Int64Array) -> Int64Array:
    """int64 values as int32 arithmetic leaves them."""
    return np.asarray((x + (1 << 31)) % (1 << 32) - (1 << 31), np.int64)


def doubling_high(a: Int64Array, b: Int64Array | int) -> Int64Array:
    """SaturatingRoundingDoublingHighMul: `a*b / 2^31`, halves away from zero."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.sign(nudged) * (np.abs(nudged) >> 31)
    return np.asarray(np.minimum(high, (1 << 31) - 1), np.int64)


def rounding_divide(x: Int64Array, exponent: Int64Array | int) -> Int64Array:
    """RoundingDivideByPOT: `x / 2^exponent`, halves away from zero."""
    mask = (1 << np.asarray(exponent, np.int64)) - 1
    return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0))


def round_away(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """TfLiteRound: std::round, halves away from zero, in the array's own precision."""
    magnitude = np.abs(values)
    whole = np.floor(magnitude)
    return np.copysign(whole + (magnitude - whole >= 0.5), values)


def activation_range(activation: int, fmt: IntFormat, scale: float, zero: int) -> tuple[int, int]:
    """CalculateActivationRangeQuantized: least and largest code after a fused activation."""

    def code(real: float) -> int:
        return zero + int(round_away(np.array([real], np.float32) / np.float32(scale))[0])

    least, most = fmt.min, fmt.max
    match activation:
        case int(k) if k == RELU:
            least = max(least, code(0.0))
        case int(k) if k == RELU6:
            least, most = max(least, code(0.0)), min(most, code(6.0))
        case int(k) if k == RELU_N1_TO_1:
            least, most = max(least, code(-1.0)), min(most, code(1.0))
        case _:
            pass
    return least, most
