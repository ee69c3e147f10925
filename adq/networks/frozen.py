"""Evaluation of a frozen network: exact sums and the constants of the program.

It computes in real numbers, not in integers as the engines: float64 holds every sum and, below
2**53, every product of the contract exactly.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...spec.formats import Int64Array, IntFormat
from ...spec.requant import Requant
from ..integers.constants import (
    conv_requant,
    fold_batch_norm,
    integer_levels,
    real_step,
    stream_format,
)
from ..integers.folding import channel_bounds
from ..integers.integer import exact_dtype
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..tensors import Signal, as_rows, from_rows

if TYPE_CHECKING:
    from .layers import QuantConv2d


def convolution(conv: "QuantConv2d", x: Signal, skip: Signal | None) -> Signal:
    """Codes that a frozen convolution makes from the codes ``x`` (and the residual's)."""
    assert x.format is not None
    weight, step = conv.quantizer(conv.quantized_weight())
    levels = integer_levels(weight)
    affine = fold_batch_norm(conv, levels, x.scale * real_step(step))
    acc = _sums(conv, x.data, x.format, weight, levels)
    if isinstance(conv.output, LowBitActivation):
        slope, intercept = (_column(v, acc) for v in (affine.slope, affine.intercept))
        bounds = conv.output.bounds().to(acc.device)
        rows = as_rows(conv.output.shaped(acc.mul_(slope).add_(intercept)))
        codes = torch.bucketize(rows, bounds, right=True, out_int32=True)
        return conv.output.signal(from_rows(codes.float(), acc))
    residual = None if skip is None or skip.format is None else (skip.scale, skip.format)
    requant = conv_requant(conv.output, levels, affine, x.format, residual=residual, name=conv.name)
    return requantized(conv.output, acc, requant, skip)


def requantized(
    output: StreamQuantizer, acc: Tensor, requant: Requant, skip: Signal | None = None
) -> Signal:
    """Codes of the sums ``acc`` (float64, overwritten), in units of the output step."""
    unit = 0.5**requant.shift  # powers of two scale without rounding
    acc.mul_(_column(requant.multiplier * unit, acc)).add_(_column(requant.bias * unit + 0.5, acc))
    if skip is not None:
        acc.add_(skip.data, alpha=requant.skip_multiplier * unit)
    codes = acc.floor_().clamp_(output.low, output.high)
    return Signal(codes.float(), output.real_step, stream_format(output))


def _sums(
    conv: "QuantConv2d", codes: Tensor, source: IntFormat, weight: Tensor, levels: Int64Array
) -> Tensor:
    """The program's sums, float64."""
    low, high = channel_bounds(levels, source)
    # half of the range of the centred pixels may lie on the other side of zero
    reach = int(high.max() - low.min())
    dtype = exact_dtype((-reach, reach), weight.device)
    with torch.backends.nnpack.flags(enabled=False):  # its transforms are not exact
        acc = conv.convolve(codes.to(dtype), weight.to(dtype)).double()
    if conv.pixels is not None:  # the graph's sums are of pixels minus the code of zero
        zero = conv.by_weight(conv.pixels[0].double()).cpu().numpy()
        acc.add_(_column((levels * zero).sum((1, 2, 3)), acc))
    return acc


def _column(values: NDArray[np.floating], like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.device).view(1, -1, 1, 1)
