"""Bare networks: the cost of a topology whose weights nobody has, with assumptions that are said.

A topology tells sizes only. `BareProgram` answers the questions that the cost model asks of a
program from those sizes and from `Assumptions`; it cannot run. Every layer is a convolution with a
codebook of all 2^weight_bits codes, read through thresholds that all channels share, the last one
ends in logits. Depth-wise layers are grouped convolutions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..rtl.arch import Arch, Micro
from ..rtl.fit import narrowest
from ..spec.activation import Threshold
from ..spec.codebook import Codebook
from ..spec.errors import InputError
from ..spec.formats import IntFormat
from ..spec.layers import MacLayer
from ..spec.program import INPUT, Program, Tensor
from ..spec.requant import Requant
from .topology import LayerSize, Topology
from .weight_facts import WeightFacts, assume

LEVEL_WIDTH = 8
LOGITS = IntFormat(width=32, signed=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """What a topology does not say."""

    weight_bits: int = 4
    """Bits of a code; all codes occur equally often, so one weight in 2^weight_bits is gated."""
    act_bits: int = 4
    """Bits of every activation, the input's included; no activation is 0."""

    def __post_init__(self) -> None:
        for name, low, high in (("weight_bits", 2, 8), ("act_bits", 1, 8)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
                raise InputError(f"Assumed {name} must be in {low}..{high}, not {value!r}")

    @property
    def text(self) -> str:
        return (
            f"assumed for a bare topology: {self.weight_bits}-bit codes of {LEVEL_WIDTH}-bit "
            f"levels, all equally frequent (1 of {1 << self.weight_bits} weights is gated); "
            f"{self.act_bits}-bit activations, none of them 0"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class BareLayer(MacLayer):
    """A layer of which only the sizes exist: its arrays are views of one element."""

    def __post_init__(self) -> None:
        levels = np.broadcast_to(np.int64(0), np.shape(self.weights))
        object.__setattr__(self, "levels", levels)


@dataclass(frozen=True, kw_only=True, eq=False)
class BareProgram(Program):
    """What the cost model may ask of a topology; its layers are not connected."""

    assumed: Assumptions
    tensor_sizes: Mapping[str, Tensor]
    layers: tuple[BareLayer, ...] = field()

    def __post_init__(self) -> None:
        low, high = -(1 << (LEVEL_WIDTH - 1)), (1 << (LEVEL_WIDTH - 1)) - 1
        top = (1 << self.assumed.act_bits) - 1
        bounds = {x.name: (low * top * x.depth, high * top * x.depth) for x in self.layers}
        object.__setattr__(self, "tensors", dict(self.tensor_sizes))
        object.__setattr__(self, "bounds", bounds)

    @cached_property
    def digest(self) -> str:  # type: ignore[override]
        raise InputError("A bare topology has no program digest: it computes nothing")

    def arch(self, rows: int, cols: int, micro: str = Micro.DECODE) -> Arch:
        """The narrowest array of that size."""
        return narrowest(self, rows=rows, cols=cols, micro=micro, memories=False)


def bare_program(topology: Topology, assumed: Assumptions) -> BareProgram:
    """`topology` as something that can be costed."""
    tensors: dict[str, Tensor] = {}
    layers = []
    for position, size in enumerate(topology.layers):
        last = position == len(topology.layers) - 1
        layer = _layer(size, position, assumed, last=last)
        codes = IntFormat(width=assumed.act_bits)
        made = LOGITS if last else codes
        source = (size.channels * size.repeat, *_read(size))
        tensors[layer.input] = Tensor(shape=source, format=codes)
        shape = (layer.out_channels, size.out_height, size.out_width)
        tensors[layer.name] = Tensor(shape=shape, format=made)
        assume(layer, _facts(layer, assumed))
        layers.append(layer)
    first = tensors[INPUT]
    return BareProgram(
        input_shape=first.shape,
        input_format=first.format,
        layers=tuple(layers),
        assumed=assumed,
        tensor_sizes=tensors,
    )


def _read(size: LayerSize) -> tuple[int, int]:
    """Extents that the windows reach: SCALE-Sim lets the last one hang over."""
    return (
        (size.out_height - 1) * size.stride + size.filter_height,
        (size.out_width - 1) * size.stride + size.filter_width,
    )


def _layer(size: LayerSize, position: int, assumed: Assumptions, *, last: bool) -> BareLayer:
    shape = (size.filters * size.repeat, size.channels, size.filter_height, size.filter_width)
    half = 1 << (LEVEL_WIDTH - 1)
    step = (2 * half) >> assumed.weight_bits
    levels = [0, *(v for v in range(-half, half, step) if v)][: 1 << assumed.weight_bits]
    steps = (1 << assumed.act_bits) - 1
    threshold = Threshold(tau=np.arange(steps)[None], sign=np.ones(1, np.int64))
    one = np.ones(1, np.int64)
    requant = Requant(multiplier=one, bias=one, shift=0, out=LOGITS)
    return BareLayer(
        name=f"{position}:{size.name}",  # names may repeat in a topology
        input=INPUT if position == 0 else f"{position}:input",
        weights=np.broadcast_to(np.uint8(0), shape),
        weight_width=assumed.weight_bits,
        codebook=Codebook(levels=tuple(levels), width=assumed.weight_bits),
        stride=size.stride,
        groups=size.repeat,
        output=requant if last else threshold,
    )


def _facts(layer: BareLayer, assumed: Assumptions) -> WeightFacts:
    zeros = layer.weights.size >> assumed.weight_bits
    return WeightFacts(
        zero_fields=zeros,
        zero_levels=zeros,
        level_ones=layer.weights.size * LEVEL_WIDTH // 2,
        factor=1,
    )
