"""Uniform signed weights for the first and the last layer (docs/papers.md section 7, row 20)."""

import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from .accumulators import Room


def uniform_step(weight: Tensor, width: int = 8) -> Tensor:
    """Step of the symmetric grid whose top level is the largest magnitude; 1 for all zeros."""
    largest = weight.detach().abs().max()
    return torch.where(largest > 0, largest, torch.ones_like(largest)) / (2 ** (width - 1) - 1)


class RoundToStep(torch.autograd.Function):
    """Value in units of the step, rounded to an integer; straight-through to the value."""

    @staticmethod
    def forward(ctx, value: Tensor, step: float) -> Tensor:
        ctx.step = step
        return torch.round(value / step)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad / ctx.step, None


class UniformWeight(nn.Module):
    """Per-tensor symmetric quantizer; every call takes its step from the largest weight."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        if not 2 <= width <= 16:
            raise InputError(f"Uniform weight width must be in 2..16, not {width}")
        self.width = width
        self.room: Room | None = None
        """Of the layer's accumulators, where their width is stated."""

    def forward(self, weight: Tensor) -> tuple[Tensor, float]:
        """Integer levels as floats (straight-through), and the step."""
        step = uniform_step(weight, self.width)
        if self.room is not None:
            step = self.room.step(weight.detach(), step)
        return RoundToStep.apply(weight, float(step)), float(step)
