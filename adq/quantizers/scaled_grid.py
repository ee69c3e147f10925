"""Weight rules with a fixed grid and a scale: POST, PoT, APoT, LSQ uniform, N2UQ.

    v = w / alpha,   w_hat = alpha * q,   q = nearest grid value (the grid's ends clip)
    dw_hat/dw = 1 inside the grid, 0 outside;   dw_hat/dalpha = q - v inside, q outside

which is LSQ's gradient (docs/papers.md 5.1) for any grid. Sources: POST section 2.2 (2504.17263),
LSQ 5.1, APoT 5.2, N2UQ 3.3 (2111.14826). Deviations, each for the contract's sake or SGD's: N2UQ's
2^b levels without zero become 2^b - 1 with zero, and its gradient is that of w_hat (its code takes
it with respect to the scaled weight, a learning rate per filter that only Adam undoes).
"""

import torch
from torch import Tensor, nn

from .grids import Grid
from .weight_quantizer import Step, WeightQuantizer, assign

MIN_ALPHA = 1e-8
APOT_ALPHA = 3.0
"""Initial clip of APoT, in standard deviations."""
POST_QUANTILE = 0.99
"""Quantile of |w| that POST's scale starts at."""


class _GridLookup(torch.autograd.Function):
    """Levels of the nearest grid values; gradients to the weight and to alpha (module docstring).

    weight (Cout, ...), alpha () or (Cout, 1, 1, 1); ``clip``: no gradient to weights outside.
    """

    @staticmethod
    def forward(
        ctx, weight: Tensor, alpha: Tensor, values: Tensor, levels: Tensor, top: int, clip: bool
    ) -> Tensor:
        ratio = weight / alpha
        index = assign(ratio, values)
        ctx.save_for_backward(ratio, values[index], alpha, values)
        ctx.top, ctx.clip = top, clip
        return levels[index]

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor, None, None, None, None]:
        ratio, nearest, alpha, values = ctx.saved_tensors
        grad_hat = grad * (ctx.top / alpha)
        inside = ((ratio >= values[0]) & (ratio <= values[-1])).to(grad.dtype)
        pull = (nearest - ratio * inside) * grad_hat
        grad_alpha = pull.sum() if alpha.dim() == 0 else pull.sum((1, 2, 3), keepdim=True)
        return grad_hat * inside if ctx.clip else grad_hat, grad_alpha, None, None, None, None


class _ScaleGradient(torch.autograd.Function):
    """Identity whose gradient is multiplied by a number (LSQ's gradient scale)."""

    @staticmethod
    def forward(ctx, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, None]:
        return grad * ctx.factor, None


class GridWeight(WeightQuantizer):
    """POST, PoT: a fixed grid with the learned scale ``alpha``; base of the other rules.

    The scale is per output channel if ``channels`` are given, else per layer.
    """

    clip = True

    def __init__(self, width: int, grid: Grid, channels: int | None = None) -> None:
        super().__init__(width, len(grid.values))
        self.grid, self.per_channel = grid, channels is not None
        self.alpha = nn.Parameter(torch.ones(() if channels is None else (channels, 1, 1, 1)))
        self._load_grid()

    @torch.no_grad()
    def _load_grid(self) -> None:
        self.values.copy_(self.grid.values)
        self.levels.copy_(self.grid.values * self.grid.top)

    @torch.no_grad()
    def initialise(self, weight: Tensor) -> None:
        self.frozen.fill_(False)
        self._load_grid()
        magnitude = weight.detach().abs().cpu()
        rows = magnitude.flatten(1) if self.per_channel else magnitude.flatten()[None]
        start = self.start(rows)
        self.alpha.copy_(torch.where(start > 0, start, 1.0).view(self.alpha.shape))

    def start(self, magnitudes: Tensor) -> Tensor:
        """Initial alpha of each row of |w| (R, n)."""
        return torch.quantile(magnitudes, POST_QUANTILE, dim=1)

    @torch.no_grad()
    def freeze(self) -> None:
        """Round the levels; the scale is still learned, as it is no integer."""
        self.frozen.fill_(True)
        self.levels.copy_(self.grid.levels)
        self.values.copy_(self.levels / self.grid.top)

    def scale(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """The weight that is compared with the grid, and the alpha in force (differentiable)."""
        count = weight[0].numel() if self.per_channel else weight.numel()
        # LSQ: 1/sqrt(N * Qp) with Qp in units of alpha, hence 1 for grids that end at 1
        factor = (count * float(self.grid.values[-1])) ** -0.5
        return weight, _ScaleGradient.apply(self.alpha.clamp(min=MIN_ALPHA), factor)

    def forward(self, weight: Tensor) -> tuple[Tensor, Step]:
        compared, alpha = self.scale(weight)
        table = self.values, self.levels, self.grid.top, self.clip
        levels = _GridLookup.apply(compared, alpha, *table)
        step = alpha.detach() / self.grid.top
        return levels, float(step) if step.dim() == 0 else step

    @torch.no_grad()
    def index(self, weight: Tensor) -> Tensor:
        compared, alpha = self.scale(weight)
        return assign(compared / alpha, self.values)


class LsqWeight(GridWeight):
    """LSQ: starts at ``2 * mean|w| / sqrt(Qp)``."""

    def start(self, magnitudes: Tensor) -> Tensor:
        return 2 * magnitudes.mean(1) / float(self.grid.values[-1]) ** 0.5


class ApotWeight(GridWeight):
    """APoT: weights standardised first (statistics detached), gradient to them unclipped."""

    clip = False

    def start(self, magnitudes: Tensor) -> Tensor:
        return torch.full((1,), APOT_ALPHA)

    def scale(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        latent = weight.detach()
        # multiplied back by the deviation: batch norm cancels it, and the output's scale stays
        deviation = latent.std().clamp(min=MIN_ALPHA)
        return weight - latent.mean(), self.alpha.clamp(min=MIN_ALPHA) * deviation


class N2uqWeight(GridWeight):
    """N2UQ: ``alpha = gamma * mean|w|`` per output filter, gamma = (2^b-1)/2^(b-1); not learned."""

    def __init__(self, width: int, grid: Grid, channels: int | None) -> None:
        super().__init__(width, grid, channels)
        del self.alpha
        self.gamma = (2**width - 1) / 2 ** (width - 1)

    @torch.no_grad()
    def initialise(self, weight: Tensor) -> None:
        self.frozen.fill_(False)
        self._load_grid()

    def scale(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        mean = weight.detach().abs().mean((1, 2, 3), keepdim=True)
        return weight, torch.where(mean > 0, mean, torch.ones_like(mean)) * self.gamma
