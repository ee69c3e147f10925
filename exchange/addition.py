"""The addition of two tensors of codes as the contract's: two multipliers, a bias, a shift.

Engines rescale each operand, round, add, rescale and round again. What comes out is a table of at
most 256 x 256 codes; a plane with halves going up that has this table is looked for in integers,
and compared with the whole table.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..spec.formats import Int64Array, IntFormat
from ..spec.requant import BIAS_FORMAT, MAX_SHIFT, Requant
from .stages import MULTIPLIER_WIDTHS

Pairs = Callable[[Int64Array, Int64Array], Int64Array]
"""Codes of the first and of the second operand, same shape, to codes of the sum."""

Operand = Callable[[Int64Array], Int64Array]


@dataclass(frozen=True, kw_only=True)
class Summed:
    """A function of two codes as `total(first(a) + second(b))`: how an engine computes it."""

    first: Operand
    second: Operand
    total: Operand

    def __call__(self, a: Int64Array, b: Int64Array) -> Int64Array:
        """Codes of the sum, of operands of one shape."""
        return self.total(self.first(a) + self.second(b))


_MARGIN = 2
"""Steps by which the slope read off the table may be wrong over its longest row."""
_ROUNDS = 40
"""Times that violated pairs join the conditions."""
_JOIN = 24
"""Worst pairs that join at a time, of each side."""

_FAR = 1 << 60
"""Where a total has no bound: its code is the last one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Conditions:
    """Pairs (a, b) and the total's bounds there: `low <= m*a + n*b + bias <= high`."""

    a: Int64Array
    b: Int64Array
    low: Int64Array
    high: Int64Array

    def taken(self, which: Int64Array) -> "_Conditions":
        return _Conditions(
            a=self.a[which], b=self.b[which], low=self.low[which], high=self.high[which]
        )

    def bias_range(self, m: int, n: int) -> tuple[int, int]:
        plane = m * self.a + n * self.b
        return int((self.low - plane).max()), int((self.high - plane).min())

    def room(self, m: int, n: int) -> int:
        lowest, highest = self.bias_range(m, n)
        return highest - lowest


def exact_addition(function: Pairs, a: IntFormat, b: IntFormat, out: IntFormat) -> Requant | None:
    """A requant with `saturate((multiplier*a + skip_multiplier*b + bias + half) >> shift)` equal
    to `function` for all pairs of codes of the formats `a` and `b`, or None where none was found.

    a, b: formats of at most 8 bits. The requant has one channel.

    >>> u8 = IntFormat(width=8)
    >>> found = exact_addition(lambda x, y: np.clip((2 * x + 3 * y) // 4, 0, 255), u8, u8, u8)
    >>> int(found.apply(np.array([[10]]), np.array([[7]]))[0, 0])
    10
    """
    first, second = (x.ravel() for x in np.meshgrid(_codes(a), _codes(b), indexing="ij"))
    table = np.asarray(function(first, second), np.int64)
    out.check(table, "Code of an addition")
    grid = table.reshape(len(_codes(a)), len(_codes(b)))
    slopes = _slope(grid, out), _slope(grid.T, out)
    for width in MULTIPLIER_WIDTHS:
        limit = (1 << (width - 1)) - 1
        steep = max(abs(slope) + _MARGIN / span for slope, span in slopes)
        shift = int(np.clip(np.floor(np.log2(limit / steep)), 0, MAX_SHIFT))
        found = _plane(first, second, table, slopes, shift, out)
        if found is not None:
            return found
    return None


def nearest_line(
    function: Operand, codes: IntFormat, offset: int = 0
) -> tuple[Requant, Int64Array]:
    """A requant to a wide signed format, and what it lacks: `function(code + offset)` minus it.

    For an operand that an engine rescales with many bits before it adds. The difference, one per
    code of the format `codes`, is 0 where a line is the function, and small where only halves
    round otherwise.
    """
    x = _codes(codes)
    y = np.asarray(function(x + offset), np.int64)
    out = IntFormat.holding(min(int(y.min()), -1), max(int(y.max()), 0))
    out = IntFormat(width=out.width + 1, signed=True)  # the line may lie beyond by a little
    slope = float(y[-1] - y[0]) / max(len(y) - 1, 1)
    limit = (1 << (MULTIPLIER_WIDTHS[-1] - 1)) - 1
    reach = max(abs(slope), int(np.abs(y).max()) / (_FAR // 2 / limit), 2.0**-16)
    shift = int(np.clip(np.floor(np.log2(limit / reach)), 0, MAX_SHIFT))
    edges = ((slope - _MARGIN) * 2**shift, (slope + _MARGIN) * 2**shift)
    window = max(int(edges[0]), -limit), min(int(edges[1]), limit)
    line = _Conditions(a=x, b=np.zeros_like(x), low=y << shift, high=(y + 1 << shift) - 1)
    m = _best(line, 0, window)
    lowest, highest = line.bias_range(m, 0)
    bias = (lowest + highest >> 1) - ((1 << shift) >> 1)
    found = Requant(multiplier=np.array([m]), bias=np.array([bias]), shift=shift, out=out)
    return found, y - found.apply(x[None])[0]


def _codes(fmt: IntFormat) -> Int64Array:
    return np.arange(fmt.min, fmt.max + 1, dtype=np.int64)


def _slope(grid: Int64Array, out: IntFormat) -> tuple[float, int]:
    """Codes per step along the first axis where neither end saturates, and over how many steps."""
    inside = (grid > out.min) & (grid < out.max)
    column = int(inside.sum(axis=0).argmax())
    rows = np.flatnonzero(inside[:, column])
    if len(rows) < 2:
        return 0.0, 1
    span = int(rows[-1] - rows[0])
    return float(grid[rows[-1], column] - grid[rows[0], column]) / span, span


def _plane(
    first: Int64Array,
    second: Int64Array,
    table: Int64Array,
    slopes: tuple[tuple[float, int], tuple[float, int]],
    shift: int,
    out: IntFormat,
) -> Requant | None:
    """The requant with this shift: conditions are few pairs at first, then those it breaks too."""
    everything = _Conditions(
        a=first,
        b=second,
        low=np.where(table > out.min, table << shift, -_FAR),
        high=np.where(table < out.max, ((table + 1) << shift) - 1, _FAR),
    )
    windows = [
        (int((slope - _MARGIN / span) * 2**shift), int((slope + _MARGIN / span) * 2**shift))
        for slope, span in slopes
    ]
    half = (1 << shift) >> 1
    chosen = np.flatnonzero((first % 17 == 0) & (second % 17 == 0))
    for _ in range(_ROUNDS):
        few = everything.taken(chosen)
        m, n = _centre(few, windows[0], windows[1])
        lowest, highest = few.bias_range(m, n)
        if lowest > highest:
            return None
        one_sided = lowest < -_FAR // 2 or highest > _FAR // 2  # every code at one end
        bias = (highest if lowest < -_FAR // 2 else lowest) if one_sided else lowest + highest >> 1
        total = m * first + n * second + bias
        over, under = total - everything.high, everything.low - total
        worst = np.concatenate([np.argsort(-over)[:_JOIN], np.argsort(-under)[:_JOIN]])
        worst = worst[(over[worst] > 0) | (under[worst] > 0)]
        if not worst.size:
            return _requant(m, n, bias - half, shift, out)
        chosen = np.union1d(chosen, worst)
    return None


def _requant(m: int, n: int, bias: int, shift: int, out: IntFormat) -> Requant | None:
    if not BIAS_FORMAT.contains(bias, bias):
        return None
    return Requant(
        multiplier=np.array([m]), skip_multiplier=n, bias=np.array([bias]), shift=shift, out=out
    )


def _centre(
    conditions: _Conditions, window_m: tuple[int, int], window_n: tuple[int, int]
) -> tuple[int, int]:
    """Multipliers for which most biases are allowed."""
    n = _argmax(lambda n: conditions.room(_best(conditions, n, window_m), n), window_n)
    return _best(conditions, n, window_m), n


def _best(conditions: _Conditions, n: int, window: tuple[int, int]) -> int:
    return _argmax(lambda m: conditions.room(m, n), window)


def _argmax(concave: Callable[[int], int], window: tuple[int, int]) -> int:
    """Where a concave function of an integer is largest."""
    least, most = window
    while least < most:
        middle = (least + most) >> 1
        if concave(middle + 1) > concave(middle):
            least = middle + 1
        else:
            most = middle
    return least
