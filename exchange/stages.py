"""Output stages of the contract that are exactly an engine's function of the sum.

A requant is taken where integers exist that put its steps at the function's steps; else
thresholds. "Half away from zero", "half even" and a double rounding mostly are a line of slightly
other slope with halves going up: whether they are is decided in integers.
"""

import numpy as np

from ..spec.activation import MAX_ACT_WIDTH, Threshold
from ..spec.errors import InputError
from ..spec.formats import Int64Array, IntFormat
from ..spec.requant import BIAS_FORMAT, MAX_SHIFT, MULTIPLIER_FORMAT, TOTAL_FORMAT, Requant
from .steps import Function, Steps, find

MULTIPLIER_WIDTHS = tuple(sorted({24, MULTIPLIER_FORMAT.width}))
"""Bits of a multiplier, tried in this order."""
_FEWER = 12
"""Shifts below the largest possible that are tried where a bias or a total is too wide."""
_EXACT = 1 << 60
"""Bound of `multiplier * sum` in the search, so that int64 holds every difference."""


def stage(
    function: Function, low: Int64Array, high: Int64Array, out: IntFormat, what: str
) -> Requant | Threshold:
    """The cheapest output stage that equals `function` for all sums low_c..high_c.

    function: sums (C, K) to codes (C, K) of `out`, monotone in each channel. low, high: (C,).
    Refuses, with channel, what neither a requant nor thresholds (unsigned codes, at most 8 bits)
    can say.

    >>> halves = lambda sums: np.clip((sums + 1) // 2, 0, 255)
    >>> found = stage(halves, np.array([-999]), np.array([999]), IntFormat(width=8), "Layer 'a'")
    >>> found.apply(np.array([[-3], [0], [5], [999]])).ravel().tolist()
    [0, 0, 3, 255]
    """
    steps = find(function, low, high, out, what)
    found = requant_of(steps)
    return thresholds_of(steps, what) if found is None else found


def requant_of(steps: Steps) -> Requant | None:
    """A requant with exactly these steps, or None where none was found.

    For a shift s and each channel there must be integers m and b with, for each step i at tau_i,
    `m*tau_i + b >= i*2^s > m*(tau_i - 1) + b` (b has the rounding half in it). For one m the
    allowed b are an interval; its length is a concave function of m, so its maximum is found by
    bisection on its differences, in integers. A solution at s gives one at s + 1: the largest
    shift that the multiplier's width allows decides.
    """
    for width in MULTIPLIER_WIDTHS:
        first = _largest_shift(steps, width)
        for shift in range(first, max(first - _FEWER, -1), -1):
            multiplier, limit = _widest(steps, shift, width)
            lowest, highest = _bias_range(steps, shift, multiplier)
            empty = lowest > highest
            if not empty.any():
                found = _requant(steps, shift, multiplier, lowest + ((highest - lowest) >> 1))
                if found is not None:
                    return found
            elif (multiplier[empty] < limit).all():
                break
    return None


def thresholds_of(steps: Steps, what: str) -> Threshold:
    """Thresholds with exactly these steps; refuses signed and wide codes."""
    if steps.out.signed or steps.out.width > MAX_ACT_WIDTH:
        raise InputError(
            f"{what}: function of the sum must be a line with saturation where its codes are "
            f"{steps.out.name}, not bent as in channel {_first_bent(steps)}; "
            f"thresholds give u1..u{MAX_ACT_WIDTH}"
        )
    return Threshold(tau=steps.tau, sign=steps.sign)


def _first_bent(steps: Steps) -> int:
    """The first channel that has no requant even alone, else 0."""
    return next((c for c in range(len(steps.low)) if requant_of(steps.channel(c)) is None), 0)


def _largest_shift(steps: Steps, width: int) -> int:
    """About the shift at which the steepest channel's multiplier has `width` bits."""
    inner = steps.inner
    count = inner.sum(axis=1)
    ends = np.iinfo(np.int64)
    first = np.where(inner, steps.tau, ends.max).min(axis=1)
    last = np.where(inner, steps.tau, ends.min).max(axis=1)
    rising = count > 0
    if not rising.any():
        return MAX_SHIFT - 1
    slope = float((np.maximum(count - 1, 1) / (last - first + 1.0))[rising].max())
    return int(np.clip(width - np.floor(np.log2(slope)), 0, MAX_SHIFT - 1))


def _widest(steps: Steps, shift: int, width: int) -> tuple[Int64Array, int]:
    """(C,) multipliers for which most biases are allowed, and the largest multiplier tried."""
    reach = max(int(np.abs(steps.low).max()), int(np.abs(steps.high).max())) + 1
    limit = min((1 << (width - 1)) - 1, _EXACT // reach)
    least = np.zeros(len(steps.low), np.int64)
    most = np.where(steps.inner.any(axis=1), limit, 0)

    def room(multiplier: Int64Array) -> Int64Array:
        lowest, highest = _bias_range(steps, shift, multiplier)
        return highest - lowest

    while (least < most).any():
        middle = (least + most) >> 1
        rises = room(middle + 1) > room(middle)
        least, most = (
            np.where(rises, np.minimum(middle + 1, most), least),
            np.where(rises, most, middle),
        )
    return least, limit


def _bias_range(steps: Steps, shift: int, multiplier: Int64Array) -> tuple[Int64Array, Int64Array]:
    """(C,) lowest and highest b, half included, that put every step where it is."""
    m = multiplier[:, None]
    goal = np.arange(steps.out.min + 1, steps.out.max + 1) << shift
    far = 1 << 61  # no condition: every sum, or none, has taken the step
    lowest = np.where(steps.taken, goal - m * steps.tau, -far).max(axis=1)
    highest = np.where(steps.missed, goal - 1 - m * (steps.tau - 1), far).min(axis=1)
    constant = ~steps.inner.any(axis=1)
    code = steps.out.min + steps.taken.sum(axis=1)
    middle = (code << shift) + ((1 << shift) >> 1)
    return np.where(constant, middle, lowest), np.where(constant, middle, highest)


def _requant(steps: Steps, shift: int, multiplier: Int64Array, b: Int64Array) -> Requant | None:
    """The requant, if its bias and totals fit the contract."""
    bias = b - ((1 << shift) >> 1)
    if not BIAS_FORMAT.contains(int(bias.min()), int(bias.max())):
        return None
    found = Requant(multiplier=multiplier * steps.sign, bias=bias, shift=shift, out=steps.out)
    total = found.total_bounds((int(steps.low.min()), int(steps.high.max())))
    return found if TOTAL_FORMAT.contains(*total) else None
