"""N2UQ's activation behind an RPReLU (ReActNet, arXiv 2003.03488; option of N2UQ).

Per channel: ``x - shift + lift`` above ``shift``, ``slope * (x - shift) + lift`` below it. Slopes
are not negative, so this rises with x, and "the code is at least i" is still one comparison of x,
``x >= inverse(T_i)``: thresholds per channel, which fold into the program like any other. It stands
in front of the thresholds only; on the residual stream itself it would not vanish.
"""

import torch
from torch import Tensor, nn

from ..tensors import Signal
from .activation import ThresholdActivation

SLOPE = 0.25
"""Initial slope, PReLU's."""


class RPReLUThreshold(ThresholdActivation):
    """RPReLU with its own parameters per channel, then the learned thresholds of the map."""

    def __init__(self, act_width: int, channels: int) -> None:
        super().__init__(act_width)
        self.shift = nn.Parameter(torch.zeros(channels))
        self.lift = nn.Parameter(torch.zeros(channels))
        self.slope = nn.Parameter(torch.full((channels,), SLOPE))

    def shaped(self, x: Tensor) -> Tensor:
        shift, lift, slope = (
            p.to(x.dtype).view(1, -1, 1, 1)
            for p in (self.shift, self.lift, self.slope.clamp(min=0.0))
        )
        rest = x - shift
        return torch.where(rest > 0, rest, slope * rest) + lift

    def real_thresholds(self) -> Tensor:
        """The inputs (channels, ``count``) at which the code rises; -inf where it always has."""
        bounds = self.bounds()
        shift, lift, slope = (
            p.detach().double().cpu()[:, None]
            for p in (self.shift, self.lift, self.slope.clamp(min=0.0))
        )
        rest = bounds - lift
        # with a slope of 0 no input is below the lift: thresholds at most there are always reached
        below = torch.where(slope > 0, rest / slope, -torch.inf)
        return shift + torch.where(rest > 0, rest, below)

    @torch.no_grad()
    def codes(self, values: Tensor) -> Tensor:
        """Codes (channels, N) of a vector of real ``values``."""
        rows = values.to(self.slope.device).view(1, 1, 1, -1).expand(1, len(self.slope), 1, -1)
        return self.quantize(rows).data[0, :, 0].long().cpu()

    def quantize(self, x: Tensor) -> Signal:
        return super().quantize(self.shaped(x))
