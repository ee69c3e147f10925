"""Adaptive weight codebooks: start, nearest assignment, EMA adaptation, freezing.

The ADQ recipe as the abstract and reviews of arXiv 2510.19760 describe it; what the paper leaves
open is our choice (docs/papers.md 7, rows 1-10). Values are kept sorted, with an
exact zero in the middle: ``2**(width-1) - 1`` negative and as many positive values.
"""

from dataclasses import dataclass
from typing import assert_never

import torch
from torch import Tensor

from ..recipes.fields import check_types, require
from ..recipes.quant_config import DeadRule, EmaForm, InitRule
from .codebook_init import bin_means, bin_sums, initial_values, split_dead
from .weight_quantizer import Step, WeightQuantizer, assign

MIN_COUNT = 1e-3
"""Smoothed count below which the count form does not move a value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CodebookConfig:
    """How codebooks start, adapt and end."""

    init: InitRule = "mid"
    """Start per sign: quantiles "mid" (i-0.5)/m, "edge" i/(m+1), "tail" density^(1/3); or
    "uniform", "random", "kmeans"."""
    init_lloyd: int = 0
    """Lloyd iterations after the start (0 is the recipe, 20 removes the quantiles' tail error)."""
    ema: EmaForm = "mean"
    """"mean": toward the bin's mean; "count": VQ-VAE's smoothed counts and sums; "off"."""
    decay: float = 0.99
    """EMA decay per update: 5k updates reach the Lloyd limit at 4 bits."""
    ema_period: int = 1
    """Optimizer steps per update."""
    dead: DeadRule = "keep"
    """Values without weights: "keep" them, or "split" the fullest bin of their sign."""
    tie_sign: bool = False
    """Mirror the values (half-size lookup table) instead of adapting the signs separately."""
    level_width: int = 8
    """Width of the signed integer levels after freezing."""
    seed: int = 0
    """Of the random starts."""

    def __post_init__(self) -> None:
        check_types(self, "Codebook ")
        require(self.init_lloyd >= 0, "Codebook init_lloyd", ">= 0", self.init_lloyd)
        require(0 <= self.decay < 1, "Codebook decay", "in [0, 1)", self.decay)
        require(self.ema_period >= 1, "Codebook ema_period", ">= 1", self.ema_period)
        level_width = self.level_width
        require(2 <= level_width <= 16, "Codebook level_width", "in 2..16", level_width)


def adapt(weight: Tensor, values: Tensor, decay: float, tie_sign: bool = False) -> Tensor:
    """One EMA step toward the bin means: ``decay * c + (1 - decay) * mean``, zero pinned.

    Old value and mean lie in the same cell, hence so does the result and the order is kept. With
    ``decay`` 0 this is one Lloyd iteration.
    """
    return pinned(torch.lerp(bin_means(weight, values), values, decay), tie_sign)


def pinned(values: Tensor, tie_sign: bool) -> Tensor:
    """The values with an exact zero in the middle and, if tied, mirrored magnitudes."""
    if tie_sign:
        values = (values - values.flip(0)) * 0.5
    values[len(values) // 2] = 0.0
    return values


class _Lookup(torch.autograd.Function):
    """Codebook lookup in units of the level step; identity straight-through to the weight."""

    @staticmethod
    def forward(ctx, weight: Tensor, index: Tensor, levels: Tensor, step: Step) -> Tensor:
        ctx.step = step
        return levels[index]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None, None, None]:
        return grad / ctx.step, None, None, None


class Codebook(WeightQuantizer):
    """The adaptive codebook of one layer.

    Further buffers, of fixed shapes, so that a checkpoint resumes exactly: ``step`` =
    max|value| / (2**(level_width-1) - 1), and where they are used ``scale`` (Cout, 1, 1, 1: the
    initial RMS of each output channel, which the weights are divided by; given ``channels``),
    ``counts`` and ``sums`` (of the count form), ``waited`` steps (of a period).
    """

    step: Tensor
    scale: Tensor
    counts: Tensor
    sums: Tensor
    waited: Tensor

    def __init__(self, width: int, config: CodebookConfig, channels: int | None = None) -> None:
        super().__init__(width, 2**width - 1)
        self.config, self.scaled = config, channels is not None
        self.register_buffer("step", torch.ones(()))
        if channels is not None:
            self.register_buffer("scale", torch.ones(channels, 1, 1, 1))
        if config.ema == "count":
            self.register_buffer("counts", torch.zeros(2**width - 1, dtype=torch.float64))
            self.register_buffer("sums", torch.zeros(2**width - 1, dtype=torch.float64))
        if config.ema_period > 1:
            self.register_buffer("waited", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def initialise(self, weight: Tensor) -> None:
        """Start (again) from ``weight``, unfrozen."""
        config = self.config
        if self.scaled:
            size = weight.detach().square().mean((1, 2, 3), keepdim=True).sqrt()
            self.scale.copy_(torch.where(size > 0, size, torch.ones_like(size)))
        weight = self.relative(weight)
        values = initial_values(weight, self.width, config.init, config.seed)
        for _ in range(config.init_lloyd):
            values = adapt(weight, values, 0.0)
        values = pinned(values, config.tie_sign)
        self.frozen.fill_(False)
        self._set(values)
        self._count_afresh(weight)

    def relative(self, weight: Tensor) -> Tensor:
        """The weight in units of its channel's scale."""
        return weight / self.scale if self.scaled else weight

    @torch.no_grad()
    def update(self, weight: Tensor) -> None:
        """One EMA step toward the latent weights; does nothing when frozen."""
        config = self.config
        if self.frozen or config.ema == "off" or not self._due():
            return
        weight = self.relative(weight.detach())
        match config.ema:
            case "count":
                values = self._adapt_counts(weight)
            case "mean":
                values = adapt(weight, self.values, config.decay, config.tie_sign)
            case unknown:
                assert_never(unknown)
        self._set(values)
        if config.dead == "split":
            revived = pinned(split_dead(weight, values), config.tie_sign)
            if not torch.equal(revived, values):
                self._set(revived)
                self._count_afresh(weight)

    def _due(self) -> bool:
        if self.config.ema_period == 1:
            return True
        self.waited.add_(1).remainder_(self.config.ema_period)
        return not bool(self.waited)

    def _adapt_counts(self, weight: Tensor) -> Tensor:
        """VQ-VAE's form (docs/papers.md 5.4) without smoothing: every update uses the whole layer.

        N <- g N + (1-g) n, M <- g M + (1-g) m, c = M / N. The quotient is a mean of old value and
        bin mean weighted by the counts, hence has the same fixed points.
        """
        counts, sums = bin_sums(weight, self.values)
        self.counts.lerp_(counts, 1 - self.config.decay)
        self.sums.lerp_(sums, 1 - self.config.decay)
        moved = self.sums / self.counts.clamp(min=MIN_COUNT)
        values = torch.where(self.counts > MIN_COUNT, moved, self.values.double())
        return pinned(values.to(self.values.dtype).sort().values, self.config.tie_sign)

    def _count_afresh(self, weight: Tensor) -> None:
        if self.config.ema == "count":
            counts, _ = bin_sums(weight, self.values)
            self.counts.copy_(counts)
            self.sums.copy_(counts * self.values)

    @torch.no_grad()
    def freeze(self) -> None:
        """Round the values to integer levels, and stop adapting."""
        self.frozen.fill_(True)
        self.levels.copy_(torch.round(self.levels))
        self.values.copy_(self.levels * self.step)

    @torch.no_grad()
    def adopt(self, values: Tensor, scale: Tensor, weight: Tensor) -> None:
        """Take a finished table for ``weight``, frozen.

        values (K,) ascend, and their largest magnitude is 1; scale (Cout, 1) is what it stands for
        in each channel, equal in all of them where the scale is the layer's.
        """
        if self.scaled:
            self.scale.copy_(scale.view_as(self.scale))
            self._set(values.to(self.values.dtype))
        else:
            self._set((values * scale[0, 0]).to(self.values.dtype))
        self._count_afresh(self.relative(weight))
        self.freeze()

    def _set(self, values: Tensor) -> None:
        self.values.copy_(values)
        largest = values.abs().max()
        self.step.copy_(largest / (2 ** (self.config.level_width - 1) - 1))
        self.levels.copy_(values / self.step)

    def forward(self, weight: Tensor) -> tuple[Tensor, Step]:
        """Weights in units of the level step (float, straight-through), and the step."""
        step: Step = float(self.step)
        if self.scaled:
            step = self.scale * step
        return _Lookup.apply(weight, self.index(weight), self.levels, step), step

    def index(self, weight: Tensor) -> Tensor:
        """Sorted index (0..2**width-2) of every weight."""
        return assign(self.relative(weight.detach()), self.values)
