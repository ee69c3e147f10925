"""Layers of a program from what a file says: sums first, their output stage when it is known.

In a file a convolution and its rescaling are several nodes; in a program they are one layer. So a
convolution gives a `Sum`, which becomes a layer when a stage is chosen for it (`Emitter.finish`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np

from ...spec.activation import Threshold
from ...spec.errors import InputError
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import (
    ConcatLayer,
    Layer,
    LayerKind,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import INPUT
from ...spec.requant import Requant
from ..builder import legal_name, level_width, sum_bounds
from .layout import Edges, Map

LEVEL = IntFormat(width=16, signed=True)
Pair = tuple[int, int]
Stage = Requant | Threshold


@dataclass(frozen=True, kw_only=True, eq=False)
class Codes:
    """A tensor of the program: its map (C, H, W) and the range of its codes."""

    name: str
    shape: Map
    format: IntFormat

    @property
    def channels(self) -> int:
        return self.shape[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sum:
    """Sums (C, H, W) that await their output stage, with the range of each channel (C,)."""

    shape: Map
    low: Int64Array
    high: Int64Array
    make: Callable[[str, Stage, Skip | None], Layer]

    @property
    def channels(self) -> int:
        return self.shape[0]


class Emitter:
    """Layers of a program in the making, in the order in which they can run."""

    def __init__(self) -> None:
        self.layers: list[Layer] = []
        self._taken = {INPUT}

    @property
    def last(self) -> str:
        """Name of the layer that was added last; empty before the first."""
        return self.layers[-1].name if self.layers else ""

    def finish(self, total: Sum, stage: Stage, label: str, skip: Skip | None = None) -> Codes:
        """The layer that ends `total` in `stage`, and its tensor. label: a name from the file."""
        return self._add(total.make(self._name(label), stage, skip), total.shape, stage.format)

    def max_pool(
        self, source: Codes, kernel: Pair, stride: Pair, padding: Edges, label: str
    ) -> Codes:
        """The largest code of each window."""
        out = out_size(source.shape, kernel, stride, padding, label)
        layer = PoolLayer(
            name=self._name(label), input=source.name, kind=LayerKind.MAX_POOL, kernel=kernel,
            stride=stride, padding=padding,
        )  # fmt: skip
        return self._add(layer, (source.channels, *out), source.format)

    def concat(self, sources: list[Codes], label: str) -> Codes:
        """Channels of tensors of one format, one after the other."""
        layer = ConcatLayer(name=self._name(label), inputs=tuple(x.name for x in sources))
        channels = sum(x.channels for x in sources)
        return self._add(layer, (channels, *sources[0].shape[1:]), sources[0].format)

    def upsample(self, source: Codes, factor: Pair, label: str) -> Codes:
        """Nearest neighbour by integer factors."""
        layer = UpsampleLayer(name=self._name(label), input=source.name, factor=factor)
        channels, height, width = source.shape
        return self._add(layer, (channels, height * factor[0], width * factor[1]), source.format)

    def _add(self, layer: Layer, shape: Map, form: IntFormat) -> Codes:
        self.layers.append(layer)
        return Codes(name=layer.name, shape=shape, format=form)

    def _name(self, label: str) -> str:
        """A legal layer name that is not taken, made of a name of the file."""
        base = legal_name(label)
        name, count = base, 1
        while name in self._taken:
            count += 1
            name = f"{base}_{count}"
        self._taken.add(name)
        return name


def convolution(
    source: Codes, levels: Int64Array, *, stride: Pair = (1, 1), padding: Edges = (0, 0, 0, 0),
    groups: int = 1, pad_code: int = 0, label: str,
) -> Sum:  # fmt: skip
    """Sums of levels (Cout, Cin/groups, kh, kw) times the codes of `source`.

    pad_code: the code that padding inserts. label: the node, for messages.
    """
    if not LEVEL.contains(int(levels.min()), int(levels.max())):
        raise InputError(
            f"{label}: weights must be integers of at most 16 bits, "
            f"not {levels.min()}..{levels.max()}"
        )
    out = out_size(source.shape, (levels.shape[2], levels.shape[3]), stride, padding, label)
    width = level_width(levels)
    flat = levels.shape[2:] == source.shape[1:] == (1, 1) and groups == 1 and not any(padding)
    pads = np.full(source.channels, pad_code, np.int64)

    def make(name: str, stage: Stage, skip: Skip | None) -> Layer:
        return MacLayer(
            name=name, input=source.name, weights=levels, weight_width=width, output=stage,
            kind=LayerKind.LINEAR if flat else LayerKind.CONV, stride=stride, padding=padding,
            groups=groups, pad_codes=pads, skip=skip,
        )  # fmt: skip

    low, high = sum_bounds(levels, source.format)
    return Sum(shape=(len(levels), *out), low=low, high=high, make=make)


def window(source: Codes, kernel: Pair, stride: Pair, label: str) -> Sum:
    """Sums of codes over windows; of one code each for a window of 1 x 1."""
    out = out_size(source.shape, kernel, stride, (0, 0, 0, 0), label)
    count = prod(kernel)

    def make(name: str, stage: Stage, skip: Skip | None) -> Layer:
        if isinstance(stage, Requant):
            return PoolLayer(
                name=name, input=source.name, kind=LayerKind.AVG_POOL, kernel=kernel,
                stride=stride, output=stage, skip=skip,
            )  # fmt: skip
        if kernel == stride == (1, 1):
            return ThresholdLayer(name=name, input=source.name, output=stage)
        levels = np.ones((source.channels, 1, *kernel), np.int64)
        return MacLayer(
            name=name, input=source.name, weights=levels, weight_width=2, output=stage,
            kind=LayerKind.CONV, stride=stride, groups=source.channels,
        )  # fmt: skip

    ones = np.full(source.channels, count, np.int64)
    return Sum(
        shape=(source.channels, *out), low=ones * source.format.min,
        high=ones * source.format.max, make=make,
    )  # fmt: skip


def plain(total: Sum, bias: Int64Array) -> Requant:
    """The stage that gives `sum + bias` itself, in the smallest format that holds all of it."""
    low, high = int((total.low + bias).min()), int((total.high + bias).max())
    form = IntFormat.holding(low, high)
    if form.width > 32 - (not form.signed):
        raise InputError(f"sums must fit 32 bits, not reach {low}..{high}")
    return Requant(
        multiplier=np.ones(len(bias), np.int64), bias=np.asarray(bias, np.int64), shift=0, out=form
    )


def out_size(source: Map, kernel: Pair, stride: Pair, padding: Edges, label: str) -> Pair:
    """(height, width) of a windowed layer's result."""
    top, left, bottom, right = padding
    room = source[1] + top + bottom - kernel[0], source[2] + left + right - kernel[1]
    if min(room) < 0:
        raise InputError(f"{label}: kernel {kernel} must fit the padded map of {source}")
    return room[0] // stride[0] + 1, room[1] // stride[1] + 1
