"""Requantization: the contract's only rounding and only saturation (contract section 5)."""

from dataclasses import dataclass

import numpy as np

from .errors import ContractError
from .formats import Int64Array, IntArray, IntFormat, check_tensor_format, freeze
from .host.text import shown

MULTIPLIER_FORMAT = IntFormat(width=32, signed=True)
SKIP_MULTIPLIER_FORMAT = IntFormat(width=32, signed=True)
BIAS_FORMAT = IntFormat(width=56, signed=True)
TOTAL_FORMAT = IntFormat(width=62, signed=True)
MAX_SHIFT = 47


def round_shift(total: Int64Array, shift: int) -> Int64Array:
    """`total / 2^shift` rounded half up: `(total + 2^(shift-1)) >> shift`, arithmetic.

    Half up means toward plus infinity: -0.5 -> 0, -1.5 -> -1, 0.5 -> 1. Not np.round (half even).

    >>> round_shift(np.array([-6, -2, 2, 6]), 2).tolist()
    [-1, 0, 1, 2]
    """
    half = (1 << shift) >> 1
    return (total + half) >> shift


def saturate(values: Int64Array, out: IntFormat) -> Int64Array:
    """Clamp to the range of `out`."""
    return np.clip(values, out.min, out.max)


@dataclass(frozen=True, kw_only=True, eq=False)
class Requant:
    """`saturate((multiplier_c*acc + skip_multiplier*skip + bias_c + half) >> shift)`.

    multiplier, bias: (C,) int64, or (1,) when shared. skip_multiplier is 0 without a residual.
    """

    multiplier: Int64Array
    bias: Int64Array
    shift: int
    out: IntFormat
    skip_multiplier: int = 0

    def __post_init__(self) -> None:
        multiplier = freeze(self.multiplier, np.int64, "Requant multiplier")
        bias = freeze(self.bias, np.int64, "Requant bias")
        if multiplier.ndim != 1 or bias.shape != multiplier.shape or multiplier.size < 1:
            raise ContractError(
                f"Requant must have multiplier (C,) and bias (C,), "
                f"not {multiplier.shape} and {bias.shape}"
            )
        MULTIPLIER_FORMAT.check(multiplier, "Requant multiplier")
        BIAS_FORMAT.check(bias, "Requant bias")
        if type(self.shift) is not int or not 0 <= self.shift <= MAX_SHIFT:
            raise ContractError(f"Requant shift must be in 0..{MAX_SHIFT}, not {shown(self.shift)}")
        skip = self.skip_multiplier
        if type(skip) is not int or not SKIP_MULTIPLIER_FORMAT.contains(skip, skip):
            raise ContractError(
                f"Requant skip_multiplier must fit {SKIP_MULTIPLIER_FORMAT.name}, not {shown(skip)}"
            )
        check_tensor_format(self.out, "Requant output")
        object.__setattr__(self, "multiplier", multiplier)
        object.__setattr__(self, "bias", bias)

    @property
    def channels(self) -> int:
        return int(self.multiplier.shape[0])

    @property
    def format(self) -> IntFormat:
        return self.out

    def total_bounds(self, acc: tuple[int, int], skip: tuple[int, int] = (0, 0)) -> tuple[int, int]:
        """Exact Python-integer bounds of the sum before the shift, rounding half included."""
        half = (1 << self.shift) >> 1
        low = high = half
        edges = [self.skip_multiplier * s for s in skip]
        low, high = low + min(edges), high + max(edges)
        products = [
            (min(m * acc[0], m * acc[1]) + b, max(m * acc[0], m * acc[1]) + b)
            for m, b in zip(self.multiplier.tolist(), self.bias.tolist(), strict=True)
        ]
        return low + min(p[0] for p in products), high + max(p[1] for p in products)

    def apply(self, acc: IntArray, skip: IntArray | None = None) -> Int64Array:
        """Codes of `acc` (N, C, ...) and the residual's codes (same shape), int64."""
        values = np.asarray(acc, dtype=np.int64)
        shape = (-1,) + (1,) * (values.ndim - 2)
        total = values * self.multiplier.reshape(shape) + self.bias.reshape(shape)
        if skip is not None:
            total = total + self.skip_multiplier * np.asarray(skip, dtype=np.int64)
        return saturate(round_shift(total, self.shift), self.out)
