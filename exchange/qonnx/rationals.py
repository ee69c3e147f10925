"""Lines over integer sums in exact rational numbers, and the integers at which they cross steps.

Between an integer sum and the next quantizer a file has scales, biases, batch norms and ReLUs. All
are lines with limits: `value = min(max(scale * sum + offset, low), high)` for each channel, and
stay such under one another. So a quantizer's step is one integer of the sum, found without
rounding anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import lcm

import numpy as np

from ...spec.formats import Int64Array, IntFormat
from ..onnx.graph import Array
from ..steps import Steps
from .rounding import Quantizer

Numbers = tuple[Fraction, ...]
Limits = tuple[Fraction | None, ...]


def exact(values: Array) -> Numbers:
    """Floating point numbers as the rational numbers that they are."""
    if not np.isfinite(values).all():
        raise ValueError("constants must be finite")
    kept: dict[float, Fraction] = {}
    return tuple(kept.setdefault(x, Fraction(x)) for x in np.asarray(values).reshape(-1).tolist())


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """`value = min(max(scale * t + offset, low), high)` of an integer t, per channel."""

    scale: Numbers
    offset: Numbers
    low: Limits
    high: Limits

    @classmethod
    def of(cls, scale: Sequence[Fraction], offset: Sequence[Fraction]) -> "Line":
        """Without limits."""
        none = (None,) * len(scale)
        return cls(scale=tuple(scale), offset=tuple(offset), low=none, high=none)

    @property
    def limited(self) -> bool:
        return any(x is not None for x in (*self.low, *self.high))

    @property
    def uniform(self) -> bool:
        """Whether all channels have one scale and one offset."""
        return len(set(self.scale)) == 1 and len(set(self.offset)) == 1

    @property
    def falls(self) -> bool:
        return any(x < 0 for x in self.scale)

    def times(self, factor: Numbers) -> "Line":
        """`value * factor`."""

        def limit(own: Limits, other: Limits) -> Limits:
            chosen = (a if f >= 0 else b for a, b, f in zip(own, other, factor, strict=True))
            return tuple(None if x is None else x * f for x, f in zip(chosen, factor, strict=True))

        return Line(
            scale=tuple(a * f for a, f in zip(self.scale, factor, strict=True)),
            offset=tuple(b * f for b, f in zip(self.offset, factor, strict=True)),
            low=limit(self.low, self.high),
            high=limit(self.high, self.low),
        )

    def plus(self, term: Numbers) -> "Line":
        """`value + term`."""

        def moved(limits: Limits) -> Limits:
            return tuple(None if x is None else x + t for x, t in zip(limits, term, strict=True))

        offset = tuple(b + t for b, t in zip(self.offset, term, strict=True))
        return replace(self, offset=offset, low=moved(self.low), high=moved(self.high))

    def limits(self, low: Fraction | None, high: Fraction | None) -> "Line":
        """`min(max(value, low), high)`."""

        def joined(x: Fraction | None, y: Fraction | None, top: bool) -> Fraction | None:
            known = [z for z in (x, y) if z is not None]
            return (max(known) if top else min(known)) if known else None

        def kept(x: Fraction | None, y: Fraction | None, top: bool) -> Fraction | None:
            return None if x is None else joined(x, y, top)

        lows = tuple(kept(joined(x, low, True), high, False) for x in self.low)
        highs = tuple(joined(kept(x, low, True), high, False) for x in self.high)
        return replace(self, low=lows, high=highs)


@dataclass(frozen=True, kw_only=True)
class _Edges:
    """Boundaries of a quantizer's codes, over one denominator."""

    at: list[int]
    inclusive: list[bool]
    common: int

    @classmethod
    def of(cls, quantizer: Quantizer) -> "_Edges":
        codes = range(quantizer.lowest + 1, quantizer.highest + 1)
        edges = [quantizer.boundary(k) for k in codes]
        common = lcm(*(edge.at.denominator for edge in edges))
        return cls(
            at=[int(edge.at * common) for edge in edges],
            inclusive=[edge.inclusive for edge in edges],
            common=common,
        )


def steps(
    line: Line, quantizer: Quantizer | Sequence[Quantizer], scale: Numbers, zero: Numbers,
    low: Int64Array, high: Int64Array,
) -> Steps:  # fmt: skip
    """Where `quantizer(value / scale + zero)` steps, for t in low_c..high_c.

    quantizer: one, or one per channel with equal codes. Codes are counted from the lowest one:
    unsigned, in the smallest format.
    """
    one = quantizer if isinstance(quantizer, Quantizer) else quantizer[0]
    count = one.highest - one.lowest
    out = IntFormat.holding(0, count)
    sign = np.array([-1 if a < 0 else 1 for a in line.scale], np.int64)
    least, most = np.where(sign > 0, low, -high), np.where(sign > 0, high, -low)
    tau = np.empty((len(sign), out.max), np.int64)
    edges = _Edges.of(one)
    for c in range(len(sign)):
        never = int(most[c]) + 1
        if not isinstance(quantizer, Quantizer):
            edges = _Edges.of(quantizer[c])
        if line.scale[c] == 0:
            found = _constant(line, c, edges, scale[c], zero[c])
            row = [int(least[c]) if over else never for over in found]
        else:
            row = _row(line, c, edges, scale[c], zero[c], never)
        row += [never] * (out.max - count)
        tau[c] = np.array([min(max(x, int(least[c])), never) for x in row], np.int64)
    return Steps(low=low, high=high, tau=tau, sign=sign, out=out)


def _row(
    line: Line, c: int, edges: _Edges, scale: Fraction, zero: Fraction, never: int
) -> list[int]:
    """The smallest `sign * t` of each step: of integers (p * at_i + q) / r, rounded up."""
    slope = abs(line.scale[c])
    factor, shift = scale / (edges.common * slope), (-zero * scale - line.offset[c]) / slope
    r = lcm(factor.denominator, shift.denominator)
    p, q = int(factor * r), int(shift * r)
    pairs = list(zip(edges.at, edges.inclusive, strict=True))
    row = [-(-(p * a + q) // r) if closed else (p * a + q) // r + 1 for a, closed in pairs]
    lowest, highest = line.low[c], line.high[c]
    if lowest is None and highest is None:
        return row
    for i, (a, closed) in enumerate(pairs):
        edge = (Fraction(a, edges.common) - zero) * scale
        if lowest is not None and (lowest >= edge if closed else lowest > edge):
            row[i] = -(1 << 62)  # every sum has taken it
        elif highest is not None and not (highest >= edge if closed else highest > edge):
            row[i] = never
    return row


def _constant(line: Line, c: int, edges: _Edges, scale: Fraction, zero: Fraction) -> list[bool]:
    """Which steps a channel of slope 0 has taken."""
    value, lowest, highest = line.offset[c], line.low[c], line.high[c]
    value = value if lowest is None else max(value, lowest)
    value = value if highest is None else min(value, highest)
    at = [(Fraction(a, edges.common) - zero) * scale for a in edges.at]
    return [value >= e if k else value > e for e, k in zip(at, edges.inclusive, strict=True)]
