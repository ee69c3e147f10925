"""Weights whose sums fit an accumulator of a stated width.

A2Q (arXiv 2308.13504) bounds the L1 norm of an output channel, so that no input overflows. Codes
have a smallest and a largest value: what decides is the sum of the positive levels and that of the
negative ones apart, which A2Q+ (2401.10432) reaches by centring weights. Here both sums are
bounded on integer levels as they are, hence exactly, by two means: levels of a codebook take a
coarser step, and channels that still reach too far are scaled down, which a batch norm undoes.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...spec.formats import IntFormat

if TYPE_CHECKING:
    from .weight_quantizer import WeightQuantizer

ROUNDS = 64
"""Of scaling a channel, each by the root of what it is over; the last one empties it."""
MOST = 0.98
"""Largest factor of a round: a channel that is over by little has to reach other levels, too."""
SHARE = 0.5
"""Of the output channels, that a codebook's step makes fit; the others are scaled down."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Room:
    """An accumulator and the codes that its sums are of."""

    acc_width: int
    source: IntFormat

    def reach(self, levels: Tensor) -> Tensor:
        """Share of the accumulator's range that each output channel's sums take, float64 (Cout,).

        levels (Cout, ...) in units of their step, integers or not; a channel fits up to 1.
        """
        flat = levels.detach().double().flatten(1)
        above, below = flat.clamp(min=0).sum(1), flat.clamp(max=0).sum(1)
        high = above * self.source.max + below * self.source.min
        low = above * self.source.min + below * self.source.max
        limit = IntFormat(width=self.acc_width, signed=True)
        return torch.maximum(high / limit.max, low / limit.min)

    def top(self, levels: Tensor, top: int, least: int) -> int:
        """Largest level, in ``least``..``top``, with which `SHARE` of the channels fit.

        levels (Cout, ...): as they are with the largest level ``top``, not rounded.
        """
        reach = self.reach(levels).sort().values
        middle = float(reach[min(len(reach) - 1, int(len(reach) * SHARE))])
        return max(least, int(top / middle)) if middle > 1 else top

    def step(self, weight: Tensor, step: Tensor) -> Tensor:
        """The least step, from ``step`` on, whose multiples nearest to ``weight`` fit."""
        reach = self.reach(weight / step).max()
        step = step * reach.clamp(min=1).to(step.dtype)
        while self.reach(torch.round(weight / step)).max() > 1:
            step = step / MOST
        return step


@torch.no_grad()
def shrink(weight: Tensor, quantizer: "WeightQuantizer") -> None:
    """Scale output channels of ``weight`` (Cout, ...) down, in place, until their sums fit."""
    if quantizer.room is None:
        return
    for _ in range(ROUNDS):
        reach = quantizer.room.reach(quantizer(weight)[0])
        over = reach > 1
        if not over.any():
            return
        factor = torch.where(over, reach.rsqrt().clamp(max=MOST), 1.0)
        weight.mul_(factor.to(weight.dtype).view(-1, *[1] * (weight.dim() - 1)))
    weight[over] = 0
