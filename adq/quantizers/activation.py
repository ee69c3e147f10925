"""Threshold activation with learned thresholds: N2UQ and its generalized STE.

Formulas: docs/papers.md section 3 (arXiv 2111.14826). Differences of notation: `lengths` a_1..a_L,
`start` s, `gain` b1. The output scale b2 is tied to 1/b1 (codes stay in units of the input): a
batch norm follows every consumer, so its gradient is zero. Comparisons are ``u >= T_i``.
"""

import torch
from torch import Tensor, nn

from ..tensors import (
    Signal,
    as_rows,
    bytes_of,
    channels_last,
    from_rows,
    has_kernels,
    row_sums,
    running_sum,
    segment_sums,
    with_corners,
)
from . import kernels
from .low_bit import LowBitActivation

MIN_LENGTH = 1e-3
"""Shortest segment (N2UQ)."""
RANGE = 2.0
"""Sum of the initial segment lengths, in units of u = gain * x (N2UQ)."""


def edges(lengths: Tensor, start: Tensor) -> Tensor:
    """The 2L+1 ascending corner points s_1, T_1, s_2, T_2, ..., s_L, T_L, end of ramp and stair."""
    ends = running_sum(lengths)
    points = torch.stack([ends - lengths, ends - lengths * 0.5], 1).flatten()
    return torch.cat([points, ends[-1:]]) + start


def thresholds(lengths: Tensor, start: Tensor) -> Tensor:
    """The L thresholds T_i at the midpoints of the segments."""
    return edges(lengths, start)[1::2]


def _count_reached(x: Tensor, bounds: Tensor) -> tuple[Tensor, Tensor]:
    """Codes (type of x) and number of ``bounds`` reached of the rows ``x`` (N, M)."""
    if has_kernels(x):
        codes, reached = kernels.count_reached(x.detach().numpy(), bounds.numpy())
        return torch.from_numpy(codes), torch.from_numpy(reached)
    corners = torch.bucketize(x, bounds, right=True, out_int32=True)
    # between T_k and T_(k+1) are 2k or 2k+1 corners
    few = len(bounds) <= torch.iinfo(torch.uint8).max
    return (corners >> 1).to(x.dtype), corners.to(torch.uint8 if few else torch.int16)


def _ramp_gradients(
    grad: Tensor, x: Tensor, reached: Tensor, slope: Tensor, unit: float
) -> tuple[Tensor, Tensor]:
    """Gradient to the rows ``x * unit``, and the float64 sums (2, K) of G and G*x by corner."""
    if has_kernels(grad):
        given, numbers, corners, slopes = (t.detach().numpy() for t in (grad, x, reached, slope))
        grad_x, totals = kernels.ramp_gradients(given, numbers, corners, slopes, unit)
        return torch.from_numpy(grad_x), torch.from_numpy(totals)
    if grad.device.type == "cpu":
        parts = [segment_sums(reached, values, len(slope)) for values in (grad, grad * x)]
        sums = torch.stack(parts)
    else:
        sums = row_sums(reached, torch.stack([grad, grad * x], 1), len(slope))
    return slope[reached.long()] * grad, sums


class _Stair(torch.autograd.Function):
    """Forward: codes 0..L as floats. Backward: the piecewise linear ramp (generalized STE)."""

    @staticmethod
    def forward(
        ctx, x: Tensor, known: Tensor | None, unit: float, lengths: Tensor, start: Tensor,
        gain: Tensor, grad_factor: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        # everything in units of x: the map u = gain * x is not computed
        bounds = edges(lengths.double(), start.double()).div(gain.double()).to(x.dtype)
        codes, reached = _count_reached(as_rows(x), bounds.detach())
        kept = x if known is None else known.permute(0, 3, 1, 2)
        ctx.save_for_backward(kept, reached, lengths, start, gain)
        ctx.unit, ctx.grad_factor = unit, grad_factor
        ctx.mark_non_differentiable(reached)
        return from_rows(codes, x), reached

    @staticmethod
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        x, reached, lengths, start, gain = ctx.saved_tensors
        # slope of the ramp by corners reached: 0 | 1/a_1, 1/a_1, 1/a_2, ... | 0
        inside = (gain / lengths).repeat_interleave(2)
        slope = torch.cat([inside.new_zeros(1), inside, inside.new_zeros(1)]).to(grad.dtype)
        rows = as_rows(grad, x), as_rows(x)
        grad_x, sums = _ramp_gradients(*rows, reached, slope, ctx.unit)
        by_segment = sums[:, 1:-1].view(2, len(lengths), 2).sum(2)
        grads = parameter_gradients(by_segment, lengths, start, gain)
        scaled = (g.mul(ctx.grad_factor).to(grad.dtype) for g in grads)
        return from_rows(grad_x, x), None, None, *scaled, None


def parameter_gradients(
    sums: Tensor, lengths: Tensor, start: Tensor, gain: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of lengths, start and gain from per-segment sums of G and of G*x (float64).

    For u in segment k: dq/da_k = -(u - s_k)/a_k^2, dq/da_j = -1/a_k for j < k, dq/ds = -1/a_k,
    dq/dgain = x/a_k (q in codes, so the interval d of the paper is 1).
    """
    lengths, gain = lengths.double(), gain.double()
    plain, weighted = sums
    starts = running_sum(lengths) - lengths + start.double()
    push = plain / lengths
    after = push.sum() - running_sum(push)
    grad_lengths = -(weighted * gain - starts * plain) / lengths**2 - after
    return grad_lengths, -push.sum(), (weighted / lengths).sum()


def stair(
    x: Tensor, lengths: Tensor, start: Tensor, gain: Tensor, grad_factor: float = 1.0
) -> Tensor:
    """Codes 0..L of ``x``, differentiable in everything by the generalized STE.

    ``grad_factor`` multiplies the gradients of the three parameters (LSQ's 1/sqrt(N*Q)).
    """
    known = bytes_of(x) if has_kernels(x) and channels_last(x) else None
    numbers, unit = (None, 1.0) if known is None else known
    codes, reached = _Stair.apply(x, numbers, unit, lengths, start, gain, grad_factor)
    if reached.dtype == torch.uint8 and channels_last(x):
        return with_corners(codes, reached.view(codes.permute(0, 2, 3, 1).shape))
    return codes


class ThresholdActivation(LowBitActivation):
    """N2UQ activation of one map, shared by its channels; ``act_width`` output bits."""

    def __init__(self, act_width: int) -> None:
        super().__init__(act_width)
        self.lengths = nn.Parameter(torch.full((self.count,), RANGE / self.count))
        self.start = nn.Parameter(torch.zeros(()))
        self.gain = nn.Parameter(torch.ones(()))

    @torch.no_grad()
    def initialise(self, high: float) -> None:
        """N2UQ's initial thresholds over 0..``high`` (units of the input)."""
        self.lengths.fill_(RANGE / self.count)
        self.start.zero_()
        self.gain.fill_(RANGE / max(high, 1e-6))

    def parameters_in_range(self) -> tuple[Tensor, Tensor, Tensor]:
        """Lengths, start and gain with their lower limits applied."""
        return self.lengths.clamp(min=MIN_LENGTH), self.start, self.gain.clamp(min=1e-6)

    @property
    def scale(self) -> float:
        """Value of one code in units of the input, d * b2 with b2 = 1/b1."""
        return RANGE / self.count / max(float(self.gain.detach()), 1e-6)

    def real_thresholds(self) -> Tensor:
        return self.bounds()

    def bounds(self) -> Tensor:
        """Thresholds on the input x: T_i / gain, float64."""
        lengths, start, gain = (p.detach().double() for p in self.parameters_in_range())
        return (thresholds(lengths, start) / gain).cpu()

    def quantize(self, x: Tensor) -> Signal:
        return Signal(stair(x, *self.parameters_in_range(), self.grad_factor(x)), self.scale)
