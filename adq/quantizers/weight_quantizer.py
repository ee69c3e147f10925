"""Interface of the quantizers of hidden weights for layers, training loop and export.

A weight becomes ``levels[index] * step``: levels are one short table per layer, ``step`` one number
per layer or per output channel. Rounded once by `freeze`, levels are the integers of the program;
the step folds into batch norm, thresholds and requants, so it may be any positive real.
"""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from ..tensors import has_kernels
from . import kernels
from .accumulators import Room

Step = float | Tensor
"""Real value of level 1: one number, or (Cout, 1, 1, 1)."""


def boundaries(values: Tensor) -> Tensor:
    """Midpoints between sorted values, where the nearest value changes."""
    return (values[1:] + values[:-1]) * 0.5


def assign(weight: Tensor, values: Tensor) -> Tensor:
    """Index of the nearest of the sorted ``values``, ties toward the lower index."""
    bounds = boundaries(values)
    if has_kernels(weight) and bounds.dtype == torch.float32 and len(bounds) <= kernels.FEW_BOUNDS:
        above = kernels.count_above(weight.detach().reshape(-1).numpy(), bounds.numpy())
        return torch.from_numpy(above).long().view(weight.shape)
    return torch.bucketize(weight, bounds)


class Fit(NamedTuple):
    """A table against the weights it stands for."""

    error: float
    """Squared error over the square of the weights."""
    use: tuple[int, ...]
    """Weights of each value, in the order of the sorted table."""


class WeightQuantizer(nn.Module, ABC):
    """Base of the weight quantizers.

    Buffers: ``values`` sorted reals that weights are compared with (in units of the rule's scale),
    ``levels`` the same in units of ``step``, integers exactly from `freeze` on, and ``frozen``.
    """

    values: Tensor
    levels: Tensor
    frozen: Tensor

    def __init__(self, width: int, count: int) -> None:
        super().__init__()
        if not 2 <= width <= 8:
            raise InputError(f"Codebook width must be in 2..8, not {width}")
        self.width = width
        self.room: Room | None = None
        """Of the layer's accumulators, where their width is stated."""
        self.register_buffer("values", torch.zeros(count))
        self.register_buffer("levels", torch.zeros(count))
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))

    @abstractmethod
    def initialise(self, weight: Tensor) -> None:
        """Start (again) from ``weight`` (Cout, Cin, kh, kw), unfrozen."""

    def update(self, weight: Tensor, decay: float | None = None) -> None:
        """Follow the latent weights after an optimizer step; learned scales need nothing.

        decay: of a moving average whose own settings leave it open.
        """

    @property
    def zero(self) -> int:
        """Position of the exact zero in the sorted table."""
        return len(self.values) // 2

    @abstractmethod
    def freeze(self) -> None:
        """Round the levels to integers: training then computes what is exported."""

    @abstractmethod
    def forward(self, weight: Tensor) -> tuple[Tensor, Step]:
        """Levels (float, differentiable to the weight and to the scale), and the step."""

    @abstractmethod
    def index(self, weight: Tensor) -> Tensor:
        """Sorted index of every weight, int64."""

    @torch.no_grad()
    def quantized(self, weight: Tensor) -> Tensor:
        """Real weights as quantized by the table."""
        levels, step = self(weight)
        return levels * step

    @torch.no_grad()
    def fit(self, weight: Tensor) -> "Fit":
        """How well the table fits ``weight``."""
        gap = (weight - self.quantized(weight)).double().square().sum()
        whole = weight.double().square().sum()
        use = torch.bincount(self.index(weight).flatten(), minlength=len(self.values))
        return Fit(error=float(gap / whole) if whole > 0 else 0.0, use=tuple(use.tolist()))
