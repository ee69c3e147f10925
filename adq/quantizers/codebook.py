"""Adaptive weight codebooks: start, nearest assignment, EMA adaptation, freezing.

The ADQ recipe as the abstract and reviews of arXiv 2510.19760 describe it; what the paper leaves
open is our choice (docs/papers.md 7, rows 1-10). Values are kept sorted, with an exact zero among
them: ``2**(width-1) - 1`` negative and as many positive ones, and with 2^b levels one more of the
sign that the start chooses.
"""

from typing import assert_never

import torch
from torch import Tensor, nn

from ..tensors import segment_sums
from .codebook_config import DECAY, CodebookConfig
from .codebook_init import bin_means, bin_sums, split_dead, start
from .weight_quantizer import Step, WeightQuantizer, assign

MIN_COUNT = 1e-3
"""Smoothed count below which the count form does not move a value."""
LEAST = 1e-6
"""Least magnitude, in shares of the largest, that a gradient leaves a value of its sign."""


def adapt(
    weight: Tensor, values: Tensor, decay: float, zero: int | None = None, tie_sign: bool = False
) -> Tensor:
    """One EMA step toward the bin means: ``decay * c + (1 - decay) * mean``, zero pinned.

    Old value and mean lie in the same cell, hence so does the result and the order is kept. With
    ``decay`` 0 this is one Lloyd iteration. zero: its position (None: the middle).
    """
    zero = len(values) // 2 if zero is None else zero
    return pinned(torch.lerp(bin_means(weight, values), values, decay), zero, tie_sign)


def pinned(values: Tensor, zero: int, tie_sign: bool) -> Tensor:
    """The values with an exact zero in its place and, if tied, mirrored magnitudes."""
    if tie_sign:
        values = (values - values.flip(0)) * 0.5
    values[zero] = 0.0
    return values


def pushed(values: Tensor, push: Tensor, zero: int) -> Tensor:
    """Values moved by ``push``, sorted again; each keeps its sign, and zero stays zero."""
    moved, least = values + push, float(values.abs().max()) * LEAST
    moved[:zero].clamp_(max=-least)
    moved[zero + 1 :].clamp_(min=least)
    moved[zero] = 0.0
    return moved.sort().values


class _Lookup(torch.autograd.Function):
    """Codebook lookup in units of the level step.

    Straight-through to the weights where ``inside`` (None: everywhere). To ``push`` (K,), what is
    added to the values after the step: the sum over each value's weights, times ``factor``.
    """

    @staticmethod
    def forward(
        ctx, weight: Tensor, push: Tensor | None, index: Tensor, levels: Tensor,
        inside: Tensor | None, step: Step, unit: float, factor: float,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(index, inside)
        ctx.step, ctx.unit, ctx.factor, ctx.count = step, unit, factor, len(levels)
        return levels[index]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor | None, ...]:
        index, inside = ctx.saved_tensors
        to_push = None
        if ctx.needs_input_grad[1]:
            sums = segment_sums(index, grad, ctx.count)
            to_push = sums.mul_(ctx.factor / ctx.unit).to(grad.dtype)
        to_weight = grad / ctx.step
        if inside is not None:
            to_weight = to_weight * inside
        return to_weight, to_push, None, None, None, None, None, None


class Codebook(WeightQuantizer):
    """The adaptive codebook of one layer.

    Further buffers, of fixed shapes, so that a checkpoint resumes exactly: ``step`` =
    max|value| / (2**(level_width-1) - 1), and where they are used ``scale`` (Cout, 1, 1, 1: the
    initial RMS of each output channel, which the weights are divided by; given ``channels``),
    ``counts`` and ``sums`` (of the count form), ``waited`` steps (of a period), and with 2^b levels
    ``place`` of the zero. The parameter ``push``, of values that are learned too, is what the
    optimizer adds to them: 0 between two steps.
    """

    step: Tensor
    place: Tensor
    scale: Tensor
    counts: Tensor
    sums: Tensor
    waited: Tensor

    def __init__(self, width: int, config: CodebookConfig, channels: int | None = None) -> None:
        count = config.count(width)
        super().__init__(width, count)
        self.config, self.scaled = config, channels is not None
        self.register_buffer("step", torch.ones(()))
        if config.full:
            self.register_buffer("place", torch.tensor(count // 2))
        self.push = nn.Parameter(torch.zeros(count)) if config.level_gradient else None
        if channels is not None:
            self.register_buffer("scale", torch.ones(channels, 1, 1, 1))
        if config.ema == "count":
            self.register_buffer("counts", torch.zeros(count, dtype=torch.float64))
            self.register_buffer("sums", torch.zeros(count, dtype=torch.float64))
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
        values, zero = start(
            weight, self.width, full=config.full, init=config.init, seed=config.seed,
            lloyd=config.init_lloyd,
        )  # fmt: skip
        self._place(zero)
        self.frozen.fill_(False)
        self._set(pinned(values, zero, config.tie_sign), weight)
        self._count_afresh(weight)

    @property
    def zero(self) -> int:
        return int(self.place) if self.config.full else super().zero

    def _place(self, zero: int) -> None:
        if self.config.full:
            self.place.fill_(zero)

    def relative(self, weight: Tensor) -> Tensor:
        """The weight in units of its channel's scale."""
        return weight / self.scale if self.scaled else weight

    @torch.no_grad()
    def update(self, weight: Tensor, decay: float | None = None) -> None:
        """Take the gradient's step, and one EMA step toward the latent weights, if not frozen."""
        config = self.config
        weight = self.relative(weight.detach())
        if not self.frozen and self.push is not None:
            self._set(pushed(self.values, self.push, self.zero), weight)
        if self.push is not None:
            self.push.zero_()
        if self.frozen or config.ema == "off" or not self._due():
            return
        given = config.decay if config.decay is not None else decay
        decay = DECAY if given is None else given
        match config.ema:
            case "count":
                values = self._adapt_counts(weight, decay)
            case "mean":
                values = adapt(weight, self.values, decay, self.zero, config.tie_sign)
            case unknown:
                assert_never(unknown)
        self._set(values, weight)
        if config.dead == "split":
            self._revive(weight)

    def _revive(self, weight: Tensor) -> None:
        values, zero = self.values, self.zero
        revived = pinned(split_dead(weight, values, zero), zero, self.config.tie_sign)
        if not torch.equal(revived, values):
            self._set(revived, weight)
            self._count_afresh(weight)

    def _due(self) -> bool:
        if self.config.ema_period == 1:
            return True
        self.waited.add_(1).remainder_(self.config.ema_period)
        return not bool(self.waited)

    def _adapt_counts(self, weight: Tensor, decay: float) -> Tensor:
        """VQ-VAE's form (docs/papers.md 5.4) without smoothing: every update uses the whole layer.

        N <- g N + (1-g) n, M <- g M + (1-g) m, c = M / N. The quotient is a mean of old value and
        bin mean weighted by the counts, hence has the same fixed points.
        """
        counts, sums = bin_sums(weight, self.values)
        self.counts.lerp_(counts, 1 - decay)
        self.sums.lerp_(sums, 1 - decay)
        moved = self.sums / self.counts.clamp(min=MIN_COUNT)
        values = torch.where(self.counts > MIN_COUNT, moved, self.values.double())
        values = values.to(self.values.dtype).sort().values
        return pinned(values, self.zero, self.config.tie_sign)

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
    def adopt(self, values: Tensor, zero: int, scale: Tensor, weight: Tensor) -> None:
        """Take a finished table for ``weight``, frozen.

        values (K,) ascend, and their largest magnitude is 1; the one at ``zero`` is 0. scale
        (Cout, 1) is what it stands for in each channel, equal in all of them where the scale is
        the layer's.
        """
        self._place(zero)
        if self.scaled:
            self.scale.copy_(scale.view_as(self.scale))
        else:
            values = values * scale[0, 0]
        weight = self.relative(weight)
        self._set(values.to(self.values.dtype), weight)
        self._count_afresh(weight)
        self.freeze()

    def _set(self, values: Tensor, weight: Tensor) -> None:
        """Take the values and a step; ``weight``: those of the layer, in units of its scale."""
        self.values.copy_(values)
        largest, top = values.abs().max(), 2 ** (self.config.level_width - 1) - 1
        if self.room is not None:
            levels = (values * (top / largest))[assign(weight, values)]
            top = self.room.top(levels, top, least=min(2 ** (self.width - 1), top))
        self.step.copy_(largest / top)
        self.levels.copy_(values / self.step)
        if self.config.early_rounding:
            self.levels.round_()

    def forward(self, weight: Tensor) -> tuple[Tensor, Step]:
        """Weights in units of the level step (float, straight-through), and the step."""
        unit = float(self.step)
        relative = self.relative(weight.detach())
        values = self.compared
        index = assign(relative, values)
        inside = None
        if self.config.clip:
            inside = (relative >= values[0]) & (relative <= values[-1])
        # LSQ's factor (docs/papers.md 5.1); frozen values are not learned any more
        push, factor = None if self.frozen else self.push, weight.numel() ** -0.5
        step: Step = self.scale * unit if self.scaled else unit
        table = index, self.levels, inside
        return _Lookup.apply(weight, push, *table, step, unit, factor), step

    def index(self, weight: Tensor) -> Tensor:
        """Position of every weight's value in the sorted table."""
        return assign(self.relative(weight.detach()), self.compared)

    @property
    def compared(self) -> Tensor:
        """The values that weights are compared with: those of the levels as they are."""
        early = self.config.early_rounding and not self.frozen
        return self.levels * self.step if early else self.values
