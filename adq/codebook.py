"""Adaptive weight codebooks: quantile initialisation, nearest assignment, EMA adaptation.

The ADQ recipe as the abstract and reviews of arXiv 2510.19760 describe it; everything the paper
leaves open is a choice of ours (papers.md section 7, rows 1-9). Values are kept sorted, with an
exact zero in the middle: ``2**(width-1) - 1`` negative and as many positive values.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..spec.errors import InputError
from .tensors import segment_sums

INIT_RULES = ("mid", "edge", "tail")


@dataclass(frozen=True, kw_only=True, slots=True)
class CodebookConfig:
    """How codebooks start, adapt and end."""

    init: str = "mid"
    """Quantile probabilities per sign: "mid" (i-0.5)/m, "edge" i/(m+1), "tail" density^(1/3)."""
    init_lloyd: int = 0
    """Lloyd iterations after the quantile start (0 is the recipe, 20 removes its tail error)."""
    decay: float = 0.99
    """EMA decay per optimizer step: 5k steps reach the Lloyd limit at 4 bits."""
    tie_sign: bool = False
    """Mirror the values (half-size lookup table) instead of adapting the signs separately."""
    level_width: int = 8
    """Width of the signed integer levels after freezing."""

    def __post_init__(self) -> None:
        if self.init not in INIT_RULES:
            raise InputError(f"Codebook init must be one of {INIT_RULES}, not {self.init!r}")
        if self.init_lloyd < 0:
            raise InputError(f"Codebook init_lloyd must be >= 0, not {self.init_lloyd}")
        if not 0.0 <= self.decay < 1.0:
            raise InputError(f"Codebook decay must be in [0, 1), not {self.decay}")
        if not 2 <= self.level_width <= 16:
            raise InputError(f"Codebook level_width must be in 2..16, not {self.level_width}")


def boundaries(values: Tensor) -> Tensor:
    """Midpoints between sorted values, where the nearest value changes."""
    return (values[1:] + values[:-1]) * 0.5


def assign(weight: Tensor, values: Tensor) -> Tensor:
    """Index of the nearest of the sorted ``values``, ties toward the lower index."""
    return torch.bucketize(weight, boundaries(values))


def quantile_values(weight: Tensor, width: int, init: str = "mid") -> Tensor:
    """Initial codebook: quantiles of the positive and of the negative weights, and zero.

    A sign without weights takes the mirrored values of the other one; an all-zero tensor gets a
    uniform grid, so that every tensor has a usable codebook.
    """
    count = 2 ** (width - 1) - 1
    flat = weight.detach().flatten().double()
    positive, negative = flat[flat > 0], -flat[flat < 0]
    if len(positive) == 0 and len(negative) == 0:
        above = below = torch.arange(1, count + 1, device=flat.device).double() / count
    else:
        above = _quantiles(positive if len(positive) else negative, count, init)
        below = _quantiles(negative if len(negative) else positive, count, init)
    return torch.cat([-below.flip(0), below.new_zeros(1), above]).to(weight.dtype)


def _quantiles(magnitudes: Tensor, count: int, init: str) -> Tensor:
    """``count`` ascending quantiles of positive magnitudes."""
    order = torch.arange(1, count + 1, device=magnitudes.device, dtype=torch.float64)
    if init == "edge":
        return torch.quantile(magnitudes, order / (count + 1))
    if init == "mid":
        return torch.quantile(magnitudes, (order - 0.5) / count)
    # Panter-Dite: the MSE-optimal point density is proportional to the cube root of the density
    top = float(magnitudes.max())
    density = torch.histc(magnitudes, bins=64, min=0.0, max=top) ** (1 / 3)
    mass = torch.cumsum(density, 0) / density.sum()
    position = torch.searchsorted(mass, (order - 0.5) / count)
    before = torch.where(position > 0, mass[(position - 1).clamp(min=0)], 0.0)
    within = ((order - 0.5) / count - before) / (mass[position] - before)
    return (position + within) * (top / 64)


def bin_means(weight: Tensor, values: Tensor) -> Tensor:
    """Mean of the weights nearest to each value; the value itself where the bin is empty."""
    index = assign(weight, values).flatten()
    flat = weight.detach().flatten().double()
    counts = segment_sums(index, torch.ones_like(flat), len(values))
    sums = segment_sums(index, flat, len(values))
    return torch.where(counts > 0, sums / counts.clamp(min=1), values.double()).to(values.dtype)


def adapt(weight: Tensor, values: Tensor, decay: float, tie_sign: bool = False) -> Tensor:
    """One EMA step toward the bin means: ``decay * c + (1 - decay) * mean``, zero pinned.

    Old value and mean lie in the same cell, hence so does the result and the order is kept. With
    ``decay`` 0 this is one Lloyd iteration.
    """
    moved = torch.lerp(bin_means(weight, values), values, decay)
    if tie_sign:
        moved = (moved - moved.flip(0)) * 0.5
    moved[len(values) // 2] = 0.0
    return moved


class _Lookup(torch.autograd.Function):
    """Codebook lookup in units of the level step; identity straight-through to the weight."""

    @staticmethod
    def forward(ctx, weight: Tensor, values: Tensor, levels: Tensor, step: float) -> Tensor:
        ctx.step = step
        return levels[assign(weight, values)]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return grad / ctx.step, None, None, None


class Codebook(nn.Module):
    """The adaptive codebook of one layer.

    Buffers (fixed shapes, so that a checkpoint resumes exactly): ``values`` sorted reals,
    ``levels`` the same in units of ``step``, ``step`` = max|value| / (2**(level_width-1) - 1), and
    ``frozen``. Levels are integers exactly from `freeze` on.
    """

    def __init__(self, width: int, config: CodebookConfig) -> None:
        super().__init__()
        if not 2 <= width <= 8:
            raise InputError(f"Codebook width must be in 2..8, not {width}")
        self.width, self.config = width, config
        count = 2**width - 1
        self.register_buffer("values", torch.zeros(count))
        self.register_buffer("levels", torch.zeros(count))
        self.register_buffer("step", torch.ones(()))
        self.register_buffer("frozen", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def initialise(self, weight: Tensor) -> None:
        """Start (again) from the quantiles of ``weight``, unfrozen."""
        values = quantile_values(weight, self.width, self.config.init)
        for _ in range(self.config.init_lloyd):
            values = adapt(weight, values, 0.0)
        if self.config.tie_sign:
            values = (values - values.flip(0)) * 0.5
        self.frozen.fill_(False)
        self._set(values)

    @torch.no_grad()
    def update(self, weight: Tensor) -> None:
        """One EMA step toward the latent weights; does nothing when frozen."""
        if not self.frozen:
            self._set(adapt(weight, self.values, self.config.decay, self.config.tie_sign))

    @torch.no_grad()
    def freeze(self) -> None:
        """Round the values to integer levels, and stop adapting."""
        self.frozen.fill_(True)
        self.levels.copy_(torch.round(self.levels))
        self.values.copy_(self.levels * self.step)

    def _set(self, values: Tensor) -> None:
        self.values.copy_(values)
        largest = values.abs().max()
        self.step.copy_(largest / (2 ** (self.config.level_width - 1) - 1))
        self.levels.copy_(values / self.step)

    def forward(self, weight: Tensor) -> tuple[Tensor, float]:
        """Weights in units of the level step (float, straight-through), and the step."""
        step = float(self.step)
        return _Lookup.apply(weight, self.values, self.levels, step), step

    def index(self, weight: Tensor) -> Tensor:
        """Sorted index (0..2**width-2) of every weight."""
        return assign(weight.detach(), self.values)
