"""Exact sums of a layer, as float32 convolutions (`parts.py`), or in float64."""

import numpy as np

from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import LayerKind, MacLayer, PoolLayer
from ...spec.requant import Requant
from .base import NUMPY, Dialect
from .graph import DOUBLE, FLOAT
from .parts import EXACT, CodePart, Split, split


def convolution(dialect: Dialect, layer: MacLayer) -> str:
    """Sums (N, Cout, H', W') of a layer: float32 where that is exact, else float64."""
    name = layer.name
    found = split(layer.levels, dialect.program.tensor_format(layer.input))
    weights = [dialect.weight(layer, part, f"{j}") for j, part in enumerate(found.weights)]
    results: list[tuple[str, int]] = []
    for i, codes in enumerate(found.codes):
        source = _digit(dialect, layer.input, codes, found)
        source, pads = _padded(dialect, layer, source, codes.of(layer.pad_codes), f"{i}")
        for j, part in enumerate(found.weights):
            output = f"{name}/sum" if found.convolutions == 1 else f"{name}/sum{i}_{j}"
            dialect.graph.add(
                "Conv", [source, weights[j]], output, type=FLOAT, kernel_shape=list(layer.kernel),
                strides=list(layer.stride), pads=pads, group=layer.groups,
            )  # fmt: skip
            results.append((output, codes.shift + part.shift))
    return results[0][0] if len(results) == 1 else _together(dialect, name, results)


def window_sum(dialect: Dialect, layer: PoolLayer) -> str:
    """Sums (N, C, H', W') of the codes in each window."""
    channels, *size = dialect.program.tensor_shape(layer.input)
    graph = dialect.graph
    if layer.taps == 1 and layer.stride == (1, 1):
        return dialect.exact(layer.input)
    if list(layer.kernel) == size:
        low, high = dialect.program.acc_bounds(layer.name)
        kind = FLOAT if max(-low, high) <= EXACT else DOUBLE
        axes = graph.constant("constant/map_axes", [2, 3], np.int64)
        return graph.add(
            "ReduceSum", [graph.cast(layer.input, kind), axes], f"{layer.name}/sum", keepdims=1
        )
    return convolution(dialect, _ones(layer, channels))


def _ones(layer: PoolLayer, channels: int) -> MacLayer:
    """A depthwise convolution with the sums of an average pooling."""
    stage = Requant(
        multiplier=np.ones(1, np.int64), bias=np.zeros(1, np.int64), shift=0,
        out=IntFormat(width=32, signed=True),
    )  # fmt: skip
    return MacLayer(
        name=layer.name, input=layer.input, kind=LayerKind.CONV, groups=channels,
        weights=np.ones((channels, 1, *layer.kernel), np.int8), weight_width=2,
        stride=layer.stride, output=stage,
    )  # fmt: skip


def _digit(dialect: Dialect, source: str, part: CodePart, whole: Split) -> str:
    """The part's digit of every code, float32; written once per tensor."""
    graph = dialect.graph
    if len(whole.codes) == 1:
        return graph.cast(source, FLOAT)
    output = f"{source}/digit{part.shift}_{part.width or 'rest'}"
    if output in graph.types:
        return output
    low = _shifted(dialect, source, part.shift)
    if part.width is not None:
        high = _shifted(dialect, source, part.shift + part.width)
        scale = graph.constant(f"constant/2^{part.width}", float(1 << part.width), np.float64)
        high = graph.add("Mul", [high, scale], f"{output}_above")
        low = graph.add("Sub", [low, high], f"{output}_double")
    return graph.cast(low, FLOAT, output)


def _shifted(dialect: Dialect, source: str, shift: int) -> str:
    """`code >> shift` as float64."""
    graph = dialect.graph
    codes, output = graph.cast(source, DOUBLE), f"{source}/shift{shift}"
    if shift == 0 or output in graph.types:
        return output if shift else codes
    scale = graph.constant(f"constant/2^-{shift}", 2.0**-shift, np.float64)
    scaled = graph.add("Mul", [codes, scale], f"{source}/scale{shift}")
    return graph.add("Floor", [scaled], output)


def _padded(
    dialect: Dialect, layer: MacLayer, source: str, codes: Int64Array, label: str
) -> tuple[str, list[int]]:
    """The source with pad codes around it, and the zero padding that is left to the convolution."""
    sides = list(layer.padding)
    if not any(sides) or not codes.any():
        return source, sides
    graph, name = dialect.graph, f"{layer.name}/pad{label}"
    top, left, bottom, right = sides
    around = [0, 0, top, left, 0, 0, bottom, right]
    pads = graph.constant(f"{layer.name}/pads", around, np.int64)
    if (codes == codes[0]).all():
        value = graph.constant(f"{name}_code", float(codes[0]))
        return graph.add("Pad", [source, pads, value], name), [0] * 4
    values = dialect.channelwise(f"{name}_codes", codes, FLOAT)  # Pad inserts one value: 0
    centred = graph.add("Sub", [source, values], f"{name}_centred")
    centred = graph.add("Pad", [centred, pads], f"{name}_around")
    return graph.add("Add", [centred, values], name), [0] * 4


def _together(dialect: Dialect, name: str, results: list[tuple[str, int]]) -> str:
    """The sum of all parts, `2^shift` times each, in float64."""
    graph, total = dialect.graph, ""
    for position, (result, shift) in enumerate(results):
        value = graph.cast(result, DOUBLE)
        if shift:
            scale = graph.constant(f"constant/2^{shift}", float(1 << shift), NUMPY[DOUBLE])
            value = graph.add("Mul", [value, scale], f"{result}_scaled")
        output = f"{name}/sum" if position == len(results) - 1 else f"{name}/total{position}"
        total = graph.add("Add", [total, value], output) if total else value
    return total
