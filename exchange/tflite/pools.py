"""Pooling, means, borders, enlarged maps, and what changes no code."""

from math import prod

import numpy as np

from adqhw.exchange.draft import Codes
from adqhw.exchange.imported import Quantization
from adqhw.spec.formats import Int64Array

from .arithmetic import Multiplier, activation_range
from .convolutions import SAME, same_padding
from .elementwise import clamp
from .file import FileOperator
from .importer import Importer, batchless, quantization


def average_pool_2d(importer: Importer, operator: FileOperator) -> None:
    """Sum of codes, divided with halves away from zero; no zero point takes part."""
    source, out = importer.source(operator), quantization(importer.result(operator))
    kernel, stride, padding = _window(importer, operator, source)
    if any(padding):
        raise importer.refuse(operator, "average whole windows (VALID)", "windows with a border")
    _same_quantization(importer, operator, source.quantization, out)
    activation = operator.options["FusedActivationFunction"]
    least, most = activation_range(activation, out.format, out.scale, out.zero_point)
    count = prod(kernel)

    def function(sums: Int64Array) -> Int64Array:
        rounded = np.sign(sums) * ((np.abs(sums) + count // 2) // count)
        return np.clip(rounded, least, most)

    name = importer.result(operator).name
    made = importer.draft.avg_pool(name, source, kernel, stride, function, out)
    importer.made(operator, made)


def max_pool_2d(importer: Importer, operator: FileOperator) -> None:
    """Positions outside the map do not take part."""
    source, out = importer.source(operator), quantization(importer.result(operator))
    kernel, stride, padding = _window(importer, operator, source)
    _same_quantization(importer, operator, source.quantization, out)
    name = importer.result(operator).name
    made = importer.draft.max_pool(name, source, kernel, stride, padding)
    importer.made(operator, clamp(importer, operator, made))


def mean(importer: Importer, operator: FileOperator) -> None:
    """Mean over the map: the sum minus zero points, times scales and the reciprocal of the size."""
    source, out = importer.source(operator), quantization(importer.result(operator))
    rank = len(importer.operand(operator, 0).shape)
    axes = importer.constant(operator, 1, "INT32").astype(np.int64).ravel()
    if rank != 4 or sorted({int(axis) % 4 for axis in axes}) != [1, 2]:
        raise importer.refuse(operator, "average over axes 1 and 2 of a map", axes.tolist())
    kernel = source.shape[1], source.shape[2]
    count = prod(kernel)
    multiplier = _mean_multiplier(source.quantization.scale, out.scale, count)
    zero = source.quantization.zero_point

    def function(sums: Int64Array) -> Int64Array:
        scaled = multiplier.times(sums - zero * count)
        return np.clip(scaled + out.zero_point, out.format.min, out.format.max)

    name = importer.result(operator).name
    made = importer.draft.avg_pool(name, source, kernel, (1, 1), function, out)
    importer.made(operator, made)


def _mean_multiplier(source: float, out: float, count: int) -> Multiplier:
    """QuantizedMeanOrSum: the mantissa is divided by the number of elements."""
    real = Multiplier.of(source / out)
    mantissa, exponent = int(real.mantissa[0]), int(real.exponent[0])
    shift = min(count.bit_length() - 1, 32, 31 + exponent)
    return Multiplier(
        mantissa=np.array([(mantissa << shift) // count]), exponent=np.array([exponent - shift])
    )


def pad(importer: Importer, operator: FileOperator) -> None:
    """A border of the zero point: convolutions that read it pad themselves."""
    source, result = importer.source(operator), importer.result(operator)
    rows = importer.constant(operator, 1, "INT32").astype(np.int64)
    good = rows.shape == (4, 2) and not rows[[0, 3]].any() and rows.min() >= 0
    if not good:
        raise importer.refuse(operator, "pad rows and columns of a map", rows.tolist())
    _same_quantization(importer, operator, source.quantization, quantization(result))
    (top, bottom), (left, right) = rows[1:3].tolist()
    convolutions = {"CONV_2D", "DEPTHWISE_CONV_2D"}
    readers = importer.readers(result.index)
    if readers and all(r.name in convolutions and r.inputs[0] == result.index for r in readers):
        importer.pending[result.index] = source, (top, left, bottom, right)
    else:
        made = importer.draft.pad(result.name, source, (top, left, bottom, right))
        importer.made(operator, made)


def resize_nearest_neighbor(importer: Importer, operator: FileOperator) -> None:
    """Integer factors only: then every variant of the coordinates repeats codes."""
    source, result = importer.source(operator), importer.result(operator)
    size = importer.constant(operator, 1, "INT32").ravel().tolist()
    height, width = source.shape[1:]
    whole = len(size) == 2 and min(size) > 0 and size[0] % height == 0 == size[1] % width
    if not whole or operator.options["AlignCorners"]:
        raise importer.refuse(
            operator, f"enlarge {height} x {width} by integers, corners not aligned", size
        )
    factor = size[0] // height, size[1] // width
    for length, times in ((height, factor[0]), (width, factor[1])):
        _repeats(importer, operator, length, times)
    _same_quantization(importer, operator, source.quantization, quantization(result))
    importer.made(operator, importer.draft.upsample(result.name, source, factor))


def _repeats(importer: Importer, operator: FileOperator, length: int, times: int) -> None:
    """Refuse where float32 coordinates do not repeat every code `times` times."""
    scale = np.float32(length) / np.float32(length * times)
    offset = np.float32(0.5 if operator.options["HalfPixelCenters"] else 0.0)
    at = np.floor((np.arange(length * times, dtype=np.float32) + offset) * scale)
    if (at.clip(max=length - 1) != np.arange(length * times) // times).any():
        raise importer.refuse(operator, "repeat every code as often", f"{length} by {times}")


def reshape(importer: Importer, operator: FileOperator) -> None:
    """A flattened map, or a flat tensor with other sizes of 1: no code moves."""
    source, result = importer.source(operator), importer.result(operator)
    shape = batchless(result.shape, f"{operator}: {result}")
    channels, height, width = source.shape
    flat = len(shape) == 1 or shape[-1] == prod(shape)
    if prod(shape) != prod(source.shape) or not (flat or shape[-3:] == (height, width, channels)):
        raise importer.refuse(
            operator, f"flatten ({height}, {width}, {channels}) or leave it as it is", shape
        )
    importer.made(operator, source)


def concatenation(importer: Importer, operator: FileOperator) -> None:
    """Along the channels; inputs of other quantization are rescaled, as the kernel does (uint8)."""
    result = importer.result(operator)
    out, rank = quantization(result), len(result.shape)
    if (
        operator.options["Axis"] not in (-1, rank - 1)
        or operator.options["FusedActivationFunction"]
    ):
        raise importer.refuse(
            operator, "join channels, without an activation", operator.options["Axis"]
        )
    sources = [
        _rescaled(importer, operator, importer.source(operator, k), out)
        for k in range(len(operator.inputs))
    ]
    importer.made(operator, importer.draft.concat(result.name, sources))


def _rescaled(
    importer: Importer, operator: FileOperator, source: Codes, out: Quantization
) -> Codes:
    if source.quantization == out:
        return source
    if out.format.signed:
        _same_quantization(importer, operator, source.quantization, out)
    scale = np.float32(source.quantization.scale) * (np.float32(1) / np.float32(out.scale))
    bias = np.float32(-source.quantization.zero_point) * scale

    def function(codes: Int64Array) -> Int64Array:
        real = codes.astype(np.float32) * scale + bias
        rounded = np.copysign(np.floor(np.abs(real) + np.float32(0.5)), real).astype(np.int64)
        return np.clip(rounded + out.zero_point, out.format.min, out.format.max)

    return importer.draft.elementwise(f"{source.name}.rescaled", source, function, out)


def _window(
    importer: Importer, operator: FileOperator, source: Codes
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]:
    """Kernel, stride and padding of a pool."""
    options = operator.options
    kernel = options["FilterHeight"], options["FilterWidth"]
    stride = options["StrideH"], options["StrideW"]
    if min(*kernel, *stride) < 1:
        raise importer.refuse(operator, "have a window and strides >= 1", (*kernel, *stride))
    size = source.shape[1], source.shape[2]
    padding = same_padding(size, kernel, stride) if options["Padding"] == SAME else (0, 0, 0, 0)
    return kernel, stride, padding


def _same_quantization(
    importer: Importer, operator: FileOperator, source: Quantization, out: Quantization
) -> None:
    if source != out:
        raise importer.refuse(
            operator,
            "have one scale and zero point for input and output",
            (source.scale, source.zero_point, out.scale, out.zero_point),
        )
