"""Codes of the quantized sum of two tensors, pair by pair, in exact integers."""

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from math import lcm

import numpy as np

from ...spec.formats import Int64Array
from .rationals import Line
from .rounding import Quantizer


@dataclass(frozen=True, kw_only=True)
class Plane:
    """Codes of `p*a + q*b + r` in integers: limits, then thresholds, all over one denominator."""

    p: int
    q: int
    r: int
    low: int | None
    high: int | None
    edges: list[int]

    @classmethod
    def of(
        cls, line: Line, b: Fraction, quantizer: Quantizer, scale: Fraction, zero: Fraction
    ) -> "Plane":
        bounds = [quantizer.boundary(k) for k in range(quantizer.lowest + 1, quantizer.highest + 1)]
        at = [(edge.at - zero) * scale for edge in bounds]
        a, offset, low, high = line.scale[0], line.offset[0], line.low[0], line.high[0]
        every = [a, b, offset, *at, *(x for x in (low, high) if x is not None)]
        common = lcm(*(x.denominator for x in every))
        edges = [int(x * common) + (not y.inclusive) for x, y in zip(at, bounds, strict=True)]
        return cls(
            p=int(a * common), q=int(b * common), r=int(offset * common),
            low=None if low is None else int(low * common),
            high=None if high is None else int(high * common), edges=edges,
        )  # fmt: skip

    def codes(self, first: Int64Array, second: Int64Array) -> Int64Array:
        """Codes of pairs."""
        found = []
        for s, t in zip(first.reshape(-1).tolist(), second.reshape(-1).tolist(), strict=True):
            value = self.p * s + self.q * t + self.r
            value = value if self.low is None else max(value, self.low)
            value = value if self.high is None else min(value, self.high)
            found.append(bisect_right(self.edges, value))
        return np.array(found, np.int64).reshape(first.shape)
