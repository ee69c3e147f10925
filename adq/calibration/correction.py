"""Slopes and offsets of a layer's channels, fitted to the float network's maps."""

import torch
from torch import Tensor

from ..networks.classifier import QuantLinear
from ..networks.layers import QuantConv2d
from ..tensors import Signal
from .walk import Inputs

SLOPES = 0.5, 2.0
"""Limits of a channel's slope: few images do not say more."""
NOISE = 1e-12
"""Variance, as a share of the mean square, that is rounding and no signal."""


def correct(
    conv: QuantConv2d, inputs: list[Inputs], maps: list[Tensor], targets: list[Tensor]
) -> list[Tensor]:
    """Least squares of ``maps`` (N, C, H, W) on the targets, channel by channel, residual apart.

    The batch norm takes the result; without one a bias takes the offset alone. Returns the maps as
    the convolution makes them from now on.
    """
    if conv.bn is None and conv.bias is None:
        return maps
    sums = torch.zeros(5, len(conv.weight), dtype=torch.float64)
    for (_, skip), part, target in zip(inputs, maps, targets, strict=True):
        residual = 0.0 if skip is None else skip.real
        x, y = part - residual, target - residual
        sums += torch.stack([by_channel(v) for v in (torch.ones_like(x), x, y, x * x, x * y)])
    if conv.bn is not None:
        slope, offset = regression(sums)
        conv.bn.weight.mul_(slope.float())
        conv.bn.bias.mul_(slope.float()).add_(offset.float())
    else:
        assert conv.bias is not None
        offset = (sums[2] - sums[1]) / sums[0]
        slope = torch.ones_like(offset)
        conv.bias.add_(offset.float())
    a, b = (v.float().view(1, -1, 1, 1) for v in (slope, offset))
    for k, (_, skip) in enumerate(inputs):
        residual = 0.0 if skip is None else skip.real
        maps[k] = (maps[k] - residual) * a + b + residual  # one after the other: half the memory
    return maps


def regression(sums: Tensor) -> tuple[Tensor, Tensor]:
    """Slope and offset (C,) of y on x from the sums (5, C) of 1, x, y, x^2, x y, float64."""
    count, x, y, xx, xy = sums
    mean_x, mean_y = x / count, y / count
    variance, covariance = xx / count - mean_x**2, xy / count - mean_x * mean_y
    slope = (covariance / variance.clamp(min=1e-30)).clamp(*SLOPES)
    slope = torch.where(variance > NOISE * (xx / count), slope, torch.ones_like(slope))
    return slope, mean_y - slope * mean_x


def correct_classifier(
    unit: QuantLinear, exact: list[Signal], made: list[Signal], inputs: list[Inputs]
) -> list[Signal]:
    """Add the mean difference of the logits to the bias; returns the logits with it."""
    if unit.bias is None:
        return made
    ours, theirs = (torch.cat([x.real for x in part]) for part in (made, exact))
    unit.bias.add_((theirs - ours).mean((0, 2, 3)).float())
    return [unit(*x) for x in inputs]


def by_channel(x: Tensor) -> Tensor:
    """Sums (C,) of a map (N, C, H, W), float64."""
    return x.sum((0, 2, 3), dtype=torch.float64)
