"""A monotone function of an integer sum, as the integers at which it steps.

Every engine rounds in a way of its own; but what it does between a sum and a code is a function of
one integer. `find` asks that function itself, with the engine's own arithmetic, where it steps.
Two functions with the same steps are the same function, whatever their formulas look like.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ..spec.errors import InputError
from ..spec.formats import Int64Array, IntFormat

Function = Callable[[Int64Array], Int64Array]
"""Sums (C, K) int64, one row per channel, to codes (C, K)."""

BoolArray = npt.NDArray[np.bool_]

MAX_CODES = 1 << 10
"""Most codes of a function that is searched for its steps."""
_SAMPLES = 1 << 18
"""Sums of a layer, beside those at the steps, at which the steps are compared with it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Steps:
    """`code(s) = out.min + #{i : sign_c * s >= tau[c][i]}` for every sum s in low_c..high_c.

    tau: (C, out.max - out.min) int64, non-decreasing, in `least_c..most_c + 1` (the range of
    `sign_c * s`): `least` is a step that every sum has taken, `most + 1` one that none takes.
    """

    low: Int64Array
    high: Int64Array
    tau: Int64Array
    sign: Int64Array
    out: IntFormat

    @cached_property
    def least(self) -> Int64Array:
        """(C,) smallest `sign * s`."""
        return np.where(self.sign > 0, self.low, -self.high)

    @cached_property
    def most(self) -> Int64Array:
        """(C,) largest `sign * s`."""
        return np.where(self.sign > 0, self.high, -self.low)

    @cached_property
    def taken(self) -> BoolArray:
        """(C, L) steps that some sum has taken."""
        return self.tau <= self.most[:, None]

    @cached_property
    def missed(self) -> BoolArray:
        """(C, L) steps that some sum has not taken."""
        return self.tau > self.least[:, None]

    @cached_property
    def inner(self) -> BoolArray:
        """(C, L) steps between two sums."""
        return self.taken & self.missed

    def channel(self, c: int) -> "Steps":
        """One channel alone."""
        rows = (getattr(self, name)[c : c + 1] for name in ("low", "high", "tau", "sign"))
        low, high, tau, sign = rows
        return Steps(low=low, high=high, tau=tau, sign=sign, out=self.out)

    def codes(self, sums: Int64Array) -> Int64Array:
        """Codes (C, K) of sums (C, K)."""
        rows = zip(self.tau, self.sign[:, None] * sums, strict=True)
        counts = [np.searchsorted(tau, values, side="right") for tau, values in rows]
        return np.stack(counts).astype(np.int64) + self.out.min


def find(function: Function, low: Int64Array, high: Int64Array, out: IntFormat, what: str) -> Steps:
    """The steps of `function` over the sums low_c..high_c of each channel (both (C,) int64).

    out: format of the codes, at most 10 bits. A channel's function must be monotone, rising or
    falling. That it is is a property of the caller's arithmetic; it is compared with its steps at
    both sides of every step, and everywhere in short ranges or at many sums of long ones, and
    refused with channel and sum where it is not. what: the layer, for messages.

    >>> halves = lambda sums: np.clip((sums + 1) // 2, 0, 3)
    >>> find(halves, np.array([-9]), np.array([9]), IntFormat(width=2), "Layer 'a'").tau.tolist()
    [[1, 3, 5]]
    """
    count = out.max - out.min
    if count >= MAX_CODES:
        raise InputError(f"{what}: codes must have at most 10 bits, not {out.width}")
    ends = function(np.stack([low, high], axis=1))
    sign = np.where(ends[:, 1] >= ends[:, 0], 1, -1).astype(np.int64)
    bare = np.zeros((len(low), count), np.int64)
    least, most = np.where(sign > 0, low, -high), np.where(sign > 0, high, -low)
    codes = np.arange(out.min + 1, out.max + 1)
    below, reached = bare + (least - 1)[:, None], bare + (most + 1)[:, None]
    while (reached - below > 1).any():  # below: sums under step i, reached: sums at or above it
        middle = (below + reached) >> 1
        inside = np.clip(middle, least[:, None], most[:, None])
        over = function(sign[:, None] * inside) >= codes
        open_ = reached - below > 1
        reached = np.where(open_ & over, middle, reached)
        below = np.where(open_ & ~over, middle, below)
    steps = Steps(low=low, high=high, tau=reached, sign=sign, out=out)
    _check(function, steps, what)
    return steps


def _check(function: Function, steps: Steps, what: str) -> None:
    """Refuse a function that is not what its steps say."""
    span = int((steps.high - steps.low).max())
    channels = len(steps.low)
    samples = min(2048, max(64, _SAMPLES // channels))
    if span < samples:
        spread = steps.low[:, None] + np.arange(span + 1)
    else:
        draws = np.random.default_rng(0).random((channels, samples))
        spread = steps.low[:, None] + (draws * (steps.high - steps.low)[:, None]).astype(np.int64)
    at = steps.sign[:, None] * steps.tau
    sums = np.concatenate([at, at - steps.sign[:, None], spread], axis=1)
    sums = np.clip(sums, steps.low[:, None], steps.high[:, None])
    codes = function(sums)
    steps.out.check(codes, f"{what}: code")
    wrong = np.argwhere(codes != steps.codes(sums))
    if wrong.size:
        channel, k = (int(i) for i in wrong[0])
        raise InputError(
            f"{what}: function of the sum must be monotone, not code {codes[channel, k]} at sum "
            f"{sums[channel, k]} of channel {channel}"
        )
