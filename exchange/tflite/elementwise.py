"""ADD, activations as operators of their own, and QUANTIZE."""

import numpy as np

from ...spec.formats import Int64Array
from ..addition import Summed
from ..builder import Codes
from ..draft import FileFunction
from ..imported import Quantization
from . import curves
from .arithmetic import RELU, RELU6, RELU_N1_TO_1, Multiplier, activation_range, round_away
from .file import FileOperator
from .walk import Walk, quantization

_ADD_SHIFT = 20


def add(walk: Walk, operator: FileOperator) -> None:
    """Operands on a common scale with 20 more bits, added, rescaled."""
    first, second = walk.source(operator, 0), walk.source(operator, 1)
    out = quantization(walk.result(operator))
    a, b = first.quantization, second.quantization
    if a.format != b.format or a.format != out.format:
        raise walk.refuse(operator, "have operands of the result's type", a.format.name)
    function = addition(a, b, out)
    name = walk.result(operator).name
    made = walk.draft.add(name, first, second, function, out)
    walk.made(operator, clamp(walk, operator, made))


def addition(a: Quantization, b: Quantization, out: Quantization) -> Summed:
    """The kernel's function of two codes, without a fused activation."""
    twice = 2 * max(a.scale, b.scale)
    scale_a, scale_b = Multiplier.of(a.scale / twice), Multiplier.of(b.scale / twice)
    rescale = Multiplier.of(twice / ((1 << _ADD_SHIFT) * out.scale))

    def total(sums: Int64Array) -> Int64Array:
        flat = rescale.times(sums.reshape(1, -1)).reshape(sums.shape) + out.zero_point
        return np.clip(flat, out.format.min, out.format.max)

    return Summed(
        first=lambda x: scale_a.times((x - a.zero_point)[None] << _ADD_SHIFT)[0],
        second=lambda y: scale_b.times((y - b.zero_point)[None] << _ADD_SHIFT)[0],
        total=total,
    )


def relu(walk: Walk, operator: FileOperator) -> None:
    """RELU, RELU6 and RELU_N1_TO_1: rescaled, then clamped."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    kind = {"RELU": RELU, "RELU6": RELU6, "RELU_N1_TO_1": RELU_N1_TO_1}[operator.name]
    least, most = activation_range(kind, out.format, out.scale, out.zero_point)
    multiplier = Multiplier.of(_ratio(walk, source.quantization.scale, 1.0, out.scale))
    zero = source.quantization.zero_point

    def function(codes: Int64Array) -> Int64Array:
        return np.clip(multiplier.times(codes - zero) + out.zero_point, least, most)

    def only_clamped(codes: Int64Array) -> Int64Array:
        quantized = source.quantization
        low, high = activation_range(kind, out.format, quantized.scale, quantized.zero_point)
        return np.clip(codes, low, high)

    if walk.micro and kind == RELU6:  # as if both tensors had one scale
        function = only_clamped
    _elementwise(walk, operator, source, function, out)


def leaky_relu(walk: Walk, operator: FileOperator) -> None:
    """Two multipliers, by the sign of the real value."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    zero, scale = source.quantization.zero_point, source.quantization.scale
    above = Multiplier.of(_ratio(walk, scale, 1.0, out.scale))
    below = Multiplier.of(_ratio(walk, scale, operator.options["Alpha"], out.scale))

    def function(codes: Int64Array) -> Int64Array:
        x = codes - zero
        scaled = np.where(x >= 0, above.times(x), below.times(x)) + out.zero_point
        return np.clip(scaled, out.format.min, out.format.max)

    _elementwise(walk, operator, source, function, out)


def _ratio(walk: Walk, scale: float, factor: float, out: float) -> float:
    """`scale * factor / out`: in float32 by LiteRT, in double by TFLite-Micro."""
    if walk.micro:
        return scale * factor / out
    return float(np.float32(scale) * np.float32(factor) / np.float32(out))


def logistic(walk: Walk, operator: FileOperator) -> None:
    """LiteRT: a table in float32. TFLite-Micro: fixed point."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    scale, zero = np.float32(source.quantization.scale), source.quantization.zero_point
    inverse = np.float32(1) / np.float32(out.scale)
    if walk.micro and (out.zero_point != -128 or out.scale != 1 / 256):
        raise walk.refuse(
            operator, "make codes of scale 1/256, zero point -128", (out.scale, out.zero_point)
        )

    def table(codes: Int64Array) -> Int64Array:
        real = (scale * (codes - zero).astype(np.float32)).astype(np.float64)
        # to the last bit as expf; beyond 88.7 float32 ends, where the code is the lowest anyway
        power = np.exp(np.minimum(-real, 88.7)).astype(np.float32)
        value = np.float32(1) / (np.float32(1) + power)
        rounded = round_away(value * inverse).astype(np.int64) + out.zero_point
        return np.clip(rounded, out.format.min, out.format.max)

    def fixed(codes: Int64Array) -> Int64Array:
        return curves.logistic_fixed_point(codes - zero, float(scale))

    _elementwise(walk, operator, source, fixed if walk.micro else table, out)


def hard_swish(walk: Walk, operator: FileOperator) -> None:
    """Fixed point of 16 bits: falls, then rises."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    if source.quantization.scale / 128 >= out.scale:
        raise walk.refuse(operator, "have an output scale above input scale / 128", out.scale)
    zero = source.quantization.zero_point

    def function(codes: Int64Array) -> Int64Array:
        return curves.hard_swish(codes - zero, source.quantization, out)

    _elementwise(walk, operator, source, function, out)


def quantize(walk: Walk, operator: FileOperator) -> None:
    """From float at the input: the program begins behind it. Else codes are rescaled."""
    source, result = walk.source(operator), walk.result(operator)
    out = quantization(result)
    if walk.operand(operator, 0).type == "FLOAT32":
        walk.codes[result.index] = source
        walk.dropped.append(f"{operator} at the input: encode() quantizes as it does")
        return
    _elementwise(walk, operator, source, rescaling(source.quantization, out), out)


def rescaling(source: Quantization, out: Quantization) -> FileFunction:
    """QUANTIZE's function of codes."""
    multiplier = Multiplier.of(source.scale / out.scale)

    def function(codes: Int64Array) -> Int64Array:
        scaled = multiplier.times(codes - source.zero_point) + out.zero_point
        return np.clip(scaled, out.format.min, out.format.max)

    return function


def at_the_end(walk: Walk, operator: FileOperator) -> None:
    """SOFTMAX and DEQUANTIZE: the program's result is what they read."""
    conversions = ("SOFTMAX", "DEQUANTIZE", "QUANTIZE")
    rest = [later.name for later in walk.graph.operators[operator.index + 1 :]]
    if any(name not in conversions for name in rest):
        raise walk.refuse(operator, f"stand at the end, before {' or '.join(conversions)}", rest)
    walk.ended = True
    walk.drop(operator)


def shape_arithmetic(walk: Walk, operator: FileOperator) -> None:
    """SHAPE, STRIDED_SLICE and PACK make the shape of a RESHAPE, which its result has anyway."""
    result = walk.result(operator)
    readers = {reader.name for reader in walk.readers(result.index)}
    if result.type != "INT32" or not readers <= {"STRIDED_SLICE", "PACK", "RESHAPE"}:
        raise walk.refuse(operator, "make the shape of a RESHAPE", sorted(readers))


def prelu(walk: Walk, operator: FileOperator) -> None:
    """A slope per channel below zero."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    slopes = walk.operand(operator, 1)
    alpha = quantization(slopes)
    steps = walk.constant(operator, 1, slopes.type).astype(np.int64)
    if steps.size not in (1, source.shape[0]) or steps.size != steps.shape[-1]:
        raise walk.refuse(operator, f"have 1 or {source.shape[0]} slopes", steps.shape)
    scale, zero = source.quantization.scale, source.quantization.zero_point
    above = Multiplier.of(_ratio(walk, scale, 1.0, out.scale))
    below = Multiplier.of(_ratio(walk, scale, alpha.scale, out.scale))
    slope = steps.reshape(-1, 1) - alpha.zero_point

    def function(codes: Int64Array) -> Int64Array:
        x = codes - zero
        scaled = np.where(x >= 0, above.times(x), below.times(x * slope)) + out.zero_point
        return np.clip(scaled, out.format.min, out.format.max)

    _elementwise(walk, operator, source, function, out)


def clamp(walk: Walk, operator: FileOperator, codes: Codes) -> Codes:
    """`codes` after the operator's fused activation."""
    out = codes.quantization
    activation = operator.options["FusedActivationFunction"]
    least, most = activation_range(activation, out.format, out.scale, out.zero_point)
    if (least, most) == (out.format.min, out.format.max):
        return codes
    name = f"{walk.result(operator).name}.clamped"
    return walk.draft.elementwise(name, codes, lambda x: np.clip(x, least, most), out)


def _elementwise(
    walk: Walk,
    operator: FileOperator,
    source: Codes,
    function: FileFunction,
    out: Quantization,
) -> None:
    name = walk.result(operator).name
    walk.made(operator, walk.draft.elementwise(name, source, function, out))
