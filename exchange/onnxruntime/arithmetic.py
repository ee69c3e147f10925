"""What ONNX Runtime's CPU kernels compute on codes, in float32 as they do.

Measured with the version in requirements.txt, and tested against it: integer sums of 32 bits, one
float32 multiplication, rounded half to even, saturated. Additions are two fused multiply-adds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...spec.formats import Int64Array, IntFormat

Float = np.float32
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Affine:
    """`real = scale * (code - zero)`, codes u8 or s8."""

    format: IntFormat
    scale: np.float32
    zero: int

    def real(self, codes: Int64Array) -> Floats:
        """DequantizeLinear: one subtraction of integers, one float32 multiplication."""
        return (np.asarray(codes, np.int64) - self.zero).astype(Float) * self.scale

    def codes(self, values: Floats) -> Int64Array:
        """QuantizeLinear: one float32 division, half to even, saturated."""
        with np.errstate(over="ignore"):
            scaled = np.rint(values / self.scale).astype(np.float64)
        return np.clip(scaled + self.zero, self.format.min, self.format.max).astype(np.int64)


def requantized(sums: Int64Array, factor: Floats, out: Affine) -> Int64Array:
    """Sums (C, K) of 32 bits times a float32 factor (C,), rounded half to even, saturated."""
    with np.errstate(over="ignore"):
        scaled = np.rint(sums.astype(Float) * factor[:, None]).astype(np.float64)
    return np.clip(scaled + out.zero, out.format.min, out.format.max).astype(np.int64)


def sum_factor(source: Affine, weights: Floats, out: Affine) -> Floats:
    """Input scale times weight scales over output scale, each operation in float32."""
    return np.asarray((source.scale * weights.astype(Float)) / out.scale, Float).reshape(-1)


def mean_factor(source: Affine, count: int, out: Affine) -> Floats:
    """Of the sum over a map in QLinearGlobalAveragePool."""
    return np.asarray([source.scale / (out.scale * Float(count))], Float)


def fused(x: Floats, y: np.float32, z: Floats | np.float32) -> Floats:
    """`x * y + z` rounded once: the product of two float32 is exact in float64.

    The sum in float64 may round before the last rounding; both operands here have so few bits
    (codes of 8 bits times a scale) that its error decides nothing: the tests compare all pairs.
    """
    return np.asarray(x.astype(np.float64) * np.float64(y) + np.asarray(z, np.float64), Float)


def added(
    first: Int64Array, second: Int64Array, a: Affine, b: Affine, out: Affine,
    single: str | bool = False,
) -> Int64Array:  # fmt: skip
    """QLinearAdd of codes; single: "a" or "b", the operand that is one number for a whole row."""
    ratio_a, ratio_b = a.scale / out.scale, b.scale / out.scale
    zeros = fused(np.full(first.shape, a.zero, Float), ratio_a, ratio_b * Float(b.zero))
    fixed = Float(out.zero) - zeros
    x, y = first.astype(Float), second.astype(Float)
    if single == "a":
        total = fused(y, ratio_b, fused(x, ratio_a, fixed))
    else:
        total = fused(x, ratio_a, fused(y, ratio_b, fixed))
    codes = np.rint(total).astype(np.int64)
    return np.clip(codes, out.format.min, out.format.max)


def averaged(sums: Int64Array, count: int, source: Affine, out: Affine) -> Int64Array | None:
    """QLinearAveragePool of plain sums of codes, None where the order of its float sum decides.

    It adds `count` float32 reals one by one: what it gets lies within `count` roundings of the
    largest partial sum around the exact one. Where both ends of that give one code, that is it.
    """
    centred = (sums - source.zero * count).astype(np.float64)
    exact = float(source.scale) * centred
    most = max(source.format.max - source.zero, source.zero - source.format.min)
    one_sign = source.zero in (source.format.min, source.format.max)
    partial = np.abs(centred) if one_sign else np.full(centred.shape, float(most * count))
    error = count * 2.0**-24 * float(source.scale) * partial
    ends = []
    for total in (exact - error, exact + error):
        mean = total.astype(Float) / Float(count)
        codes = np.rint(mean / out.scale + Float(out.zero)).astype(np.int64)
        ends.append(np.clip(codes, out.format.min, out.format.max))
    return ends[0] if np.array_equal(*ends) else None
