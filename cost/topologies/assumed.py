"""A topology without weights, as a network that can be costed under stated assumptions.

A topology tells sizes only; `Assumptions` say the rest, and the network cannot run. Every layer is
a convolution with a codebook of all 2^weight_bits codes, read through thresholds that all channels
share; the last one ends in logits, and no layer is connected to another. Depth-wise layers are
grouped convolutions. Matrix products are costed as such, whatever their row makes of K
(`LayerSize.as_product`): K is what the rows of the array reduce.
"""

import math
from dataclasses import dataclass

import numpy as np

from ...rtl.arch.arch import RANGES
from ...spec.activation import Threshold
from ...spec.codebook import Codebook
from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.host.text import shown
from ...spec.program import INPUT, SizedNetwork, Tensor
from ...spec.requant import Requant
from ..events.weight_facts import AssumedLayer, WeightFacts
from .topology import LayerSize, Topology

LEVEL_WIDTH = 8
LOGITS = IntFormat(width=32, signed=True)
SUM_WIDTH = RANGES["acc_width"][1]
MOST_COUNTED = 1 << 53
"""Products of a layer, weights, codes of a map: counts are exact as floats below it."""
MOST_GROUPS = 1 << 18
"""Channels of all depth-wise layers together: each is walked one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """Assumptions beside a topology."""

    weight_bits: int = 4
    """Bits of a code; all codes occur equally often, so one weight in 2^weight_bits is gated."""
    act_bits: int = 4
    """Bits of every activation, the input's included; no activation is 0."""

    def __post_init__(self) -> None:
        for name, low, high in (("weight_bits", 2, 8), ("act_bits", 1, 8)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"Assumed {name} must be in {low}..{high}, not {shown(value)}")

    @property
    def text(self) -> str:
        return (
            f"assumed for a bare topology: {self.weight_bits}-bit codes of {LEVEL_WIDTH}-bit "
            f"levels, all equally frequent (1 of {1 << self.weight_bits} weights is gated); "
            f"{self.act_bits}-bit activations, none of them 0"
        )


def assumed_network(topology: Topology, assumed: Assumptions) -> SizedNetwork:
    """`topology` as something that can be costed; a layer too large is refused by name."""
    tensors: dict[str, Tensor] = {}
    layers, parts, codes = [], _Parts.of(assumed), IntFormat(width=assumed.act_bits)
    sizes = [size.as_product() for size in topology.layers]
    _check_groups(sizes)
    for position, size in enumerate(sizes):
        last = position == len(sizes) - 1
        _check(size, assumed)
        layer = _layer(size, position, parts, last=last)
        source = (size.channels * size.repeat, *_read(size))
        tensors[layer.input] = Tensor(shape=source, format=codes)
        shape = (layer.out_channels, size.out_height, size.out_width)
        tensors[layer.name] = Tensor(shape=shape, format=LOGITS if last else codes)
        layers.append(layer)
    low, high, top = -(1 << (LEVEL_WIDTH - 1)), (1 << (LEVEL_WIDTH - 1)) - 1, codes.max
    bounds = {x.name: (low * top * x.depth, high * top * x.depth) for x in layers}
    return SizedNetwork(layers=tuple(layers), tensors=tensors, bounds=bounds)


def _check_groups(sizes: list[LayerSize]) -> None:
    groups = sum(size.repeat for size in sizes if size.repeat > 1)
    if groups > MOST_GROUPS:
        raise InputError(
            f"Topology must have at most {MOST_GROUPS:,} channels in depth-wise layers to be "
            f"costed, not {groups:,}"
        )


def _check(size: LayerSize, assumed: Assumptions) -> None:
    """Refuse, by its name, a layer that the lane array does not do; all in Python integers."""
    where = f"Layer {shown(size.name)}"
    top = (1 << assumed.act_bits) - 1
    most = (1 << (SUM_WIDTH - 1)) // (top << (LEVEL_WIDTH - 1))
    if size.window > most:
        raise InputError(
            f"{where} must have at most {most:,} terms in a sum of {SUM_WIDTH} bits, with "
            f"{assumed.act_bits}-bit activations, not {size.window:,}"
        )
    channels = max(size.channels * size.repeat, size.filters * size.repeat)
    if channels > RANGES["channels"][1]:
        raise InputError(
            f"{where} must have at most {RANGES['channels'][1]:,} channels, not {channels:,}"
        )
    height, width = _read(size)
    codes = size.channels * size.repeat * height * width
    for what, count in (("multiplications", size.macs), ("activations", codes)):
        if count >= MOST_COUNTED:
            raise InputError(f"{where} must have less than 2^53 {what}, not {count:,}")


def _read(size: LayerSize) -> tuple[int, int]:
    """Extents that the windows reach: SCALE-Sim lets the last one hang over."""
    return (
        (size.out_height - 1) * size.stride + size.filter_height,
        (size.out_width - 1) * size.stride_across + size.filter_width,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parts:
    """Values common to all layers."""

    weight_bits: int
    codebook: Codebook
    threshold: Threshold
    requant: Requant

    @classmethod
    def of(cls, assumed: Assumptions) -> "_Parts":
        half = 1 << (LEVEL_WIDTH - 1)
        step = (2 * half) >> assumed.weight_bits
        levels = [0, *(v for v in range(-half, half, step) if v)][: 1 << assumed.weight_bits]
        steps, one = (1 << assumed.act_bits) - 1, np.ones(1, np.int64)
        return cls(
            weight_bits=assumed.weight_bits,
            codebook=Codebook(levels=tuple(levels), width=assumed.weight_bits),
            threshold=Threshold(tau=np.arange(steps)[None], sign=one),
            requant=Requant(multiplier=one, bias=one, shift=0, out=LOGITS),
        )


def _layer(size: LayerSize, position: int, parts: _Parts, *, last: bool) -> AssumedLayer:
    shape = (size.filters * size.repeat, size.channels, size.filter_height, size.filter_width)
    count = math.prod(shape)
    zeros = count >> parts.weight_bits
    return AssumedLayer(
        name=f"{position}:{size.name}",  # names may repeat in a topology
        input=INPUT if position == 0 else f"{position}:input",
        weights=np.broadcast_to(np.uint8(0), shape),
        weight_width=parts.weight_bits,
        codebook=parts.codebook,
        stride=(size.stride, size.stride_across),
        groups=size.repeat,
        output=parts.requant if last else parts.threshold,
        facts=WeightFacts(
            zero_fields=zeros, zero_levels=zeros, level_ones=count * LEVEL_WIDTH // 2, factor=1
        ),
    )
