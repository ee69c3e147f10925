"""The integer program: a validated chain of layers with proven accumulator bounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any, assert_never

import numpy as np

from .activation import Threshold
from .coding.contents import Contents
from .errors import ContractError
from .formats import IntFormat, check_tensor_format
from .host.text import shown
from .layers import (
    MAX_LAYERS,
    ConcatLayer,
    Layer,
    LayerKind,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
)
from .requant import TOTAL_FORMAT, Requant
from .windows import MAX_SIZE, plain, positions

CONTRACT_VERSION = 2
"""The newest version: every version up to it is read and computed."""
FIRST_MULTIPLIER = IntFormat(width=24, signed=True)
"""Multipliers of version 1."""
MAX_ACC_WIDTH = 32
INPUT = "input"

Shape = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tensor:
    """Static facts of a tensor: (C, H, W) and the format of its codes."""

    shape: Shape
    format: IntFormat


@dataclass(frozen=True, kw_only=True, eq=False)
class SizedNetwork:
    """Layers, tensors and bounds of a network: what time, demands and cost are computed from."""

    layers: tuple[Layer, ...]
    tensors: dict[str, Tensor]
    bounds: dict[str, tuple[int, int]]
    """Accumulator bounds (low, high) of each layer that sums; the input range of a threshold."""

    def layer(self, name: str) -> Layer:
        """The layer called `name`."""
        if name not in self._by_name:
            raise ContractError(f"Layer must be one of the program's, not {shown(name)}")
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    def tensor_shape(self, name: str) -> Shape:
        return self.tensors[name].shape

    def tensor_format(self, name: str) -> IntFormat:
        return self.tensors[name].format

    def acc_bounds(self, name: str) -> tuple[int, int]:
        """Exact reachable (low, high) of the sums, and of any partial sum, of layer `name`."""
        return self.bounds[name]

    def acc_width(self, name: str) -> int:
        """Bits of the two's complement accumulator that holds every sum of layer `name`."""
        width = self._acc_widths.get(name)
        if width is None:
            low, high = self.bounds[name]
            width = IntFormat.holding(min(low, -1), max(high, 0)).width
            self._acc_widths[name] = width
        return width

    @cached_property
    def _acc_widths(self) -> dict[str, int]:
        """By layer; filled one by one, because construction already asks for them."""
        return {}

    def macs(self, name: str) -> int:
        """Multiply-accumulates per image; 0 for layers without weights."""
        layer = self.layer(name)
        if not isinstance(layer, MacLayer):
            return 0
        return prod(self.tensor_shape(name)) * layer.depth

    @property
    def mac_layers(self) -> tuple[MacLayer, ...]:
        """The layers that have weights, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, MacLayer))

    @property
    def average_weight_bits(self) -> float:
        """Parameter-weighted mean weight_width of the layers that have a codebook."""
        hidden = [layer for layer in self.mac_layers if layer.codebook is not None]
        count = sum(x.weights.size for x in hidden)
        bits = sum(x.weights.size * x.weight_width for x in hidden)
        return bits / count if count else float("nan")


@dataclass(frozen=True, kw_only=True, eq=False)
class Program(SizedNetwork):
    """An integer network. Construction proves shapes, formats and the absence of overflow.

    Each layer makes one tensor, named like the layer; `"input"` is the program's input
    (N, C, H, W). The last layer's tensor is the result (the logits of a classifier).
    """

    input_shape: Shape
    input_format: IntFormat
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """JSON data: where the program comes from; not part of what it computes, nor of its digest."""

    tensors: dict[str, Tensor] = field(init=False)
    bounds: dict[str, tuple[int, int]] = field(init=False)

    def __post_init__(self) -> None:
        _check_input(self.input_shape, self.input_format)
        if not 1 <= len(self.layers) <= MAX_LAYERS:
            raise ContractError(f"Program must have 1..{MAX_LAYERS} layers, not {len(self.layers)}")
        object.__setattr__(
            self, "tensors", {INPUT: Tensor(shape=self.input_shape, format=self.input_format)}
        )
        object.__setattr__(self, "bounds", {})
        for layer in self.layers:
            if layer.name in self.tensors:
                raise ContractError(f"Layer name must be new, not {layer.name!r}")
            source = self._source(layer, layer.input)
            match layer:
                case MacLayer():
                    self.tensors[layer.name] = self._mac(layer, source)
                case ThresholdLayer():
                    self.tensors[layer.name] = self._threshold(layer, source)
                case PoolLayer():
                    self.tensors[layer.name] = self._pool(layer, source)
                case ConcatLayer():
                    self.tensors[layer.name] = self._concat(layer)
                case UpsampleLayer():
                    self.tensors[layer.name] = self._upsample(layer, source)
                case _:
                    assert_never(layer)

    @cached_property
    def version(self) -> int:
        """The lowest contract version that has all that the program uses: that of its file."""
        return 2 if any(_is_second(layer) for layer in self.layers) else 1

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what the program computes; provenance does not take part."""
        return self.contents().digest

    def contents(self) -> Contents:
        """Header and tensors of what the program computes: the bytes that are hashed and filed."""
        return Contents.of(self.version, self.input_shape, self.input_format, self.layers)

    # -- proofs ----------------------------------------------------------------------------------

    def _source(self, layer: Layer, name: str) -> Tensor:
        if name not in self.tensors:
            raise ContractError(
                f"Layer {layer.name!r}: tensor must be made by an earlier layer, not {shown(name)}"
            )
        return self.tensors[name]

    def _mac(self, layer: MacLayer, source: Tensor) -> Tensor:
        where = f"Layer {layer.name!r}"
        if source.shape[0] != layer.in_channels:
            raise ContractError(
                f"{where}: input must have {layer.in_channels} channels, not {source.shape[0]}"
            )
        if layer.kind is LayerKind.LINEAR and source.shape[1:] != (1, 1):
            raise ContractError(f"{where}: input must be (C, 1, 1), not {source.shape}")
        source.format.check(layer.pad_codes, f"{where}: pad_codes")
        height, width = positions(
            where, source.shape[1:], layer.kernel, layer.stride, layer.padding
        )
        out = layer.out_channels, height, width
        self.bounds[layer.name] = _sum_bounds(layer, source.format)
        self._accumulator_fits(where, layer.name)
        return self._output(where, layer.name, layer.output, out, layer.skip)

    def _threshold(self, layer: ThresholdLayer, source: Tensor) -> Tensor:
        self.bounds[layer.name] = (source.format.min, source.format.max)
        return self._output(f"Layer {layer.name!r}", layer.name, layer.output, source.shape, None)

    def _pool(self, layer: PoolLayer, source: Tensor) -> Tensor:
        where = f"Layer {layer.name!r}"
        height, width = positions(
            where, source.shape[1:], layer.kernel, layer.stride, layer.padding
        )
        out = source.shape[0], height, width
        if layer.output is None:
            self.bounds[layer.name] = (source.format.min, source.format.max)
            return Tensor(shape=out, format=source.format)
        count = layer.taps
        self.bounds[layer.name] = (source.format.min * count, source.format.max * count)
        self._accumulator_fits(where, layer.name)
        return self._output(where, layer.name, layer.output, out, layer.skip)

    def _concat(self, layer: ConcatLayer) -> Tensor:
        where = f"Layer {layer.name!r}"
        parts = [self._source(layer, name) for name in layer.inputs]
        first = parts[0]
        for name, part in zip(layer.inputs, parts, strict=True):
            if (part.format, part.shape[1:]) != (first.format, first.shape[1:]):
                raise ContractError(
                    f"{where}: tensor {name!r} must be {first.format.name} on {first.shape[1:]} "
                    f"like {layer.input!r}, not {part.format.name} on {part.shape[1:]}"
                )
        channels = sum(part.shape[0] for part in parts)
        if channels > MAX_SIZE:
            raise ContractError(f"{where}: channels must be at most {MAX_SIZE}, not {channels}")
        self.bounds[layer.name] = (first.format.min, first.format.max)
        return Tensor(shape=(channels, *first.shape[1:]), format=first.format)

    def _upsample(self, layer: UpsampleLayer, source: Tensor) -> Tensor:
        channels, height, width = source.shape
        shape = channels, height * layer.factor[0], width * layer.factor[1]
        if max(shape[1:]) > MAX_SIZE:
            raise ContractError(
                f"Layer {layer.name!r}: map must be at most {MAX_SIZE} wide, not {max(shape[1:])}"
            )
        self.bounds[layer.name] = (source.format.min, source.format.max)
        return Tensor(shape=shape, format=source.format)

    def _accumulator_fits(self, where: str, name: str) -> None:
        if self.acc_width(name) > MAX_ACC_WIDTH:
            low, high = self.bounds[name]
            raise ContractError(
                f"{where}: accumulator must fit {MAX_ACC_WIDTH} bits, "
                f"not {self.acc_width(name)} (its sums reach {low}..{high})"
            )

    def _output(
        self, where: str, name: str, output: Threshold | Requant, shape: Shape, skip: Skip | None
    ) -> Tensor:
        if output.channels not in (1, shape[0]):
            raise ContractError(
                f"{where}: output stage must have 1 or {shape[0]} channels, not {output.channels}"
            )
        match output:
            case Threshold():
                limit = IntFormat(width=self.acc_width(name) + 1, signed=True)
                limit.check(output.tau, f"{where}: threshold")
            case Requant():
                skip_range = self._skip_range(where, shape, skip) if skip else (0, 0)
                low, high = output.total_bounds(self.bounds[name], skip_range)
                if not TOTAL_FORMAT.contains(low, high):
                    raise ContractError(
                        f"{where}: requant sum must fit {TOTAL_FORMAT.name}, "
                        f"not reach {low}..{high}"
                    )
            case _:
                assert_never(output)
        return Tensor(shape=shape, format=output.format)

    def _skip_range(self, where: str, shape: Shape, skip: Skip) -> tuple[int, int]:
        if skip.tensor not in self.tensors:
            raise ContractError(
                f"{where}: skip must be made by an earlier layer, not {shown(skip.tensor)}"
            )
        source = self.tensors[skip.tensor]
        taken = tuple((size + skip.stride - 1) // skip.stride for size in source.shape[1:])
        if taken != shape[1:] or source.shape[0] + skip.channel_offset > shape[0]:
            raise ContractError(
                f"{where}: skip must give a map of at most {shape}, not "
                f"{(source.shape[0] + skip.channel_offset, *taken)}"
            )
        return source.format.min, source.format.max


def _check_input(shape: Shape, fmt: IntFormat) -> None:
    sizes = tuple(shape)
    if len(sizes) != 3 or not all(type(x) is int and 1 <= x <= MAX_SIZE for x in sizes):
        raise ContractError(
            f"Program input must be (C, H, W), each an integer in 1..{MAX_SIZE}, not {shown(sizes)}"
        )
    check_tensor_format(fmt, "Program input format")


def _sum_bounds(layer: MacLayer, fmt: IntFormat) -> tuple[int, int]:
    """(low, high) of the sums, and of all partial sums since both formats contain 0.

    Levels have 16 bits, so their own sums fit int64 whatever fits memory; the products with codes
    need not, and are made in Python integers.
    """
    flat = layer.levels.reshape(layer.out_channels, -1)
    positive = np.maximum(flat, 0).sum(axis=1).tolist()
    negative = np.minimum(flat, 0).sum(axis=1).tolist()
    pairs = list(zip(positive, negative, strict=True))
    low = min(up * fmt.min + down * fmt.max for up, down in pairs)
    high = max(up * fmt.max + down * fmt.min for up, down in pairs)
    return low, high


def _is_second(layer: Layer) -> bool:
    """Whether the layer needs version 2 of the contract."""
    match layer:
        case ConcatLayer() | UpsampleLayer():
            return True
        case MacLayer() | PoolLayer():
            window = [layer.stride, layer.padding]
            if isinstance(layer, PoolLayer):
                window.append(layer.kernel)
                if layer.skip is not None:
                    return True
            return None in map(plain, window) or _is_wide(layer.output)
        case ThresholdLayer():
            return False
        case _:
            assert_never(layer)


def _is_wide(output: Threshold | Requant | None) -> bool:
    """Whether a multiplier is wider than those of version 1."""
    if not isinstance(output, Requant):
        return False
    low, high = int(output.multiplier.min()), int(output.multiplier.max())
    return not FIRST_MULTIPLIER.contains(low, high)
