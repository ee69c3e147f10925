"""ADD, activations as operators of their own, and QUANTIZE."""

import numpy as np

from adqhw.exchange.addition import Summed
from adqhw.exchange.draft import Codes, FileFunction
from adqhw.exchange.imported import Quantization
from adqhw.spec.formats import Int64Array

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
    twice = 2 * max(a.scale, b.scale)
    scale_a, scale_b = Multiplier.of(a.scale / twice), Multiplier.of(b.scale / twice)
    rescale = Multiplier.of(twice / ((1 << _ADD_SHIFT) * out.scale))

    def total(sums: Int64Array) -> Int64Array:
        flat = rescale.times(sums.reshape(1, -1)).reshape(sums.shape) + out.zero_point
        return np.clip(flat, out.format.min, out.format.max)

    function = Summed(
        first=lambda x: scale_a.times((x - a.zero_point)[None] << _ADD_SHIFT)[0],
        second=lambda y: scale_b.times((y - b.zero_point)[None] << _ADD_SHIFT)[0],
        total=total,
    )
    name = walk.result(operator).name
    made = walk.draft.add(name, first, second, function, out)
    walk.made(operator, clamp(walk, operator, made))


def relu(walk: Walk, operator: FileOperator) -> None:
    """RELU, RELU6 and RELU_N1_TO_1: rescaled, then clamped."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    kind = {"RELU": RELU, "RELU6": RELU6, "RELU_N1_TO_1": RELU_N1_TO_1}[operator.name]
    least, most = activation_range(kind, out.format, out.scale, out.zero_point)
    ratio = np.float32(source.quantization.scale) / np.float32(out.scale)
    multiplier, zero = Multiplier.of(float(ratio)), source.quantization.zero_point

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
    zero, scale = source.quantization.zero_point, np.float32(source.quantization.scale)
    alpha = np.float32(operator.options["Alpha"])
    above = Multiplier.of(float(scale / np.float32(out.scale)))
    below = Multiplier.of(float(scale * alpha / np.float32(out.scale)))

    def function(codes: Int64Array) -> Int64Array:
        x = codes - zero
        scaled = np.where(x >= 0, above.times(x), below.times(x)) + out.zero_point
        return np.clip(scaled, out.format.min, out.format.max)

    _elementwise(walk, operator, source, function, out)


def logistic(walk: Walk, operator: FileOperator) -> None:
    """A table in float32."""
    source, out = walk.source(operator), quantization(walk.result(operator))
    if walk.micro:
        raise walk.refuse(operator, "be read as tflite-reference", walk.dialect)
    scale, zero = np.float32(source.quantization.scale), source.quantization.zero_point
    inverse = np.float32(1) / np.float32(out.scale)

    def function(codes: Int64Array) -> Int64Array:
        real = scale * (codes - zero).astype(np.float32)
        # to the last bit as expf; beyond 88.7 float32 ends, where the code is the lowest anyway
        power = np.exp(np.minimum(-real.astype(np.float64), 88.7)).astype(np.float32)
        value = np.float32(1) / (np.float32(1) + power)
        rounded = round_away(value * inverse).astype(np.int64) + out.zero_point
        return np.clip(rounded, out.format.min, out.format.max)

    _elementwise(walk, operator, source, function, out)


def quantize(walk: Walk, operator: FileOperator) -> None:
    """From float at the input: the program begins behind it. Else codes are rescaled."""
    source, result = walk.source(operator), walk.result(operator)
    out = quantization(result)
    if walk.operand(operator, 0).type == "FLOAT32":
        walk.codes[result.index] = source
        walk.dropped.append(f"{operator} at the input: encode() quantizes as it does")
        return
    multiplier, zero = Multiplier.of(source.quantization.scale / out.scale), source.quantization

    def function(codes: Int64Array) -> Int64Array:
        scaled = multiplier.times(codes - zero.zero_point) + out.zero_point
        return np.clip(scaled, out.format.min, out.format.max)

    _elementwise(walk, operator, source, function, out)


def at_the_end(walk: Walk, operator: FileOperator) -> None:
    """SOFTMAX and DEQUANTIZE: the program's result is what they read."""
    source, result = walk.source(operator), walk.result(operator)
    last = len(walk.graph.operators) - 1
    rest = walk.graph.operators[operator.index + 1 :]
    if any(later.name not in ("SOFTMAX", "DEQUANTIZE") for later in rest):
        raise walk.refuse(operator, f"stand at the end (operator {last})", operator.index)
    walk.codes[result.index] = source
    walk.dropped.append(f"{operator} at the end: the program's result is its input")


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
