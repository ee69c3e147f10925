"""ASQ: LSQ's step times a factor per sample that a small network reads from the map.

docs/papers.md 2.1 (arXiv 2504.17263; code ``SENGEL13/ASQ-POST`` asq.py): with s_a = s * beta,
v = x / s_a and g = round(v) - v inside, p above (0 below, as n = 0), G the upstream gradient,

    dL/ds_a = sum(G * g) per sample     dL/ds = factor * sum(dL/ds_a * beta)
    dL/dbeta = dL/ds_a * s              dL/dx = G inside, 0 outside

A software baseline: beta needs the whole map before its first code, and no integer program of the
contract has a scale per image.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tensors import Signal
from .low_bit import LearnedStep
from .stream import MIN_STEP

MIN_BETA = 1e-8
MIN_CHANNELS = 8
"""Below that many channels the adapter is one linear layer (asq.py)."""


class _AdaptiveStep(torch.autograd.Function):
    """Codes ``clamp(floor(x / (s * beta) + 0.5), 0, p)`` times ``s * beta``, or times ``s``.

    x (N, ...), s (), beta (N,). With ``by_base`` (the formula of a review of the paper; the
    released code multiplies by s * beta) the chain rule adds what the last factor brings.
    """

    @staticmethod
    def forward(
        ctx, x: Tensor, step: Tensor, beta: Tensor, top: int, factor: float, by_base: bool
    ) -> Tensor:
        per_sample = (step * beta).view(-1, *[1] * (x.dim() - 1))
        ratio = x / per_sample
        codes = torch.floor(ratio + 0.5).clamp_(0, top)
        ctx.save_for_backward(ratio, codes, step, beta)
        ctx.top, ctx.factor, ctx.by_base = top, factor, by_base
        return codes * (step if by_base else per_sample)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        ratio, codes, step, beta = ctx.saved_tensors
        inside = ((ratio >= 0) & (ratio <= ctx.top)).to(grad.dtype)
        dims = tuple(range(1, grad.dim()))
        if not ctx.by_base:
            by_sample = (grad * (codes - ratio * inside)).sum(dims)
            grad_step = (by_sample * beta).sum() * ctx.factor
            return grad * inside, grad_step, by_sample * step, None, None, None
        # y = s * code(x / (s * beta)): dy/dx = inside / beta, dy/dbeta = -s * v / beta inside
        shrink = (grad * ratio * inside).sum(dims)
        grad_x = grad * inside / beta.view(-1, *[1] * len(dims))
        grad_step = ((grad * codes).sum() - shrink.sum()) * ctx.factor
        return grad_x, grad_step, -shrink * step / beta, None, None, None


def adaptive_step(
    x: Tensor,
    step: Tensor,
    beta: Tensor,
    top: int,
    *,
    grad_factor: float = 1.0,
    by_base: bool = False,
) -> Tensor:
    """Real values (N, ...) of the quantized ``x``; step () > 0, beta (N,) > 0, codes 0..top."""
    return _AdaptiveStep.apply(x, step, beta, top, grad_factor, by_base)


class AdaptiveStepActivation(LearnedStep):
    """ASQ's activation of a map with a known number of channels."""

    refusal = (
        "one scale for all images, not ASQ's step per image, which needs the means of a whole map "
        "before its first code: choose n2uq, lsq or pact"
    )

    def __init__(self, act_width: int, channels: int, *, by_base: bool = False) -> None:
        super().__init__(act_width)
        self.by_base = by_base
        hidden = channels // 4 if channels >= MIN_CHANNELS else channels
        self.squeeze = nn.Linear(channels, hidden) if channels >= MIN_CHANNELS else None
        self.expand = nn.Linear(hidden, 1)
        nn.init.normal_(self.expand.weight, std=0.01)
        nn.init.ones_(self.expand.bias)  # beta starts near 1

    def beta(self, x: Tensor) -> Tensor:
        """Factor (N,) of each sample of ``x`` (N, C, H, W), from its channel means."""
        features = x.mean((2, 3))
        if self.squeeze is not None:
            features = F.relu(self.squeeze(features))
        return F.relu(self.expand(features)).clamp(min=MIN_BETA).flatten()

    def quantize(self, x: Tensor) -> Signal:
        """Real values with scale 1: the codes' scale differs from sample to sample."""
        # the adapter of the paper reads a non-negative map
        positive = F.relu(x)
        factor = (self.count * max(x.numel(), 1)) ** -0.5
        step = self.step.clamp(min=MIN_STEP)
        values = adaptive_step(
            positive,
            step,
            self.beta(positive),
            self.count,
            grad_factor=factor,
            by_base=self.by_base,
        )
        return Signal(values)
