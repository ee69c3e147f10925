"""Quantizer of the residual stream: uniform codes with a learned step (LSQ, docs/papers.md 5.1).

Rounding is half-up, as in the numeric contract (not torch.round, which is half-to-even).
"""

import numpy as np
import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from ..tensors import Mode, Signal, as_rows, from_rows, has_kernels
from . import kernels

MIN_STEP = 1e-6


def _quantize(x: Tensor, step: Tensor, low: int, high: int) -> Tensor:
    """Rows ``x`` (N, M) on the grid, rounded half up."""
    if has_kernels(x):
        rows = kernels.quantize(x.detach().numpy(), np.float32(step.item()), low, high)
        return torch.from_numpy(rows)
    return torch.floor(x / step + 0.5).clamp_(low, high).mul_(step)


def _quantize_gradients(
    grad: Tensor, x: Tensor, step: Tensor, low: int, high: int
) -> tuple[Tensor, Tensor]:
    """Gradients to the rows ``x`` and to the step (LSQ).

    With v = x / step: inside the range 1 and code - v, outside 0 and the code (low or high).
    """
    if has_kernels(x):
        arrays = grad.numpy(), x.detach().numpy(), np.float32(step.item())
        grad_x, total = kernels.quantize_gradients(*arrays, low, high)
        return torch.from_numpy(grad_x), step.new_tensor(total)
    ratio = x / step
    inside = ((ratio >= low) & (ratio <= high)).to(grad.dtype)
    code = torch.floor(ratio + 0.5).clamp_(low, high)
    grad_step = (code - ratio * inside).mul_(grad).sum(dtype=torch.float64)
    return inside * grad, grad_step.to(step.dtype)


class _Quantize(torch.autograd.Function):
    """``step * clamp(floor(x / step + 0.5), low, high)`` with LSQ's gradients."""

    @staticmethod
    def forward(ctx, x: Tensor, step: Tensor, low: int, high: int, grad_factor: float) -> Tensor:
        ctx.save_for_backward(x, step)
        ctx.limits, ctx.grad_factor = (low, high), grad_factor
        return from_rows(_quantize(as_rows(x), step, low, high), x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x, step = ctx.saved_tensors
        grad_x, grad_step = _quantize_gradients(as_rows(grad, x), as_rows(x), step, *ctx.limits)
        return from_rows(grad_x, x), grad_step * ctx.grad_factor, None, None, None


def quantize_stream(
    x: Tensor, step: Tensor, low: int, high: int, grad_factor: float = 1.0
) -> Tensor:
    """Values on the grid ``step * (low..high)``; gradient to x passes inside the range only."""
    return _Quantize.apply(x, step, low, high, grad_factor)


class StreamQuantizer(nn.Module):
    """Quantizer of a stream (unsigned: its clamp at 0 is the ReLU) or of a projection (signed).

    The signal carries values (code * step) with scale 1; `codes` recovers the integers.
    """

    def __init__(self, width: int = 8, signed: bool = False, clip: float | None = None) -> None:
        """clip: largest value (of both signs, if signed) in float mode, where the range starts."""
        super().__init__()
        if not 2 <= width <= 16:
            raise InputError(f"Stream width must be in 2..16, not {width}")
        self.width, self.signed, self.mode, self.clip = width, signed, Mode.FLOAT, clip
        self.low = -(2 ** (width - 1)) if signed else 0
        self.high = self.low + 2**width - 1
        self.step = nn.Parameter(torch.tensor(1.0 / self.high))

    @torch.no_grad()
    def initialise(self, high: float) -> None:
        """Set the step so that the largest code has the value ``high``."""
        if self.clip is not None:
            high = min(high, self.clip)
        self.step.fill_(max(high / self.high, MIN_STEP))

    @property
    def real_step(self) -> float:
        """The step in force, as the float32 number of the graph."""
        return float(self.step.detach().clamp(min=MIN_STEP))

    def codes(self, values: Tensor) -> Tensor:
        """Integer codes (int64) of the quantized ``values``."""
        return torch.round(values.detach() / self.real_step).long()

    def forward(self, x: Tensor) -> Signal:
        """Map of real values to a signal on the grid."""
        if self.mode is Mode.FLOAT:
            if self.clip is not None:
                return Signal(x.clamp(-self.clip if self.signed else 0.0, self.clip))
            return Signal(x if self.signed else torch.relu(x))
        grad_factor = (max(x[0].numel(), 1) * self.high) ** -0.5
        step = self.step.clamp(min=MIN_STEP)
        return Signal(quantize_stream(x, step, self.low, self.high, grad_factor))
