"""Pooling, means, borders, enlarged maps, and what changes no code."""

from math import prod

import numpy as np

from ...spec.formats import Int64Array
from ..builder import Codes
from ..draft import FileFunction
from ..imported import Quantization
from .arithmetic import Multiplier, activation_range
from .convolutions import SAME, same_padding
from .elementwise import clamp
from .file import FileOperator
from .walk import Walk, batchless, quantization


def average_pool_2d(walk: Walk, operator: FileOperator) -> None:
    """Sum of codes, divided with halves away from zero; no zero point takes part."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    kernel, stride, padding = _window(walk, operator, source)
    if any(padding):
        raise walk.refuse(operator, "average whole windows (VALID)", "windows with a border")
    _same_quantization(walk, operator, source.quantization, out)
    activation = operator.options["FusedActivationFunction"]
    least, most = activation_range(activation, out.format, out.scale, out.zero_point)
    count = prod(kernel)

    def function(sums: Int64Array) -> Int64Array:
        return np.clip(average(sums, count), least, most)

    name = walk.result(operator).name
    made = walk.draft.avg_pool(name, source, kernel, stride, function, out)
    walk.made(operator, made)


def average(sums: Int64Array, count: int) -> Int64Array:
    """`sums / count`, halves away from zero."""
    return np.asarray(np.sign(sums) * ((np.abs(sums) + count // 2) // count), np.int64)


def max_pool_2d(walk: Walk, operator: FileOperator) -> None:
    """Positions outside the map do not take part."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    kernel, stride, padding = _window(walk, operator, source)
    _same_quantization(walk, operator, source.quantization, out)
    name = walk.result(operator).name
    made = walk.draft.max_pool(name, source, kernel, stride, padding)
    walk.made(operator, clamp(walk, operator, made))


def mean(walk: Walk, operator: FileOperator) -> None:
    """Mean over the map: the sum minus zero points, times scales and the reciprocal of the size."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    rank = len(walk.operand(operator, 0).shape)
    axes = walk.constant(operator, 1, "INT32").astype(np.int64).ravel()
    if rank != 4 or sorted({int(axis) % 4 for axis in axes}) != [1, 2]:
        raise walk.refuse(operator, "average over axes 1 and 2 of a map", axes.tolist())
    kernel = source.shape[1], source.shape[2]
    count = prod(kernel)
    function = mean_function(source.quantization, out, count)
    name = walk.result(operator).name
    made = walk.draft.avg_pool(name, source, kernel, (1, 1), function, out)
    walk.made(operator, made)


def mean_function(source: Quantization, out: Quantization, count: int) -> FileFunction:
    """The kernel's function of the sum of `count` codes."""
    multiplier = _mean_multiplier(source.scale, out.scale, count)

    def function(sums: Int64Array) -> Int64Array:
        scaled = multiplier.times(sums - source.zero_point * count)
        return np.clip(scaled + out.zero_point, out.format.min, out.format.max)

    return function


def _mean_multiplier(source: float, out: float, count: int) -> Multiplier:
    """QuantizedMeanOrSum: the mantissa is divided by the number of elements."""
    real = Multiplier.of(source / out)
    mantissa, exponent = int(real.mantissa[0]), int(real.exponent[0])
    shift = min(count.bit_length() - 1, 32, 31 + exponent)
    return Multiplier(
        mantissa=np.array([(mantissa << shift) // count]), exponent=np.array([exponent - shift])
    )


def pad(walk: Walk, operator: FileOperator) -> None:
    """A border of the zero point: convolutions that read it pad themselves."""
    source, result = walk.source(operator), walk.result(operator)
    rows = walk.constant(operator, 1, "INT32").astype(np.int64)
    good = rows.shape == (4, 2) and not rows[[0, 3]].any() and rows.min() >= 0
    if not good:
        raise walk.refuse(operator, "pad rows and columns of a map", rows.tolist())
    _same_quantization(walk, operator, source.quantization, quantization(result))
    (top, bottom), (left, right) = rows[1:3].tolist()
    convolutions = {"CONV_2D", "DEPTHWISE_CONV_2D"}
    readers = walk.readers(result.index)
    if readers and all(r.name in convolutions and r.inputs[0] == result.index for r in readers):
        walk.pending[result.index] = source, (top, left, bottom, right)
    else:
        made = walk.draft.pad(result.name, source, (top, left, bottom, right))
        walk.made(operator, made)


def resize_nearest_neighbor(walk: Walk, operator: FileOperator) -> None:
    """Integer factors only: then every variant of the coordinates repeats codes."""
    source, result = walk.source(operator), walk.result(operator)
    size = walk.constant(operator, 1, "INT32").ravel().tolist()
    height, width = source.shape[1:]
    whole = len(size) == 2 and min(size) > 0 and size[0] % height == 0 == size[1] % width
    if not whole or operator.options["AlignCorners"]:
        raise walk.refuse(
            operator, f"enlarge {height} x {width} by integers, corners not aligned", size
        )
    factor = size[0] // height, size[1] // width
    for length, times in ((height, factor[0]), (width, factor[1])):
        _repeats(walk, operator, length, times)
    _same_quantization(walk, operator, source.quantization, quantization(result))
    walk.made(operator, walk.draft.upsample(result.name, source, factor))


def _repeats(walk: Walk, operator: FileOperator, length: int, times: int) -> None:
    """Refuse where float32 coordinates do not repeat every code `times` times."""
    scale = np.float32(length) / np.float32(length * times)
    offset = np.float32(0.5 if operator.options["HalfPixelCenters"] else 0.0)
    at = np.floor((np.arange(length * times, dtype=np.float32) + offset) * scale)
    if (at.clip(max=length - 1) != np.arange(length * times) // times).any():
        raise walk.refuse(operator, "repeat every code as often", f"{length} by {times}")


def reshape(walk: Walk, operator: FileOperator) -> None:
    """A flattened map, or a flat tensor with other sizes of 1: no code moves."""
    source, result = walk.source(operator), walk.result(operator)
    shape = batchless(result.shape, f"{operator}: {result}")
    channels, height, width = source.shape
    flat = len(shape) == 1 or shape[-1] == prod(shape)
    if prod(shape) != prod(source.shape) or not (flat or shape[-3:] == (height, width, channels)):
        raise walk.refuse(
            operator, f"flatten ({height}, {width}, {channels}) or leave it as it is", shape
        )
    walk.made(operator, source)


def concatenation(walk: Walk, operator: FileOperator) -> None:
    """Along the channels; inputs of other quantization are rescaled, as the kernel does (uint8)."""
    result = walk.result(operator)
    out, rank = quantization(result), len(result.shape)
    if (
        operator.options["Axis"] not in (-1, rank - 1)
        or operator.options["FusedActivationFunction"]
    ):
        raise walk.refuse(
            operator, "join channels, without an activation", operator.options["Axis"]
        )
    sources = [
        _rescaled(walk, operator, walk.source(operator, k), out)
        for k in range(len(operator.inputs))
    ]
    walk.made(operator, walk.draft.concat(result.name, sources))


def _rescaled(walk: Walk, operator: FileOperator, source: Codes, out: Quantization) -> Codes:
    if source.quantization == out:
        return source
    if out.format.signed:
        _same_quantization(walk, operator, source.quantization, out)
    scale = np.float32(source.quantization.scale) * (np.float32(1) / np.float32(out.scale))
    bias = np.float32(-source.quantization.zero_point) * scale

    def function(codes: Int64Array) -> Int64Array:
        real = codes.astype(np.float32) * scale + bias
        rounded = np.copysign(np.floor(np.abs(real) + np.float32(0.5)), real).astype(np.int64)
        return np.clip(rounded + out.zero_point, out.format.min, out.format.max)

    return walk.draft.elementwise(f"{source.name}.rescaled", source, function, out)


def _window(
    walk: Walk, operator: FileOperator, source: Codes
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Kernel, stride and padding of a pool."""
    options = operator.options
    kernel = options["FilterHeight"], options["FilterWidth"]
    stride = options["StrideH"], options["StrideW"]
    if min(*kernel, *stride) < 1:
        raise walk.refuse(operator, "have a window and strides >= 1", (*kernel, *stride))
    size = source.shape[1], source.shape[2]
    padding = same_padding(size, kernel, stride) if options["Padding"] == SAME else (0, 0, 0, 0)
    return kernel, stride, padding


def _same_quantization(
    walk: Walk, operator: FileOperator, source: Quantization, out: Quantization
) -> None:
    if source != out:
        raise walk.refuse(
            operator,
            "have one scale and zero point for input and output",
            (source.scale, source.zero_point, out.scale, out.zero_point),
        )
