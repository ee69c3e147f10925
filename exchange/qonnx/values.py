"""A tensor of a QONNX file that is not constant: integers of the program and a line to reals."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import gcd, lcm

import numpy as np

from ...spec.formats import IntFormat
from ...spec.layers import Skip
from ...spec.requant import SKIP_MULTIPLIER_FORMAT, Requant
from ..onnx.emit import Codes, Emitter, Sum, plain, window
from ..onnx.layout import Map, View
from ..onnx.walk import Placed
from ..onnx.windows import Window
from ..steps import Steps
from .rationals import Line, Numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Deferred:
    """A max pool over values that are still sums: done after the next quantizer.

    Both orders give the same: a quantizer of rising lines does not change which value is largest.
    before: the values that are pooled, for when the line turns out to fall.
    """

    before: "Reals"
    window: Window
    shape: Map
    label: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Reals(Placed):
    """Real values `line(t)` of integers t: codes, or a sum that has no stage yet.

    other: a second tensor of codes that is added, times its own scale (before the line's limits).
    pool: a max pool that is still to be done.
    """

    view: View
    line: Line
    codes: Codes | None = None
    total: Sum | None = None
    other: "tuple[Codes, Fraction] | None" = None
    pool: Deferred | None = None

    def viewed(self, view: View) -> "Reals":
        return replace(self, view=view)

    @property
    def channels(self) -> int:
        return len(self.line.scale)

    def summed(self, label: str) -> Sum:
        """The integers as a sum: of one code each where they are codes."""
        if self.total is not None:
            return self.total
        assert self.codes is not None
        return window(self.codes, (1, 1), (1, 1), label)


def whole_view(shape: Map, like: View) -> View:
    """The map `shape` itself, in the logical shape of `like`."""
    return View.whole(shape, like.index.shape)


def settled(value: Reals, emitter: Emitter, label: str) -> Reals:
    """The same values as codes of the program, one tensor, no limits, nothing deferred."""
    value = unpooled(value, emitter, label)
    value = joined(value, emitter, label)
    if value.codes is None:
        assert value.total is not None
        zeros = np.zeros(value.total.channels, np.int64)
        codes = emitter.finish(value.total, plain(value.total, zeros), label)
        value = replace(value, codes=codes, total=None)
    return _unlimited(value, emitter, label) if value.line.limited else value


def unpooled(value: Reals, emitter: Emitter, label: str) -> Reals:
    """Without a deferred pool: the sums become codes, which are pooled.

    Channels whose values fall with the sum would need the smallest code, which no layer gives.
    """
    if value.pool is None:
        return value
    before = value.pool.before
    if before.line.falls:
        raise ValueError("values that are pooled must rise with their sums, not fall")
    line = Line.of(before.line.scale, before.line.offset)
    source = settled(replace(before, line=line), emitter, label)
    assert source.codes is not None
    area = value.pool.window
    codes = emitter.max_pool(source.codes, area.kernel, area.stride, area.padding, label)
    return replace(value, codes=codes, total=None, pool=None)


def joined(value: Reals, emitter: Emitter, label: str) -> Reals:
    """The sum of two tensors as one tensor of integers: their scales must have a small ratio.

    `a*s + b*t = g*(p*s + q*t)` with integers p and q: exact, without any rounding.
    """
    if value.other is None:
        return value
    other, b = value.other
    ratios = {ratio(a, b) for a in value.line.scale}
    if len(ratios) != 1:
        raise ValueError("operands that are added must have one ratio of scales")
    p, q = ratios.pop()
    limit = SKIP_MULTIPLIER_FORMAT.max
    if max(abs(p), abs(q)) > limit:
        raise ValueError(
            "operands that are added must have one scale or a small ratio of scales, or be "
            "quantized together to at most 8 bits"
        )
    total = value.summed(label)
    ends = [p * int(total.low.min()), p * int(total.high.max())]
    more = [q * other.format.min, q * other.format.max]
    out = IntFormat.holding(min(ends) + min(more), max(ends) + max(more))
    if out.width > 31:
        raise ValueError(f"sum of the operands must fit 31 bits, not {out.width}")
    stage = Requant(
        multiplier=np.array([p]), bias=np.zeros(1, np.int64), shift=0, out=out, skip_multiplier=q
    )
    codes = emitter.finish(total, stage, label, Skip(tensor=other.name))
    scale = tuple(a / p if p else b / q for a in value.line.scale)
    return replace(
        value, codes=codes, total=None, other=None, line=replace(value.line, scale=scale)
    )


def ratio(a: Fraction, b: Fraction) -> tuple[int, int]:
    """Integers p, q without a common factor, with a : b = p : q."""
    common = lcm(a.denominator, b.denominator)
    p, q = int(a * common), int(b * common)
    share = gcd(p, q) or 1
    return p // share, q // share


def _unlimited(value: Reals, emitter: Emitter, label: str) -> Reals:
    """Limits (a ReLU) on codes as codes: the limits must be values of codes."""
    assert value.codes is not None
    line, form = value.line, value.codes.format
    if not line.uniform or line.scale[0] <= 0 or len({*line.low}) > 1 or len({*line.high}) > 1:
        raise ValueError("a ReLU before a layer must be on values of one positive scale")
    ends = [
        edge if limit is None else (limit - line.offset[0]) / line.scale[0]
        for limit, edge in ((line.low[0], form.min), (line.high[0], form.max))
    ]
    if any(Fraction(x).denominator != 1 for x in ends):
        raise ValueError("limits of a ReLU or Clip must be values that the quantizer before gives")
    low, high = max(int(ends[0]), form.min), min(int(ends[1]), form.max)
    out = IntFormat.holding(0, max(high - low, 1))
    if out.max != high - low:
        raise ValueError("limits of a Clip must leave a power of two of codes")
    stage = Requant(multiplier=np.ones(1, np.int64), bias=np.array([-low]), shift=0, out=out)
    codes = emitter.finish(value.summed(label), stage, label)
    offset = tuple(b + a * low for a, b in zip(line.scale, line.offset, strict=True))
    return replace(value, codes=codes, line=Line.of(line.scale, offset))


def integer_zero(value: Reals) -> int | None:
    """The code of real zero of a tensor of codes, None where there is none."""
    assert value.codes is not None
    codes: set[Fraction] = {
        -b / a for a, b in zip(value.line.scale, value.line.offset, strict=True) if a
    }
    zero = codes.pop() if len(codes) == 1 else Fraction(1, 2)
    form = value.codes.format
    return int(zero) if zero.denominator == 1 and form.min <= zero <= form.max else None


def shared(line: Line, groups: int) -> tuple[Numbers, Numbers] | None:
    """Scale and offset of each group of channels; None where channels of one group differ."""
    size = len(line.scale) // groups
    parts = [(line.scale[i], line.offset[i]) for i in range(0, len(line.scale), size)]
    pairs = zip(line.scale, line.offset, strict=True)
    if any(pair != parts[i // size] for i, pair in enumerate(pairs)):
        return None
    return tuple(a for a, _ in parts), tuple(b for _, b in parts)


def is_identity(steps: Steps, form: IntFormat) -> bool:
    """Whether steps on codes are those of the codes themselves: quantizing changes nothing."""
    wanted = np.arange(form.min + 1, form.max + 1)
    same = steps.out == form and (steps.sign > 0).all() and (steps.tau == wanted).all()
    return bool(same)
