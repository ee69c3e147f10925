"""Published networks as networks that can be costed: every tensor connected, widths assumed.

The nodes are those of `spec.networks`; no weight exists. Hidden layers have codes of `weight_bits`
and a codebook of 8-bit levels, the first and the last one levels of 8 bits. What nodes do not make
as 8-bit streams is read through thresholds of `act_bits`.
"""

from dataclasses import dataclass
from typing import assert_never

import numpy as np

from ...spec.activation import Threshold
from ...spec.codebook import Codebook
from ...spec.formats import IntFormat
from ...spec.layers import ConcatLayer, Layer, LayerKind, PoolLayer, ThresholdLayer, UpsampleLayer
from ...spec.networks import U8, Node, published
from ...spec.program import INPUT, SizedNetwork, Tensor
from ...spec.requant import Requant
from ..events.weight_facts import AssumedLayer, WeightFacts
from .assumed import LEVEL_WIDTH, Assumptions

MULTIPLIER, BIAS, SHIFT, SKIP_MULTIPLIER = (1 << 23) - 1, (1 << 37) - 1, 29, (1 << 28) - 1
"""Of the widths that the committed ResNet-20 programs have: 24, 38 and 29 bits."""


def published_network(name: str, assumed: Assumptions) -> SizedNetwork:
    """The network `name` of `spec.networks.PUBLISHED` on one u8 image of three channels."""
    image_size, nodes = published(name)
    maker = _Maker(assumed=assumed, tensors={}, bounds={})
    maker.tensors[INPUT] = Tensor(shape=(3, image_size, image_size), format=U8)
    return SizedNetwork(
        layers=tuple(maker.layer(node) for node in nodes),
        tensors=maker.tensors,
        bounds=maker.bounds,
    )


@dataclass(frozen=True, kw_only=True)
class _Maker:
    """Layers in order, and the tensors and bounds that they have."""

    assumed: Assumptions
    tensors: dict[str, Tensor]
    bounds: dict[str, tuple[int, int]]

    def layer(self, node: Node) -> Layer:
        source = self.tensors[node.source].format
        layer, made = self._made(node, source)
        self.tensors[node.name] = Tensor(shape=(node.channels, *node.size), format=made)
        terms, top = node.weights // node.channels, max(abs(source.min), source.max)
        level = 1 << (LEVEL_WIDTH - 1)
        if node.kind is LayerKind.AVG_POOL:
            terms, level = layer.taps, 1
        elif not node.weighted:
            terms, level = 1, 1
        self.bounds[node.name] = (-terms * top * level, terms * top * level)
        return layer

    def _made(self, node: Node, source: IntFormat) -> tuple[Layer, IntFormat]:
        match node.kind:
            case LayerKind.CONV | LayerKind.LINEAR:
                output = self._stage(node)
                return self._weighted(node, output), output.format
            case LayerKind.THRESHOLD:
                threshold = self._threshold(1)
                layer = ThresholdLayer(name=node.name, input=node.source, output=threshold)
                return layer, threshold.format
            case LayerKind.MAX_POOL:
                return _pool(node, None), source
            case LayerKind.AVG_POOL:
                requant = _requant(1, node.stream or U8, skip=node.skip is not None)
                return _pool(node, requant), requant.out
            case LayerKind.CONCAT:
                return ConcatLayer(name=node.name, inputs=node.sources), source
            case LayerKind.UPSAMPLE:
                return UpsampleLayer(name=node.name, input=node.source, factor=node.kernel), source
            case _:
                assert_never(node.kind)

    def _weighted(self, node: Node, output: Threshold | Requant) -> AssumedLayer:
        shape = (node.channels, node.ins // node.groups, *node.kernel)
        width = self.assumed.weight_bits if node.coded else LEVEL_WIDTH
        zeros = node.weights >> width
        ones = node.weights * LEVEL_WIDTH // 2
        return AssumedLayer(
            name=node.name, input=node.source, kind=node.kind, stride=node.stride,
            padding=node.padding, groups=node.groups, skip=node.skip, output=output,
            weights=np.broadcast_to(np.int8(0), shape), weight_width=width,
            codebook=_codebook(width) if node.coded else None,
            facts=WeightFacts(zero_fields=zeros, zero_levels=zeros, level_ones=ones, factor=1),
        )  # fmt: skip

    def _stage(self, node: Node) -> Threshold | Requant:
        if node.stream is None:
            return self._threshold(node.channels)
        return _requant(node.channels, node.stream, skip=node.skip is not None)

    def _threshold(self, channels: int) -> Threshold:
        steps = np.arange((1 << self.assumed.act_bits) - 1)
        tau = np.broadcast_to(steps, (channels, len(steps)))
        return Threshold(tau=tau, sign=np.ones(channels, np.int64))


def _pool(node: Node, output: Requant | None) -> PoolLayer:
    return PoolLayer(
        name=node.name,
        input=node.source,
        kind=node.kind,
        kernel=node.kernel,
        stride=node.stride,
        padding=node.padding,
        output=output,
        skip=node.skip,
    )


def _requant(channels: int, out: IntFormat, *, skip: bool) -> Requant:
    return Requant(
        multiplier=np.full(channels, MULTIPLIER),
        bias=np.full(channels, BIAS),
        shift=SHIFT,
        out=out,
        skip_multiplier=SKIP_MULTIPLIER if skip else 0,
    )


def _codebook(width: int) -> Codebook:
    half = 1 << (LEVEL_WIDTH - 1)
    step = (2 * half) >> width
    levels = [0, *(v for v in range(-half, half, step) if v)][: 1 << width]
    return Codebook(levels=tuple(levels), width=width)
