"""Sums as several convolutions that float32 computes exactly.

float32 holds every integer up to 2^24. Where the products of a sum stay below that in any order,
one convolution is exact on any engine that multiplies and adds (with or without fused steps). Wider
sums are those of digits: `level = lo + 2^a * hi`, `code = lo + 2^b * hi`, and, where even that does
not fit, of some taps of the window at a time. Each part's sum is exact in float32, and the parts
together in float64, which holds 2^53.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...spec.formats import Int64Array, IntFormat

EXACT = (1 << 24) - 1
"""float32 holds every integer of at most this magnitude, and one more, which thresholds may be."""
EXACT_DOUBLE = (1 << 53) - 1

_DIGITS = sorted(((c, w) for c in (1, 2, 3, 4) for w in (1, 2, 3, 4)), key=lambda d: d[0] * d[1])
"""(digits of codes, digits of levels) by the number of convolutions that they take."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CodePart:
    """A digit of the codes: `(code >> shift) & (2^width - 1)`; the highest keeps the sign."""

    shift: int
    width: int | None
    """Bits of the digit; None: the rest of the code."""
    low: int
    high: int

    @property
    def magnitude(self) -> int:
        return max(-self.low, self.high)

    def of(self, codes: Int64Array) -> Int64Array:
        """The digit of each code."""
        rest = codes >> self.shift
        return rest if self.width is None else rest & ((1 << self.width) - 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightPart:
    """A digit of the levels, `2^(index*bits)` times as much, in all taps or some of them."""

    index: int
    bits: int
    count: int
    share: tuple[int, int] | None = None
    """(which, size) of the taps: those whose running total of magnitudes is in that share."""

    @property
    def shift(self) -> int:
        return self.index * self.bits

    def digits(self, levels: Int64Array) -> Int64Array:
        """The digit of each level: balanced, -2^(bits-1)..2^(bits-1)-1; of the last the rest.

        >>> levels = np.array([-128, 7, 8, 127])
        >>> [WeightPart(index=i, bits=4, count=2).digits(levels).tolist() for i in (0, 1)]
        [[0, 7, -8, -1], [-8, 0, 1, 8]]
        """
        rest = np.asarray(levels, np.int64)
        half = 1 << (self.bits - 1)
        for _ in range(self.index):
            rest = (rest + half) >> self.bits
        if self.index == self.count - 1:
            return rest
        return ((rest + half) & (2 * half - 1)) - half

    def of(self, levels: Int64Array) -> Int64Array:
        """What `levels` (Cout, ...) contribute to this part, 0 in the taps of other parts."""
        values = self.digits(levels)
        if self.share is None:
            return values
        which, size = self.share
        return np.where((_shares(values, size) == which).reshape(values.shape), values, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """A sum as those of every code part with every weight part."""

    codes: tuple[CodePart, ...]
    weights: tuple[WeightPart, ...]

    @property
    def convolutions(self) -> int:
        return len(self.codes) * len(self.weights)


def split(levels: Int64Array, fmt: IntFormat) -> Split:
    """The fewest parts of sums of `levels` (Cout, ...) times codes of `fmt`."""
    best: Split | None = None
    for code_digits, weight_digits in _DIGITS:
        if code_digits > fmt.width or (best and best.convolutions <= code_digits * weight_digits):
            continue
        codes = tuple(_code_parts(fmt, code_digits))
        weights = _weight_parts(levels, codes, weight_digits)
        if weights is not None:
            found = Split(codes=codes, weights=weights)
            if best is None or found.convolutions < best.convolutions:
                best = found
    assert best is not None  # 8 bits of code times 5 of level: far below EXACT
    return best


def reach(values: Int64Array, part: CodePart) -> int:
    """Largest magnitude of a sum, and of any partial one, since a digit may be 0."""
    flat = values.reshape(len(values), -1)
    up = np.maximum(flat, 0).sum(axis=1).tolist()
    down = np.minimum(flat, 0).sum(axis=1).tolist()
    return max(
        max(u * part.high + d * part.low, -(u * part.low + d * part.high))
        for u, d in zip(up, down, strict=True)
    )


def _code_parts(fmt: IntFormat, count: int) -> Iterator[CodePart]:
    bits = -(-fmt.width // count)
    for index in range(count - 1):
        yield CodePart(shift=index * bits, width=bits, low=0, high=(1 << bits) - 1)
    shift = (count - 1) * bits
    yield CodePart(shift=shift, width=None, low=fmt.min >> shift, high=fmt.max >> shift)


def _weight_parts(
    levels: Int64Array, codes: tuple[CodePart, ...], count: int
) -> tuple[WeightPart, ...] | None:
    """Parts whose sums are exact with every code part; None where a single product is not."""
    width = int(np.abs(levels).max()).bit_length() + 1
    code = max(part.magnitude for part in codes)
    if code > EXACT:
        return None
    parts: list[WeightPart] = []
    for index in range(count):
        part = WeightPart(index=index, bits=max(2, -(-width // count)), count=count)
        values = part.digits(levels)
        largest = int(np.abs(values).max())
        if all(reach(values, digit) <= EXACT for digit in codes):
            if largest or (index == count - 1 and not parts):
                parts.append(part)
            continue
        if largest * code > EXACT:
            return None
        size = max(EXACT // code - largest, 1)
        parts += [
            WeightPart(index=part.index, bits=part.bits, count=count, share=(which, size))
            for which in np.unique(_shares(values, size)).tolist() if which >= 0
        ]  # fmt: skip
    return tuple(parts)


def _shares(values: Int64Array, size: int) -> Int64Array:
    """(Cout, terms) share of each term; -1 for terms of 0.

    Terms are taken in order, and a share is full where the running total of magnitudes has grown by
    `size`. The term that crosses its end belongs to the next one, so a share holds less than `size`
    and the largest term together.
    """
    flat = np.abs(values.reshape(len(values), -1))
    return np.where(flat > 0, np.cumsum(flat, axis=1) // size, -1)
