"""Programs of well-known networks with random weights, for measuring speed.

The networks are those of `spec.networks`; weights are random codes and every output stage is
calibrated on a few random images, so that codes spread over their range as in a trained network.
Accuracy is meaningless. Speed does not depend on the values: no kernel skips zeros.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from ..spec.activation import Threshold
from ..spec.codebook import Codebook
from ..spec.formats import Int64Array, IntFormat
from ..spec.layers import (
    ConcatLayer,
    Layer,
    LayerKind,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
)
from ..spec.networks import S32, U8, Node, dilated, published
from ..spec.program import INPUT, Program, Tensor
from ..spec.requant import Requant
from .engine import run

SHIFT = 20
_PROBE = Requant(multiplier=np.ones(1, np.int64), bias=np.zeros(1, np.int64), shift=0, out=S32)


def build(name: str, *, weight_width: int = 4, act_width: int = 4, seed: int = 0) -> Program:
    """The program of the network `name` of `spec.networks.PUBLISHED`."""
    image_size, nodes = published(name)
    return random_program(
        name, (3, image_size, image_size), nodes, weight_width=weight_width, act_width=act_width,
        seed=seed,
    )  # fmt: skip


def random_program(
    name: str, input_shape: tuple[int, int, int], nodes: Sequence[Node], *, weight_width: int = 4,
    act_width: int = 4, seed: int = 0,
) -> Program:  # fmt: skip
    """A program of `nodes` on a u8 input; `name` is for its provenance."""
    made = _Maker(
        input_shape=input_shape, weight_width=weight_width, act_width=act_width, seed=seed
    )
    for node in nodes:
        made.add(node)
    return Program(
        input_shape=input_shape, input_format=U8, layers=tuple(made.layers),
        provenance={"network": name, "weights": f"random, seed {seed}"},
    )  # fmt: skip


@dataclass(kw_only=True)
class _Maker:
    """A program being made: layers, and the codes of the calibration images in each tensor."""

    input_shape: tuple[int, int, int]
    weight_width: int
    act_width: int
    seed: int
    layers: list[Layer] = field(default_factory=list)
    codes: dict[str, Int64Array] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)
        self.codes[INPUT] = self.random.integers(0, 256, (2, *self.input_shape))
        self.tensors[INPUT] = Tensor(shape=self.input_shape, format=U8)

    def add(self, node: Node) -> None:
        """The layer of one node."""
        match node.kind:
            case LayerKind.CONV | LayerKind.LINEAR:
                if node.ends:
                    self._classifier(node)
                else:
                    self._conv(node)
            case LayerKind.THRESHOLD:
                codes = self.codes[node.source]
                threshold = self._threshold(codes.reshape(1, 1, -1))  # shared by all channels
                layer = ThresholdLayer(name=node.name, input=node.source, output=threshold)
                self._append(layer, threshold.apply(codes), threshold.format)
            case LayerKind.MAX_POOL:
                self._max_pool(node)
            case LayerKind.AVG_POOL:
                self._average(node)
            case LayerKind.CONCAT:
                codes = np.concatenate([self.codes[name] for name in node.sources], axis=1)
                joined = ConcatLayer(name=node.name, inputs=node.sources)
                self._append(joined, codes, self.tensors[node.source].format)
            case LayerKind.UPSAMPLE:
                self._upsample(node)
            case _:
                assert_never(node.kind)

    def _conv(self, node: Node) -> None:
        """A convolution to threshold codes, or to a stream."""
        weights, width, codebook = self._weights(node)

        def layer(source: str, output: Threshold | Requant, skip: Skip | None) -> MacLayer:
            return MacLayer(
                name=node.name, input=source, kind=node.kind, stride=node.stride,
                padding=node.padding, groups=node.groups, weights=weights, weight_width=width,
                codebook=codebook, output=output, skip=skip,
            )  # fmt: skip

        acc = self._run(layer(INPUT, _PROBE, None), node.source)
        if node.stream is None:
            threshold = self._threshold(acc)
            codes, stage = threshold.apply(acc), threshold
            self._append(layer(node.source, stage, None), codes, stage.format)
            return
        skip = node.skip
        requant = _requant(acc, node.stream, with_skip=skip is not None)
        residual = None if skip is None else skip.read(self.codes[skip.tensor], acc.shape[1])
        codes = requant.apply(acc, residual)
        self._append(layer(node.source, requant, skip), codes, requant.format)

    def _max_pool(self, node: Node) -> None:
        def layer(source: str) -> PoolLayer:
            return PoolLayer(
                name=node.name, input=source, kind=LayerKind.MAX_POOL, kernel=node.kernel,
                stride=node.stride, padding=node.padding,
            )  # fmt: skip

        codes = self._run(layer(INPUT), node.source)
        self._append(layer(node.source), codes, self.tensors[node.source].format)

    def _upsample(self, node: Node) -> None:
        codes = self.codes[node.source]
        for axis, factor in enumerate(node.kernel, 2):
            codes = codes.repeat(factor, axis=axis)
        layer = UpsampleLayer(name=node.name, input=node.source, factor=node.kernel)
        self._append(layer, codes, self.tensors[node.source].format)

    def _average(self, node: Node) -> None:
        """An average, or a sum of two tensors; its stage is shared by all channels."""
        stride = (1, 1) if node.size == (1, 1) else node.stride

        def layer(source: str, output: Requant, skip: Skip | None) -> PoolLayer:
            return PoolLayer(
                name=node.name, input=source, kind=LayerKind.AVG_POOL, kernel=node.kernel,
                stride=stride, output=output, skip=skip,
            )  # fmt: skip

        acc = self._run(layer(INPUT, _PROBE, None), node.source)
        skip, stage = node.skip, _PROBE
        if not node.ends:
            out = node.stream or IntFormat(width=self.act_width)
            stage = _requant(acc.reshape(1, 1, -1), out, with_skip=skip is not None)
        residual = None if skip is None else skip.read(self.codes[skip.tensor], acc.shape[1])
        codes = stage.apply(acc, residual)
        self._append(layer(node.source, stage, skip), codes, stage.format)

    def _classifier(self, node: Node) -> None:
        shape = (node.channels, node.ins // node.groups, *node.kernel)
        weights = dilated(self.random.integers(-127, 128, shape), node)
        bias = self.random.integers(-1000, 1000, node.channels)
        ones = np.ones(node.channels, np.int64)
        self.layers.append(
            MacLayer(
                name=node.name, kind=node.kind, input=node.source, weights=weights,
                weight_width=8, output=Requant(multiplier=ones, bias=bias, shift=0, out=S32),
                stride=node.stride, padding=node.padding, groups=node.groups,
            )
        )  # fmt: skip

    # -- pieces ------------------------------------------------------------------------------------

    def _weights(self, node: Node) -> tuple[Int64Array, int, Codebook | None]:
        """Weights, their width, and a sign-magnitude codebook, dense near zero as learned ones are.

        The first convolution has 8-bit levels instead.
        """
        shape = (node.channels, node.ins // node.groups, *node.kernel)
        if not node.coded:
            return dilated(self.random.integers(-127, 128, shape), node), 8, None
        half = 1 << (self.weight_width - 1)
        magnitudes = np.unique(np.round(127 * (np.arange(1, half) / (half - 1)) ** 1.3).astype(int))
        levels = [0, *magnitudes.tolist(), 0, *(-magnitudes).tolist()]
        codebook = Codebook(levels=tuple(levels), width=self.weight_width)
        codes = dilated(self.random.integers(0, len(levels), shape), node)
        return codes, self.weight_width, codebook

    def _run(self, layer: MacLayer | PoolLayer, source: str) -> Int64Array:
        """Exact result of one layer, which reads `INPUT`, on the calibration codes of `source`."""
        tensor = self.tensors[source]
        program = Program(input_shape=tensor.shape, input_format=tensor.format, layers=(layer,))
        tensors = run(program, self.codes[source], "all", threads=1).tensors
        return tensors[layer.name].astype(np.int64)

    def _threshold(self, acc: Int64Array) -> Threshold:
        """Thresholds per channel (axis 1) so that about 45 % of the codes are 0."""
        count = (1 << self.act_width) - 1
        flat = _by_channel(acc)
        tau = np.quantile(flat, np.linspace(0.45, 0.995, count), axis=1).T
        tau = np.maximum(tau, flat.min(axis=1, keepdims=True) + 1)  # code 0 must occur
        return Threshold(tau=np.ceil(tau).astype(np.int64), sign=np.ones(len(tau), np.int64))

    def _append(self, layer: Layer, codes: Int64Array, fmt: IntFormat) -> None:
        self.layers.append(layer)
        self.codes[layer.name] = codes
        _, channels, height, width = codes.shape
        self.tensors[layer.name] = Tensor(shape=(channels, height, width), format=fmt)


def _requant(acc: Int64Array, out: IntFormat, *, with_skip: bool) -> Requant:
    """Sums of each channel brought to a spread of an eighth of the range of `out`."""
    flat = _by_channel(acc)
    spread = np.maximum(flat.std(axis=1), 1.0)
    scale = (out.max - out.min + 1) / 8 / spread
    multiplier = np.minimum(np.round(scale * 2**SHIFT), (1 << 23) - 1).astype(np.int64)
    bias = -np.round(multiplier * flat.mean(axis=1)).astype(np.int64)
    bias = bias if out.signed or not with_skip else bias + (1 << SHIFT)
    return Requant(
        multiplier=multiplier, bias=bias, shift=SHIFT, out=out,
        skip_multiplier=int(0.75 * 2**SHIFT) if with_skip else 0,
    )  # fmt: skip


def _by_channel(acc: Int64Array) -> Int64Array:
    return acc.swapaxes(0, 1).reshape(acc.shape[1], -1)
