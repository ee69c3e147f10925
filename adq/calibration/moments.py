"""Second moments of what a convolution reads, over windows drawn from the calibration images."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..networks.layers import QuantConv2d
from .walk import Inputs

SMALL = 1e-3
"""Square of a channel's slope, as a share of their mean, below which its errors count less."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moments:
    """Of a convolution with G groups, Cout filters and n weights in a filter; float64.

    inputs: (G, n, n), mean of x x^T over windows x; errors: (G, n, Cout / G), mean of x e^T, e
    being what the float sums lack with the float weights on these inputs.
    """

    inputs: Tensor
    errors: Tensor

    @property
    def diagonal(self) -> Tensor:
        """Second moment (G, n) of the input of each weight."""
        return self.inputs.diagonal(dim1=1, dim2=2)


def windows(conv: QuantConv2d, data: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """What the filters read at the output positions (rows, columns) of each image: (G, S, n)."""
    shape = conv.geometry
    view = shape.padded(data)
    for axis in (0, 1):
        reach = (shape.kernel[axis] - 1) * shape.dilation[axis] + 1
        view = view.unfold(2 + axis, reach, shape.stride[axis])
    view = view[..., :: shape.dilation[0], :: shape.dilation[1]]
    picked = view[:, :, rows, columns]  # (N, C, P, kh, kw)
    images, channels, places = picked.shape[:3]
    grouped = picked.reshape(
        images, shape.groups, channels // shape.groups, places, *picked.shape[3:]
    )
    ordered = grouped.permute(1, 0, 3, 2, 4, 5)
    return ordered.reshape(shape.groups, images * places, -1)


def measure(
    conv: QuantConv2d, inputs: list[Inputs], targets: list[Tensor], *, places: int, seed: int
) -> Moments:
    """Moments over ``places`` windows of each image, the same ones in the images of a chunk.

    inputs: what the convolution reads, quantized; targets: the float network's maps before its
    quantizer, (N, Cout, H, W).
    """
    generator = torch.Generator().manual_seed(seed)
    groups, weight = conv.geometry.groups, conv.kernel_weight.detach().flatten(1)
    kernels = weight.view(groups, -1, weight.shape[1])
    slope, offset = (v.float().view(-1, 1) for v in output_affine(conv))
    inverse = _inverse(slope)
    size, filters = kernels.shape[2], kernels.shape[1]
    moments = torch.zeros(groups, size, size, dtype=torch.float64)
    errors = torch.zeros(groups, size, filters, dtype=torch.float64)
    count = 0
    for (x, skip), target in zip(inputs, targets, strict=True):
        height, width = target.shape[2:]
        drawn = torch.randperm(height * width, generator=generator)[:places]
        rows, columns = drawn // width, drawn % width
        seen = windows(conv, x.real, rows, columns)
        sums = (seen @ kernels.transpose(1, 2)).view(groups, len(target), -1, filters)
        reached = sums.permute(1, 0, 3, 2).flatten(1, 2) * slope + offset
        lack = target[:, :, rows, columns] - reached
        if skip is not None:
            lack -= skip.real[:, :, rows, columns]
        lacking = (lack * inverse).permute(0, 2, 1).reshape(-1, groups, filters)
        moments += seen.transpose(1, 2) @ seen
        errors += seen.transpose(1, 2) @ lacking.transpose(0, 1)
        count += seen.shape[1]
    return Moments(inputs=moments / count, errors=errors / count)


def _inverse(slope: Tensor) -> Tensor:
    """1 / slope where the slope counts, falling to 0 where it does not."""
    floor = SMALL * float(slope.square().mean())
    return slope / (slope.square() + floor) if floor > 0 else slope


def output_affine(conv: QuantConv2d) -> tuple[Tensor, Tensor]:
    """Real output per real sum, and of the sum 0, before the residual: (Cout,) each, float64."""
    bias = torch.zeros(len(conv.weight)) if conv.bias is None else conv.bias.detach()
    bn = conv.bn
    if bn is None:
        return torch.ones_like(bias).double(), bias.double()
    slope = bn.weight.double() / (bn.running_var.double() + bn.eps).sqrt()
    return slope, bn.bias.double() + slope * (bias.double() - bn.running_mean.double())
