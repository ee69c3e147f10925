"""Constants of a frozen network, as written into its program.

Once codebooks are frozen, the numbers of a requantization (multiplier, bias, shift, skip
multiplier) are quantized parameters of the network like the levels are: derived here once, written
by the export, and taken by the fakequant graph wherever it is evaluated (`networks.frozen`).
Thresholds need no rounding: the graph compares real values, the program sums with the next integer.
"""

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from ...spec.formats import Int64Array, IntFormat
from ...spec.requant import Requant
from ..quantizers.stream import StreamQuantizer
from ..ranks import BatchNorm
from .folding import Affine, Float64Array, channel_bounds, fold_requant, refuse_channel

if TYPE_CHECKING:
    from ..networks.layers import QuantConv2d
    from ..networks.pooling import AveragePool
    from ..quantizers.weight_quantizer import Step

PIXEL = IntFormat(width=8)
"""Format of the input."""
Codes = tuple[float, IntFormat]
"""Value of code 1, and the format, of a tensor's codes."""


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
    offset = np.zeros(len(levels))
    if conv.pixels is not None:
        zero, centre = (conv.by_weight(t.double()).cpu().numpy() for t in conv.pixels)
        offset = scale * ((levels * (zero - centre)) - levels * zero).sum((1, 2, 3))
    if conv.bias is not None:
        offset = offset + conv.bias.detach().double().cpu().numpy()
    return through_norm(conv.bn, scale, offset, conv.name)


def through_norm(
    bn: BatchNorm | None, scale: float | Float64Array, offset: Float64Array, name: str
) -> Affine:
    """Batch norm, if there is one, of ``scale * sum + offset`` as a function of the sum."""
    slope, mean, bias = np.ones(1), np.zeros(1), np.zeros(1)
    if bn is not None:
        mean, var, weight, bias = (
            t.detach().double().cpu().numpy()
            for t in (bn.running_mean, bn.running_var, bn.weight, bn.bias)
        )
        refuse_channel(var < 0, var, name, "batch norm's variance", "0 or more")
        with np.errstate(over="ignore", invalid="ignore"):
            slope = weight / np.sqrt(var + bn.eps)
    with np.errstate(over="ignore", invalid="ignore"):
        steep, intercept = slope * scale, slope * (offset - mean) + bias
        affine = Affine(slope=np.broadcast_to(steep, intercept.shape).copy(), intercept=intercept)
    for values, what in ((affine.slope, "scale"), (affine.intercept, "offset")):
        refuse_channel(~np.isfinite(values), values, name, f"{what} of the sums", "finite")
    return affine


def conv_requant(
    output: StreamQuantizer,
    levels: Int64Array,
    affine: Affine,
    source: IntFormat,
    *,
    residual: Codes | None,
    name: str,
    multiplier_width: int = 24,
) -> Requant:
    """Requantization of a convolution whose sums have the real values ``affine``."""
    low, high = channel_bounds(levels, source)
    return fold_requant(
        affine,
        step=output.real_step,
        out=stream_format(output),
        bounds=(int(low.min()), int(high.max())),
        skip=residual,
        multiplier_width=multiplier_width,
        name=name,
    )


def average_line(pool: "AveragePool", step: float) -> Affine:
    """Real value of a window's sum of codes of value ``step``, through the unit's batch norm.

    Where the codes are pixels, each channel has a value and an offset of its own.
    """
    scale: float | Float64Array = step
    offset = np.zeros(1)
    if pool.pixels is not None:
        mean, std = (t.double().flatten().cpu().numpy() for t in pool.pixels)
        scale, offset = 1.0 / std, -mean / std
    return through_norm(pool.bn, scale / pool.window, offset, pool.name)


def average_requant(
    pool: "AveragePool", output: StreamQuantizer, codes: Codes, *,
    residual: Codes | None = None, multiplier_width: int = 24,
) -> Requant:  # fmt: skip
    """Requantization of sums over windows of ``codes``, the divisor folded in."""
    step, source = codes
    return fold_requant(
        average_line(pool, step), step=output.real_step, out=stream_format(output),
        bounds=(source.min * pool.window, source.max * pool.window), skip=residual,
        multiplier_width=multiplier_width, name=pool.name,
    )  # fmt: skip
