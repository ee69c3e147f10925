"""A program as a model: one pass over its layers, in the dialect that is given."""

from collections.abc import Sequence
from typing import Any, assert_never

import numpy as np

from ...spec.activation import Threshold
from ...spec.host.limits import demand
from ...spec.layers import ConcatLayer, Layer, MacLayer, PoolLayer, ThresholdLayer, UpsampleLayer
from ...spec.program import INPUT
from ...spec.requant import Requant
from . import DIGEST_KEY, stages, sums
from .base import Dialect
from .graph import DOUBLE, I32

WORKING = 32
"""Bytes per weight while a layer is written: its digits in int64, and what finds them."""


def model(dialect: Dialect, *, domains: Sequence[str] = (), functions: Sequence[Any] = ()) -> Any:
    """The model of the dialect's program, from `input` to its result as (N, classes)."""
    program, graph = dialect.program, dialect.graph
    most = max((layer.weights.size for layer in program.mac_layers), default=0)
    demand(WORKING * most, "Weights of the largest layer, being written,")
    for name in program.tensors:
        graph.types[name] = dialect.code_type(name)
    for layer in program.layers:
        _layer(dialect, layer)
    shapes = {n: [dialect.batch, *program.tensor_shape(n)] for n in program.tensors}
    graph.values += [graph.declare(n, shape) for n, shape in shapes.items() if n != INPUT]
    last = program.layers[-1].name
    size = int(np.prod(program.tensor_shape(last)))
    result = dialect.result(last, "logits" if "logits" not in program.tensors else "logits/flat")
    return graph.model(
        {INPUT: shapes[INPUT]}, {result: [dialect.batch, size]}, domains=domains,
        functions=functions,
        facts={DIGEST_KEY: program.digest, "adqhw_input_format": program.input_format.name},
    )  # fmt: skip


def _layer(dialect: Dialect, layer: Layer) -> None:
    name, graph = layer.name, dialect.graph
    match layer:
        case MacLayer():
            _stage(dialect, layer, sums.convolution(dialect, layer), layer.output)
        case ThresholdLayer():
            dialect.read(name, layer.input, layer.output)
        case PoolLayer() if layer.output is None:
            _max_pool(dialect, layer)
        case PoolLayer():
            assert layer.output is not None
            _stage(dialect, layer, sums.window_sum(dialect, layer), layer.output)
        case ConcatLayer():
            graph.add("Concat", list(layer.inputs), name, axis=1)
        case UpsampleLayer():
            scales = graph.constant(f"{name}/scales", [1, 1, *layer.factor])
            graph.add(
                "Resize", [layer.input, "", scales], name, mode="nearest",
                coordinate_transformation_mode="asymmetric", nearest_mode="floor",
            )  # fmt: skip
        case _:
            assert_never(layer)


def _stage(
    dialect: Dialect, layer: MacLayer | PoolLayer, acc: str, output: Threshold | Requant
) -> None:
    match output:
        case Threshold():
            bounds = dialect.program.acc_bounds(layer.name)
            dialect.thresholds(layer.name, acc, output, bounds)
        case Requant():
            stages.requant(dialect, layer, acc, output, layer.skip)
        case _:
            assert_never(output)


def _max_pool(dialect: Dialect, layer: PoolLayer) -> None:
    """ONNX Runtime has no MaxPool of int32: those codes are compared in float64."""
    graph, name = dialect.graph, layer.name
    fields: dict[str, Any] = {
        "kernel_shape": list(layer.kernel), "strides": list(layer.stride),
        "pads": list(layer.padding),
    }  # fmt: skip
    kind = graph.types[layer.input]
    if kind != I32:
        graph.add("MaxPool", [layer.input], name, **fields)
        return
    codes = graph.cast(layer.input, DOUBLE)
    largest = graph.add("MaxPool", [codes], f"{name}/max", **fields)
    graph.cast(largest, kind, name)
