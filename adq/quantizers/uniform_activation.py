"""Uniform activations with a learned range: LSQ (docs/papers.md 5.1) and PACT.

Both are thresholds at ``(i - 1/2) * step`` (rounding half up, as in the contract), so they export
exactly like N2UQ's. They differ in how the range learns.
"""

from abc import abstractmethod

import torch
from torch import Tensor, nn

from ..tensors import Signal, as_rows
from .low_bit import LearnedStep, LowBitActivation
from .stream import MIN_STEP, quantize_stream
from .uniform import RoundToStep


class _Pact(torch.autograd.Function):
    """``step * floor(clip(x, 0, alpha) / step + 0.5)``, step = alpha / count.

    PACT (Choi et al., 2018), eq. 3: d/dx = 1 on [0, alpha), 0 elsewhere; d/dalpha = 1 where
    x >= alpha, 0 elsewhere.
    """

    @staticmethod
    def forward(ctx, x: Tensor, alpha: Tensor, count: int) -> Tensor:
        ctx.save_for_backward(x, alpha)
        return quantize_stream(x, alpha / count, 0, count)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        x, alpha = ctx.saved_tensors
        above = x >= alpha
        inside = (x >= 0) & ~above
        rows, over = as_rows(grad, x), as_rows(above, x)
        grad_alpha = (rows * over).sum(dtype=torch.float64).to(alpha.dtype)
        return grad * inside, grad_alpha, None


class UniformActivation(LowBitActivation):
    """Codes ``clamp(floor(x / step + 0.5), 0, count)``; the parameter is the step or the range."""

    @property
    def scale(self) -> float:
        return float(self.real_step().detach())

    @abstractmethod
    def real_step(self) -> Tensor:
        """The step in force, a float32 scalar (differentiable)."""

    def real_thresholds(self) -> Tensor:
        step = self.real_step().detach().double().cpu()
        return (torch.arange(1, self.count + 1, dtype=torch.float64) - 0.5) * step


class LsqActivation(LearnedStep, UniformActivation):
    """LSQ: the step is learned, gradient scaled by 1/sqrt(N * Qp)."""

    def real_step(self) -> Tensor:
        return self.step.clamp(min=MIN_STEP)

    def quantize(self, x: Tensor) -> Signal:
        values = quantize_stream(x, self.real_step(), 0, self.count, self.grad_factor(x))
        return Signal(RoundToStep.apply(values, self.scale), self.scale)


class PactActivation(UniformActivation):
    """PACT: the range alpha is learned, by the inputs above it alone.

    PACT's L2 penalty on alpha is left out, as no quantizer parameter decays here.
    """

    def __init__(self, act_width: int) -> None:
        super().__init__(act_width)
        self.alpha = nn.Parameter(torch.ones(()))

    @torch.no_grad()
    def initialise(self, high: float) -> None:
        self.alpha.fill_(max(high, MIN_STEP * self.count))

    def real_step(self) -> Tensor:
        return self.alpha.clamp(min=MIN_STEP * self.count) / self.count

    def quantize(self, x: Tensor) -> Signal:
        values = _Pact.apply(x, self.alpha.clamp(min=MIN_STEP * self.count), self.count)
        return Signal(RoundToStep.apply(values, self.scale), self.scale)
