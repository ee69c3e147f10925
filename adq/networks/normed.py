"""Batch norm and the quantizer behind it as one function of the sums, for training on CPUs.

Same formulas as `layers.scaled_batch_norm` before `ThresholdActivation` or `StreamQuantizer`, with
two maps less in memory and three passes less over them (`quantizers.normed_kernels`). Backward:
with xhat = (x - m) / s, y = w xhat + b and the gradient D of y, dx = w / s * (D - mean(D) - xhat *
mean(D xhat)) (Ioffe and Szegedy, arXiv 1502.03167, section 3). D is the quantizer's gradient times
a factor that only depends on the bounds reached: one pass gives all means, and its own gradients.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..quantizers import kernels, normed_kernels
from ..quantizers.activation import ThresholdActivation, edges, parameter_gradients
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import MIN_STEP, StreamQuantizer
from ..ranks import BatchNorm
from ..tensors import (
    Bytes,
    Mode,
    Signal,
    bytes_of,
    channels_last,
    has_kernels,
    with_bytes,
    with_corners,
)


class Norm(NamedTuple):
    """A training batch norm in units of the sums: y = (x - mean) * factor * weight + bias.

    Tensors (C,) in float64; NumPy's arrays would warn of the infinities of a diverging run, of
    which its loss tells.
    """

    mean: Tensor
    factor: Tensor
    """1 / sqrt(var + eps)."""
    weight: Tensor
    bias: Tensor

    @property
    def scale(self) -> Tensor:
        return self.factor * self.weight

    @property
    def shift(self) -> Tensor:
        return self.bias - self.mean * self.scale

    @property
    def affine(self) -> tuple[np.ndarray, np.ndarray]:
        """y = x * scale + shift, in float32."""
        return self.scale.float().numpy(), self.shift.float().numpy()

    def gradients(self, sums: Tensor, count: int) -> tuple[Tensor, Tensor, np.ndarray]:
        """Of weight and bias, and the factors (3, C) of D, x and 1 in that of the sums.

        sums (2, C): of D and of D * x, over ``count`` pixels.
        """
        plain, weighted = sums
        along = (weighted - self.mean * plain) * self.factor
        pull = self.scale * self.factor * along / count
        factors = [self.scale, -pull, self.mean * pull - self.scale * plain / count]
        return along.float(), plain.float(), torch.stack(factors).float().numpy()


def _rows(x: Tensor) -> np.ndarray:
    """The map (N, C, H, W) as rows (pixels, C), without a copy where channels are last."""
    last = x.detach().contiguous(memory_format=torch.channels_last)
    return last.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).numpy()


def _map(rows: np.ndarray, like: Tensor) -> Tensor:
    n, c, h, w = like.shape
    return torch.from_numpy(rows).view(n, h, w, c).permute(0, 3, 1, 2)


class _NormStair(torch.autograd.Function):
    """Codes of the normalized sums."""

    @staticmethod
    def forward(
        ctx, acc: Tensor, weight: Tensor, bias: Tensor, norm: Norm, lengths: Tensor, start: Tensor,
        gain: Tensor, grad_factor: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        bounds = edges(lengths.double(), start.double()).div(gain.double()).to(acc.dtype)
        codes, reached = normed_kernels.stair(_rows(acc), *norm.affine, bounds.detach().numpy())
        ctx.save_for_backward(acc, lengths, start, gain)
        ctx.norm, ctx.reached, ctx.grad_factor = norm, reached, grad_factor
        corners = torch.from_numpy(reached).view(acc.permute(0, 2, 3, 1).shape)
        ctx.mark_non_differentiable(corners)
        return _map(codes, acc), corners

    @staticmethod
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        acc, lengths, start, gain = ctx.saved_tensors
        norm, rows = ctx.norm, _rows(acc)
        inside = (gain / lengths).repeat_interleave(2)
        slope = torch.cat([inside.new_zeros(1), inside, inside.new_zeros(1)])
        # (2, C, K): of G and of G * x; D is G times the slope of its corner
        inner, by_corner = normed_kernels.stair_sums(_rows(grad), rows, ctx.reached, slope.numpy())
        sums = torch.from_numpy(by_corner)
        by_weight, by_bias, factors = norm.gradients(sums @ slope.double(), len(rows))
        out = normed_kernels.mix(inner, rows, factors, in_place=True)
        of_y = torch.stack([sums[0].sum(0), norm.scale @ sums[1] + norm.shift @ sums[0]])
        by_segment = of_y[:, 1:-1].view(2, len(lengths), 2).sum(2)
        learned = parameter_gradients(by_segment, lengths, start, gain)
        scaled = (g.mul(ctx.grad_factor).to(acc.dtype) for g in learned)
        return _map(out, acc), by_weight, by_bias, None, *scaled, None


class _NormStream(torch.autograd.Function):
    """Values on the stream's grid of the normalized sums and a residual, and their bytes."""

    @staticmethod
    def forward(
        ctx, acc: Tensor, weight: Tensor, bias: Tensor, norm: Norm, skip: Tensor | None,
        step: Tensor, limits: tuple[int, int], grad_factor: float,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        grid = np.array([step.item(), *limits], np.float32)
        more = None if skip is None else _rows(skip)
        values, numbers = normed_kernels.stream(_rows(acc), more, *norm.affine, grid)
        known = bytes_of(skip)
        kept = [] if skip is None else [skip if known is None else known.numbers]
        ctx.save_for_backward(acc, *kept)
        ctx.unit = 1.0 if known is None else known.unit
        ctx.norm, ctx.grid, ctx.grad_factor = norm, grid, grad_factor
        shape = len(acc), *acc.shape[2:], acc.shape[1]
        made = torch.from_numpy(numbers).view(shape if numbers.size else (0,))
        ctx.mark_non_differentiable(made)
        return _map(values, acc), made

    @staticmethod
    def backward(ctx, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        acc, *skips = ctx.saved_tensors
        norm, rows = ctx.norm, _rows(acc)
        more = None
        if skips:
            skip = skips[0]
            known = skip.dtype == torch.uint8
            more = skip.reshape(rows.shape).numpy() if known else _rows(skip), ctx.unit
        inner, sums, by_step = normed_kernels.stream_sums(
            _rows(grad), rows, more, norm.affine, ctx.grid
        )
        by_weight, by_bias, factors = norm.gradients(torch.from_numpy(sums), len(rows))
        by_skip = _map(inner, acc) if skips else None
        out = _map(normed_kernels.mix(inner, rows, factors, in_place=not skips), acc)
        of_step = torch.tensor(by_step * ctx.grad_factor, dtype=acc.dtype)
        return out, by_weight, by_bias, None, by_skip, of_step, None, None


def applies(
    bn: BatchNorm | None, acc: Tensor, scale: float | Tensor,
    output: LowBitActivation | StreamQuantizer, skip: Tensor | None,
) -> bool:  # fmt: skip
    """Whether `normed` computes ``output(bn(acc * scale + offset) + skip)``."""
    if bn is None or not (bn.training and torch.is_grad_enabled()) or isinstance(scale, Tensor):
        return False
    if output.mode is not Mode.FAKEQUANT or output._forward_hooks or output._forward_pre_hooks:
        return False
    if not (acc.dim() == 4 and has_kernels(acc) and channels_last(acc)):
        return False
    if acc.numel() <= acc.shape[1]:  # no variance: torch says so
        return False
    if isinstance(output, StreamQuantizer):
        return skip is None or (has_kernels(skip) and channels_last(skip))
    few = 2 * output.count + 1 <= kernels.FEW_BOUNDS
    return type(output) is ThresholdActivation and few and skip is None


def normed(
    bn: BatchNorm | None, acc: Tensor, scale: float | Tensor, offset: Tensor | float,
    output: LowBitActivation | StreamQuantizer, skip: Tensor | None,
) -> Signal | None:  # fmt: skip
    """``output(bn(acc * scale + offset) + skip)`` in training; None where it does not apply."""
    if not applies(bn, acc, scale, output, skip):
        return None
    assert bn is not None
    assert not isinstance(scale, Tensor)
    norm = _norm(bn, acc, scale, offset)
    if isinstance(output, StreamQuantizer):
        grad_factor = (max(acc[0].numel(), 1) * output.high) ** -0.5
        step, limits = output.step.clamp(min=MIN_STEP), (output.low, output.high)
        taken = norm, skip, step, limits, grad_factor
        values, numbers = _NormStream.apply(acc, bn.weight, bn.bias, *taken)
        if numbers.numel():
            known = Bytes(numbers=numbers, unit=float(np.float32(step.item())))
            values = with_bytes(values, known)
        return Signal(values)
    assert isinstance(output, ThresholdActivation)
    learned = output.parameters_in_range()
    made = _NormStair.apply(acc, bn.weight, bn.bias, norm, *learned, output.grad_factor(acc))
    return Signal(with_corners(*made), output.scale)


@torch.no_grad()
def _norm(bn: BatchNorm, acc: Tensor, scale: float, offset: Tensor | float) -> Norm:
    """The norm of this batch; its running statistics move, in units of ``acc * scale + offset``."""
    rows = _rows(acc)
    mean, square = torch.from_numpy(normed_kernels.moments(rows))
    var = (square - mean * mean).clamp_(min=0.0)
    bn.running_mean.lerp_((mean * scale).float() + offset, bn.momentum)
    unbiased = var * (scale**2 * len(rows) / (len(rows) - 1))
    bn.running_var.lerp_(unbiased.float(), bn.momentum)
    bn.num_batches_tracked += 1
    return Norm(
        mean=mean,
        factor=(var + bn.eps / scale**2) ** -0.5,
        weight=bn.weight.detach().double(),
        bias=bn.bias.detach().double(),
    )
