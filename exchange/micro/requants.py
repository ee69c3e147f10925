"""TFLite's requantization with the steps of a program's output stage, where there is one.

The other way round than `exchange/stages.py`: of a stage the steps are known, and wanted are a bias
(int32) and a scale of the weights (float32) with which the kernel steps at the same sums. For each
bias the scales that put every step right are an interval, up to what its ends round to; scales in
it are tried with the kernel's own arithmetic. Weights times a small integer make the bias finer.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ..imported import Quantization
from ..steps import BoolArray, Steps, find
from ..tflite.arithmetic import NONE, RELU, RELU6, RELU_N1_TO_1, Multiplier, activation_range
from ..tflite.convolutions import requantized

ACTIVATIONS = (NONE, RELU, RELU6, RELU_N1_TO_1)
WEIGHT_MAX = 127
_BIASES = 1024
"""Most biases of a channel that are looked at."""
_BEST = 24
"""Biases, those with the widest intervals, of which scales are tried."""
_SCALES = 48
"""Scales tried in an interval."""
_FACTORS = 10
"""Multiples of the weights that are tried."""
_LARGEST = (1 << 31) - 1

Reals = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Ends:
    """A tensor of codes on both sides of the stage. zero: the program's code of real zero."""

    source: Quantization
    out: Quantization
    offset: int
    """File code minus program code, of the result."""

    @property
    def zero(self) -> int:
        return self.out.zero_point - self.offset


@dataclass(frozen=True, kw_only=True, eq=False)
class Requantization:
    """What a kernel is given. factor, bias: (C,); scales: (C,) float32, of the weights.

    The kernel computes with `factor_c * level` as weights; bias: of the sums of program codes.
    """

    factor: Int64Array
    bias: Int64Array
    scales: npt.NDArray[np.float32]
    activation: int
    ends: Ends

    def __call__(self, sums: Int64Array) -> Int64Array:
        """Program codes of the program's sums (C, K), by the kernel's arithmetic."""
        multiplier = Multiplier.of(*reals(self.ends, self.scales))
        clamp = activation_range(
            self.activation, self.ends.out.format, self.ends.out.scale, self.ends.out.zero_point
        )
        scaled = sums * self.factor[:, None]
        zero = self.ends.out.zero_point
        return requantized(scaled, self.bias, multiplier, zero, clamp) - self.ends.offset


def reals(ends: Ends, scales: npt.NDArray[np.float32]) -> list[float]:
    """What the kernel makes fixed-point numbers of, in double."""
    return [ends.source.scale * float(scale) / ends.out.scale for scale in scales]


def find_requantization(steps: Steps, ends: Ends, largest: int, what: str) -> Requantization:
    """The requantization with exactly these steps (program codes of program sums).

    largest: of the levels' magnitudes. Every sum in steps.low..steps.high is proven. Refuses, with
    the channel, steps that no TFLite requant has.
    """
    failed = 0
    for activation in ACTIVATIONS:
        found = _of_activation(steps, ends, largest, activation)
        if isinstance(found, int):
            failed = max(failed, found)
            continue
        again = find(found, steps.low, steps.high, steps.out, what)
        if (again.tau == steps.tau).all() and (again.sign == steps.sign).all():
            return found
    raise InputError(
        f"{what}, channel {failed}: output stage must step as TFLite-Micro's (int32 bias, float32 "
        "scale, rounded twice); its steps are no TFLite requant"
    )


def _of_activation(steps: Steps, ends: Ends, largest: int, activation: int) -> Requantization | int:
    """A solution of every channel, or the first channel without one."""
    out = ends.out
    least, most = activation_range(activation, out.format, out.scale, out.zero_point)
    clamp = least - ends.offset, most - ends.offset
    rows: list[tuple[int, int, np.float32]] = []
    for c in range(len(steps.low)):
        found = _channel(steps.channel(c), ends, largest, clamp)
        if found is None:
            return c
        rows.append(found)
    factor, bias, scales = zip(*rows, strict=True)
    return Requantization(
        factor=np.array(factor, np.int64), bias=np.array(bias, np.int64),
        scales=np.array(scales, np.float32), activation=activation, ends=ends,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class _Conditions:
    """`f(x) >= goal` where `reached`, else `f(x) < goal`, for sums x of rising steps.

    goal: codes minus that of real zero.
    """

    x: Int64Array
    goal: Int64Array
    reached: BoolArray

    def times(self, factor: int) -> "_Conditions":
        return _Conditions(x=self.x * factor, goal=self.goal, reached=self.reached)


def _conditions(steps: Steps, zero: int, clamp: tuple[int, int]) -> _Conditions | None:
    """Of one channel; what the clamp does by itself is left out. None: the clamp is in the way."""
    out, tau = steps.out, steps.tau[0]
    first, last = int(steps.least[0]), int(steps.most[0])
    codes = np.concatenate([[out.min], np.arange(out.min + 1, out.max + 1), [out.max + 1]])
    at = np.concatenate([[first], tau, [last + 1]])
    taken, missed = at <= last, at > first
    low, high = clamp
    if (missed & (codes <= low) & (codes > out.min)).any() or (taken & (codes > high)).any():
        return None
    reach, below = taken & (codes > low), missed & (codes <= high)
    return _Conditions(
        x=np.concatenate([at[reach], at[below] - 1]),
        goal=np.concatenate([codes[reach], codes[below]]) - zero,
        reached=np.concatenate([np.ones(reach.sum(), bool), np.zeros(below.sum(), bool)]),
    )


def _channel(
    steps: Steps, ends: Ends, largest: int, clamp: tuple[int, int]
) -> tuple[int, int, np.float32] | None:
    """Factor of the weights, bias and scale of one channel."""
    conditions = _conditions(steps, ends.zero, clamp)
    if conditions is None:
        return None
    if not steps.inner.any():  # one code: no weights, the bias alone makes it
        return _constant(int(steps.codes(steps.low[:, None])[0, 0]) - ends.zero, ends)
    most = WEIGHT_MAX // max(largest, 1)
    factors = [1, *np.unique(np.linspace(most, 2, _FACTORS).astype(int))[::-1].tolist()]
    for factor in factors if most > 1 else [1]:
        found = _line(conditions.times(factor), ends)
        if found is not None:
            return int(factor * steps.sign[0]), *found
    return None


def _constant(value: int, ends: Ends) -> tuple[int, int, np.float32]:
    scale = np.float32(ends.out.scale / ends.source.scale / (1 << 16))
    real = reals(ends, np.array([scale]))[0]
    return 0, round(value / real), scale


def _line(conditions: _Conditions, ends: Ends) -> tuple[int, np.float32] | None:
    """A bias and a scale by which the kernel meets the conditions."""
    slopes = _slopes(conditions)
    if slopes is None:
        return None
    biases = _biases(conditions, slopes)
    if biases is None:
        return None
    for exponent in range(math.frexp(slopes[0])[1], math.frexp(slopes[1])[1] + 1):
        window = max(slopes[0], 2.0 ** (exponent - 1)), min(slopes[1], 2.0**exponent)
        low, high = _multipliers(conditions, biases, window, exponent)
        room = (high - low) / high
        order = np.argsort(-room)[:_BEST]
        for k in order[room[order] > -1e-12]:
            found = _scale(conditions, ends, int(biases[k]), float(low[k]), float(high[k]))
            if found is not None:
                return int(biases[k]), found
    return None


def _slopes(conditions: _Conditions) -> tuple[float, float] | None:
    """Bounds of the multiplier, from pairs of conditions; rounding twice shifts a sum by 2."""
    reached = conditions.reached
    xa, ya = (v[reached][:, None] for v in (conditions.x, conditions.goal))
    xb, yb = (v[~reached][None] for v in (conditions.x, conditions.goal))
    if not xa.size or not xb.size:
        return None
    run, rise = xb - xa, yb - ya
    rising = (run > 2) & (rise > 0)
    if ((run > 2) & (rise <= 0)).any():
        return None
    high = (rise[rising] / (run[rising] - 2)).min() if rising.any() else 256.0
    falling = rise < 0
    low = (-rise[falling] / (2.0 - run[falling])).max() if falling.any() else 2.0**-20
    return (float(low), float(high)) if 0 < low <= high else None


def _biases(conditions: _Conditions, slopes: tuple[float, float]) -> Int64Array | None:
    """Biases that some multiplier between the slopes allows, at most `_BIASES` of them."""
    edge = (conditions.goal - 0.5)[None] / np.array(slopes)[:, None] - conditions.x
    low = np.floor(edge.min(axis=0)[conditions.reached].max()) - 2
    high = np.ceil(edge.max(axis=0)[~conditions.reached].min()) + 2
    if low > high:
        return None
    low, high = max(low, -float(_LARGEST // 2)), min(high, float(_LARGEST // 2))
    return np.unique(np.linspace(low, high, min(int(high - low) + 1, _BIASES)).astype(np.int64))


def _multipliers(
    conditions: _Conditions, biases: Int64Array, window: tuple[float, float], exponent: int
) -> tuple[Reals, Reals]:
    """For each bias, between which multipliers of this exponent every condition holds."""
    goal = conditions.goal
    once = 2.0 ** min(exponent - 1, -1) if exponent < 0 else 0.0  # what the first rounding moves
    edge = np.where(goal > 0, goal - 0.5 - once, goal - 0.5 + once)[None]
    x = (conditions.x[None] + biases[:, None]).astype(np.float64)
    reached = conditions.reached[None]
    ratio = np.divide(edge, x, out=np.full_like(x, np.inf), where=x != 0)
    bounds_low = np.where(reached, edge > 0, edge < 0)  # edge/x is a lower bound there
    right_side = np.where(edge > 0, x > 0, x < 0)
    no = bounds_low & ~right_side  # zero or the other sign never gets there
    low = np.where(bounds_low, np.where(no, np.inf, ratio), -np.inf).max(axis=1)
    high = np.where(~bounds_low & right_side, ratio, np.inf).min(axis=1)
    return np.maximum(low, window[0]), np.minimum(high, window[1])


def _scale(
    conditions: _Conditions, ends: Ends, bias: int, low: float, high: float
) -> np.float32 | None:
    """A float32 scale with a multiplier between low and high that meets every condition."""
    x = conditions.x + bias
    if int(np.abs(x).max()) << max(math.frexp(high)[1], 0) > _LARGEST:
        return None
    unit = ends.out.scale / ends.source.scale
    edges = np.array([low * unit, high * unit], np.float32)
    first, last = (int(bits) for bits in edges.view(np.int32) + np.array([-1, 1]))
    count = min(last - first + 1, _SCALES)
    bits = np.unique(np.linspace(first, last, count).astype(np.int64)).astype(np.int32)
    scales = bits.view(np.float32)[np.argsort(np.abs(bits - (first + last) // 2), kind="stable")]
    scales = scales[np.isfinite(scales) & (scales > 0)]
    if not scales.size:
        return None
    values = Multiplier.of(*reals(ends, scales)).times(x[None])
    right = ((values >= conditions.goal) == conditions.reached).all(axis=1)
    return _first(scales, right)


def _first(scales: npt.NDArray[Any], right: BoolArray) -> np.float32 | None:
    return np.float32(scales[int(right.argmax())]) if right.any() else None
