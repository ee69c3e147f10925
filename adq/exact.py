"""Evaluation of a frozen network: exact sums, and the constants that the program is written with.

Once codebooks are frozen, the numbers of a requantization (multiplier, bias, shift, skip
multiplier) are quantized parameters of the network like the levels are: derived here once, written
by the export, and taken by the fakequant graph wherever it is evaluated. Thresholds need no
rounding: the graph compares real values, the program sums with the next integer.

The graph stays a computation of its own: real numbers in float64, which hold every sum and, below
2**53, every product of the contract exactly.
"""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..spec.formats import Int64Array, IntFormat
from ..spec.requant import Requant
from .folding import Affine, Float64Array, channel_bounds, fold_requant, refuse_channel
from .integer import exact_dtype
from .low_bit import LowBitActivation
from .stream import StreamQuantizer
from .tensors import Signal, as_rows, from_rows

if TYPE_CHECKING:
    from .layers import QuantConv2d
    from .weight_quantizer import Step

PIXEL = IntFormat(width=8)
"""Format of the input."""
Residual = tuple[float, IntFormat]
"""Step and format of the codes that are added to a sum."""


def integer_levels(levels: Tensor) -> Int64Array:
    """The levels of a frozen quantizer as integers."""
    return levels.detach().double().cpu().numpy().astype(np.int64)


def real_step(step: "Step") -> float | Float64Array:
    """Real value of level 1: one number, or (Cout,) float64."""
    if isinstance(step, Tensor):
        return step.detach().double().flatten().cpu().numpy()
    return step


def stream_format(quantizer: StreamQuantizer) -> IntFormat:
    """Format of the codes of a stream."""
    return IntFormat(width=quantizer.width, signed=quantizer.signed)


def fold_batch_norm(conv: "QuantConv2d", levels: Int64Array, scale: float | Float64Array) -> Affine:
    """Batch norm of ``scale * sum`` (scale: number or (Cout,)) as a function of the program's sum.

    The program sums raw pixel codes where the graph subtracts the code of zero first: a constant.
    """
    bn = conv.bn
    mean, var, weight, bias = (
        t.detach().double().cpu().numpy()
        for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias)
    )
    offset = np.zeros(len(levels))
    if conv.pixels is not None:
        zero, centre = (t.double().cpu().numpy() for t in conv.pixels)
        offset = scale * ((levels * (zero - centre)) - levels * zero).sum((1, 2, 3))
    refuse_channel(var < 0, var, conv.name, "batch norm's variance", "0 or more")
    with np.errstate(over="ignore", invalid="ignore"):
        slope = weight / np.sqrt(var + bn.eps)
        affine = Affine(slope=slope * scale, intercept=slope * (offset - mean) + bias)
    for values, what in ((affine.slope, "scale"), (affine.intercept, "offset")):
        refuse_channel(~np.isfinite(values), values, conv.name, f"{what} of the sums", "finite")
    return affine


def conv_requant(
    conv: "QuantConv2d",
    levels: Int64Array,
    affine: Affine,
    source: IntFormat,
    *,
    residual: Residual | None,
    multiplier_width: int = 24,
) -> Requant:
    """Requantization of a convolution whose sums have the real values ``affine``."""
    low, high = channel_bounds(levels, source)
    return fold_requant(
        affine,
        step=conv.output.real_step,
        out=stream_format(conv.output),
        bounds=(int(low.min()), int(high.max())),
        skip=residual,
        multiplier_width=multiplier_width,
        name=conv.name,
    )


def pool_requant(
    output: StreamQuantizer,
    *,
    step: float,
    source: IntFormat,
    window: int,
    multiplier_width: int = 24,
    name: str = "",
) -> Requant:
    """Requantization of sums over ``window`` codes of value ``step``, the divisor folded in."""
    return fold_requant(
        Affine(slope=np.array([step / window]), intercept=np.zeros(1)),
        step=output.real_step,
        out=stream_format(output),
        bounds=(source.min * window, source.max * window),
        multiplier_width=multiplier_width,
        name=name,
    )


# -- the graph ----------------------------------------------------------------------------------


def convolution(conv: "QuantConv2d", x: Signal, skip: Signal | None) -> Signal:
    """Codes that a frozen convolution makes from the codes ``x`` (and the residual's)."""
    assert x.format is not None
    weight, step = conv.quantizer(conv.quantized_weight())
    levels = integer_levels(weight)
    affine = fold_batch_norm(conv, levels, x.scale * real_step(step))
    acc = _sums(conv, x, weight, levels)
    if isinstance(conv.output, LowBitActivation):
        slope, intercept = (_column(v, acc) for v in (affine.slope, affine.intercept))
        bounds = conv.output.bounds().to(acc.device)
        rows = as_rows(conv.output.shaped(acc.mul_(slope).add_(intercept)))
        codes = torch.bucketize(rows, bounds, right=True, out_int32=True)
        return conv.output.signal(from_rows(codes.float(), acc))
    residual = None if skip is None else (skip.scale, skip.format)
    requant = conv_requant(conv, levels, affine, x.format, residual=residual)
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


def _sums(conv: "QuantConv2d", x: Signal, weight: Tensor, levels: Int64Array) -> Tensor:
    """The program's sums, float64."""
    low, high = channel_bounds(levels, x.format)
    # half of the range of the centred pixels may lie on the other side of zero
    reach = int(high.max() - low.min())
    dtype = exact_dtype((-reach, reach), weight.device)
    with torch.backends.nnpack.flags(enabled=False):  # its transforms are not exact
        acc = conv.convolve(x.data.to(dtype), weight.to(dtype)).double()
    if conv.pixels is not None:  # the graph's sums are of pixels minus the code of zero
        zero = conv.pixels[0].double().cpu().numpy()
        acc.add_(_column((levels * zero).sum((1, 2, 3)), acc))
    return acc


def _column(values: Float64Array, like: Tensor) -> Tensor:
    return torch.from_numpy(values).to(like.device).view(1, -1, 1, 1)
