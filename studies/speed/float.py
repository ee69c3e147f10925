"""The floating-point version of an integer program, for runtimes that are not exact.

Same convolutions, same shapes, same shortcuts. Thresholds and requants become ReLU, and read
activations disappear: it does *less* work than the exact program.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.layers import (
    ConcatLayer,
    LayerKind,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import INPUT, Program
from ...spec.requant import Requant


class FloatKind(StrEnum):
    """Operations of the twin."""

    CONV = "conv"
    LINEAR = "linear"
    ADD = "add"
    ADD_RELU = "add_relu"
    SHORTCUT = "shortcut"
    MAX_POOL = "max_pool"
    MEAN = "mean"


@dataclass(frozen=True, kw_only=True)
class FloatNode:
    """One node of the twin."""

    kind: FloatKind
    name: str
    inputs: tuple[str, ...]
    weight: npt.NDArray[np.float32] | None = None
    bias: npt.NDArray[np.float32] | None = None
    relu: bool = False
    stride: int = 1
    padding: int = 0
    groups: int = 1
    kernel: int = 1
    channels: tuple[int, int] = (0, 0)
    """Zero channels that a shortcut adds before and after."""


def float_twin(program: Program) -> tuple[FloatNode, ...]:
    """Nodes in order; the last one makes the logits (N, classes)."""
    alias = {INPUT: INPUT}
    nodes: list[FloatNode] = []
    for layer in program.layers:
        source = alias[layer.input]
        alias[layer.name] = layer.name
        match layer:
            case ThresholdLayer():
                alias[layer.name] = source
            case PoolLayer():
                average = layer.kind is LayerKind.AVG_POOL
                nodes.append(
                    FloatNode(
                        kind=FloatKind.MEAN if average else FloatKind.MAX_POOL,
                        name=layer.name, inputs=(source,), kernel=layer.kernel[0],
                        stride=layer.stride[0], padding=layer.padding[0],
                    )
                )  # fmt: skip
            case MacLayer():
                nodes.extend(_mac(program, layer, source, alias))
            case ConcatLayer() | UpsampleLayer():
                raise InputError(
                    f"Layer {layer.name!r} must be of a published network to be compared, "
                    f"not {layer.kind}"
                )
            case _:
                assert_never(layer)
    return tuple(nodes)


def _mac(program: Program, layer: MacLayer, source: str, alias: dict[str, str]) -> list[FloatNode]:
    linear = layer.kind is LayerKind.LINEAR
    signed = isinstance(layer.output, Requant) and layer.output.out.signed
    scale = 1.0 / (np.abs(layer.levels).max() * np.sqrt(layer.depth))
    common: dict[str, Any] = {
        "kind": FloatKind.LINEAR if linear else FloatKind.CONV, "inputs": (source,),
        "weight": (layer.levels * scale).astype(np.float32),
        "bias": np.full(layer.out_channels, 0.1, np.float32),
        "stride": layer.stride[0], "padding": layer.padding[0], "groups": layer.groups,
        "kernel": layer.kernel[0],
    }  # fmt: skip
    if layer.skip is None:
        return [FloatNode(name=layer.name, relu=not linear and not signed, **common)]
    nodes = [FloatNode(name=f"{layer.name}.sum", **common)]
    skip = alias[layer.skip.tensor]
    have, want = program.tensor_shape(layer.skip.tensor)[0], layer.out_channels
    if have != want or layer.skip.stride > 1:
        before = layer.skip.channel_offset
        nodes.append(
            FloatNode(kind=FloatKind.SHORTCUT, name=f"{layer.name}.skip", inputs=(skip,),
                      stride=layer.skip.stride, channels=(before, want - have - before))
        )  # fmt: skip
        skip = f"{layer.name}.skip"
    kind = FloatKind.ADD if signed else FloatKind.ADD_RELU
    return [*nodes, FloatNode(kind=kind, name=layer.name, inputs=(f"{layer.name}.sum", skip))]
