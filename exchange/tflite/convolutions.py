"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED."""

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ...spec.host.limits import demand
from ...spec.windows import MAX_EXTENT
from ..builder import Codes
from ..imported import Quantization
from .arithmetic import Multiplier, RealMultiplier, activation_range, wrap
from .file import FileOperator, FileTensor
from .walk import Walk, quantization

SAME = 0
"""Schema: Padding."""


def conv_2d(walk: Walk, operator: FileOperator) -> None:
    """Filters (Cout, kh, kw, Cin/groups)."""
    source = _padded_source(walk, operator)
    filters = _levels(walk, operator, 4).transpose(0, 3, 1, 2)
    channels = source[0].shape[0]
    if not filters.shape[1] or channels % filters.shape[1]:
        raise walk.refuse(
            operator, f"have filters of a divisor of {channels} channels", filters.shape[1]
        )
    _convolve(walk, operator, source, filters, channels // filters.shape[1])


def depthwise_conv_2d(walk: Walk, operator: FileOperator) -> None:
    """Filters (1, kh, kw, Cin * multiplier); output channel c*multiplier + m reads channel c."""
    source = _padded_source(walk, operator)
    filters = _levels(walk, operator, 4)
    channels = source[0].shape[0]
    if filters.shape[0] != 1 or filters.shape[3] % channels:
        raise walk.refuse(
            operator, f"have filters (1, kh, kw, {channels} * multiplier)", filters.shape
        )
    _convolve(walk, operator, source, filters.transpose(3, 0, 1, 2), channels)


def fully_connected(walk: Walk, operator: FileOperator) -> None:
    """Weights (Cout, Cin) on the flattened input."""
    if operator.options["WeightsFormat"]:
        raise walk.refuse(operator, "have weights of the default format", "shuffled ones")
    source, levels = walk.source(operator), _levels(walk, operator, 2)
    out = quantization(walk.result(operator))
    function = _Requantized(walk, operator, source.quantization, len(levels), out)
    name = walk.result(operator).name
    walk.made(operator, walk.draft.linear(name, source, levels, function, out))


Scales = npt.NDArray[np.float32]
_Source = tuple[Codes, tuple[int, int, int, int]]


def _padded_source(walk: Walk, operator: FileOperator) -> _Source:
    """What a convolution reads, and the border that a PAD before it put around it."""
    index = walk.operand(operator, 0).index
    if index in walk.pending:
        return walk.pending[index]
    return walk.source(operator), (0, 0, 0, 0)


def _convolve(
    walk: Walk, operator: FileOperator, source: _Source, filters: Int64Array, groups: int
) -> None:
    codes, border = source
    options, (kernel_h, kernel_w) = operator.options, filters.shape[2:]
    dilation = options["DilationHFactor"], options["DilationWFactor"]
    stride = options["StrideH"], options["StrideW"]
    if min(*dilation, *stride) < 1:
        raise walk.refuse(operator, "have strides and dilations >= 1", (*stride, *dilation))
    spread = (kernel_h - 1) * dilation[0] + 1, (kernel_w - 1) * dilation[1] + 1
    if max(spread) > MAX_EXTENT:
        raise walk.refuse(operator, f"have a kernel of at most {MAX_EXTENT}, spread out", spread)
    if dilation != (1, 1):
        demand(8 * filters.shape[0] * filters.shape[1] * spread[0] * spread[1], f"{operator}")
        wide = np.zeros((*filters.shape[:2], *spread), np.int64)
        wide[:, :, :: dilation[0], :: dilation[1]] = filters
        filters = wide
    size = codes.shape[1] + border[0] + border[2], codes.shape[2] + border[1] + border[3]
    own = same_padding(size, spread, stride) if options["Padding"] == SAME else (0, 0, 0, 0)
    padding = tuple(a + b for a, b in zip(border, own, strict=True))
    out = quantization(walk.result(operator))
    function = _Requantized(walk, operator, codes.quantization, len(filters), out)
    made = walk.draft.mac(
        walk.result(operator).name,
        codes,
        filters,
        function,
        out,
        stride=stride,
        padding=(padding[0], padding[1], padding[2], padding[3]),
        groups=groups,
    )
    walk.made(operator, made)


def same_padding(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int]
) -> tuple[int, int, int, int]:
    """(top, left, bottom, right) of SAME: the odd row and column lie at bottom and right."""
    total = [
        max((-(-length // step) - 1) * step + window - length, 0)
        for length, window, step in zip(size, kernel, stride, strict=True)
    ]
    top, left = total[0] // 2, total[1] // 2
    return top, left, total[0] - top, total[1] - left


def _levels(walk: Walk, operator: FileOperator, rank: int) -> Int64Array:
    """Weights minus their zero points."""
    tensor = walk.operand(operator, 1)
    data = walk.constant(operator, 1, walk.operand(operator, 0).type)
    if data.ndim != rank or 0 in data.shape:
        raise walk.refuse(operator, f"have weights of {rank} dimensions", data.shape)
    zeros = np.unique(tensor.zero_points)
    if len(zeros) != 1 or (tensor.type == "INT8" and zeros[0]):
        raise walk.refuse(operator, "have weights with one zero point, 0 for INT8", zeros.tolist())
    return data.astype(np.int64) - zeros[0]


class _Requantized:
    """The file's sums (C, K) to the file's codes: bias, multiplier, zero point, clamp."""

    def __init__(
        self,
        walk: Walk,
        operator: FileOperator,
        source: Quantization,
        channels: int,
        out: Quantization,
    ) -> None:
        self.zero = out.zero_point
        weights = walk.operand(operator, 1)
        scales = _weight_scales(walk, operator, weights, channels)
        self.multiplier = _multiplier(walk, operator, source.scale, scales, out)
        self.bias = _bias(walk, operator, channels)
        self.least, self.most = activation_range(
            operator.options["FusedActivationFunction"], out.format, out.scale, out.zero_point
        )

    def __call__(self, sums: Int64Array) -> Int64Array:
        ends = self.least, self.most
        return requantized(sums, self.bias, self.multiplier, self.zero, ends)


def requantized(
    sums: Int64Array,
    bias: Int64Array,
    multiplier: Multiplier | RealMultiplier,
    zero: int,
    ends: tuple[int, int],
) -> Int64Array:
    """What a kernel does with sums (C, K): bias (C,), multiplier, zero point, clamp to `ends`."""
    scaled = multiplier.times(wrap(sums + bias[:, None]))
    return np.clip(scaled + zero, *ends)


def _weight_scales(
    walk: Walk, operator: FileOperator, weights: FileTensor, channels: int
) -> Scales:
    """(channels,) or (1,) float32 scales of weights."""
    scales = weights.scales
    axis = 3 if operator.name == "DEPTHWISE_CONV_2D" else 0
    fits = len(scales) == 1 or (len(scales) == channels and weights.axis == axis)
    if not fits or not (np.isfinite(scales) & (scales > 0)).all():
        raise walk.refuse(
            operator,
            f"have weights with one scale or {channels} along dimension {axis}, each > 0",
            f"{len(scales)} along {weights.axis}",
        )
    return scales


def _multiplier(
    walk: Walk, operator: FileOperator, source: float, scales: Scales, out: Quantization
) -> Multiplier | RealMultiplier:
    """What a kernel multiplies sums by: one per channel, or one.

    LiteRT's FULLY_CONNECTED multiplies by a double; all others are fixed-point. LiteRT's uint8
    convolutions multiply the scales in float32 (GetQuantizedConvolutionMultipler), all others in
    double. Measured on both engines at scales where these differ.
    """
    reals = [source * float(scale) / out.scale for scale in scales]
    if walk.micro or operator.name != "FULLY_CONNECTED":
        if not out.format.signed:
            reals = [float(np.float32(source) * scale) / out.scale for scale in scales]
        return Multiplier.of(*reals)
    return RealMultiplier(values=np.array(reals))


def _bias(walk: Walk, operator: FileOperator, channels: int) -> Int64Array:
    if len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return np.zeros(channels, np.int64)
    bias = walk.constant(operator, 2, "INT32").astype(np.int64).ravel()
    if len(bias) != channels:
        raise InputError(f"{operator} must have {channels} biases, not {len(bias)}")
    return bias
