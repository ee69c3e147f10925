"""A program with other bits: layers whose weights are assumed, for costs before any training.

`Bits` names what differs from the program. A layer whose weights differ is an `AssumedLayer`: all
its codes occur equally often, levels of a codebook have 8 bits, plain weights are signed integers
of the layer's bits. Its sums keep the bounds of the program's layer, scaled by the ranges of
activations and plain levels; its output stage is the program's. Such a network cannot run.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np

from ...rtl.networks.unsigned import as_unsigned
from ...spec.activation import Threshold
from ...spec.codebook import Codebook
from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.layers import Layer, MacLayer, ThresholdLayer
from ...spec.program import Program, SizedNetwork, Tensor
from ..estimate.estimate import ASSUMED
from ..events.weight_facts import AssumedLayer, WeightFacts

LEVEL_WIDTH = 8
"""Bits of the levels of an assumed codebook, and of plain weights that are left alone."""
WEIGHT_BITS = (2, 8)
ACT_BITS = (1, 8)
ALL = "*"
"""Name of all layers whose bits may be chosen."""

_CHOICE = re.compile(r"(?P<name>[^=]+)=(?P<width>[0-9]{1,3})(?P<plain>p?)")


class Weights(StrEnum):
    """How a weight is stored."""

    CODEBOOK = "codebook"
    """A code; the level is looked up."""
    PLAIN = "plain"
    """The level itself, as plain multipliers take it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bits:
    """What is chosen instead of the program's own bits."""

    weights: Mapping[str, tuple[int, Weights]] = field(default_factory=dict)
    """By layer, or for `ALL` of them: bits of a weight, and how it is stored."""
    act_width: int | None = None
    """Of every code that a threshold makes; None: as in the program."""

    def __post_init__(self) -> None:
        for name, (width, _) in self.weights.items():
            _check_width(f"Weight bits of {shown(name)}", width, WEIGHT_BITS)
        if self.act_width is not None:
            _check_width("Activation bits", self.act_width, ACT_BITS)

    def of(self, layer: str) -> tuple[int, Weights] | None:
        """The choice for a layer; its own name goes before `ALL`."""
        return self.weights.get(layer, self.weights.get(ALL))


def parse_bits(text: str, act_width: int | None = None) -> Bits:
    """`Bits` of `*=3,layer1.0.conv1=4p`: 3-bit codes everywhere, plain 4-bit weights in one layer.

    Errors: `InputError` for another form, a layer named twice, bits out of range.
    """
    chosen: dict[str, tuple[int, Weights]] = {}
    for item in text.split(","):
        match = _CHOICE.fullmatch(item.strip())
        if match is None:
            raise InputError(
                f"Bits must be LAYER=WIDTH, or LAYER=WIDTHp for plain weights, comma separated, "
                f"not {shown(item)}"
            )
        name = match["name"].strip()
        if name in chosen:
            raise InputError(f"Bits must name a layer once, not {shown(name)} twice")
        kind = Weights.PLAIN if match["plain"] else Weights.CODEBOOK
        chosen[name] = int(match["width"]), kind
    return Bits(weights=chosen, act_width=act_width)


def choosable(network: SizedNetwork) -> tuple[str, ...]:
    """Layers whose bits may be chosen: those with a codebook or with plain weights below 8 bits."""
    return tuple(
        layer.name
        for layer in network.mac_layers
        if layer.codebook is not None or layer.weight_width < LEVEL_WIDTH
    )


def altered(program: Program, bits: Bits) -> SizedNetwork:
    """`program` with other bits; itself, as the array runs it, where nothing differs.

    Errors: `InputError` for a layer that is not among `choosable`, and for activation bits of a
    program without thresholds.
    """
    network, _ = as_unsigned(program)
    free = choosable(network)
    unknown = next((x for x in bits.weights if x != ALL and x not in free), None)
    if unknown is not None:
        raise InputError(
            f"Layer must be one whose bits may be chosen ({', '.join(free) or 'there is none'}), "
            f"not {shown(unknown)}"
        )
    act_width = _changed_act_width(network, bits)
    chosen = {name: bits.of(name) for name in free}
    changes = {
        name: choice
        for name, choice in chosen.items()
        if choice is not None and choice != stored_as(network.layer(name))
    }
    if not changes and act_width is None:
        return network
    tensors, bounds = dict(network.tensors), dict(network.bounds)
    layers = tuple(
        _layer(network, layer, changes.get(layer.name), act_width, tensors, bounds)
        for layer in network.layers
    )
    return SizedNetwork(layers=layers, tensors=tensors, bounds=bounds)


def stored_as(layer: Layer) -> tuple[int, Weights]:
    """Bits of a layer's weights, and how they are stored."""
    assert isinstance(layer, MacLayer)
    return layer.weight_width, Weights.PLAIN if layer.codebook is None else Weights.CODEBOOK


def act_widths(network: SizedNetwork) -> tuple[int, ...]:
    """Bits of the codes that thresholds make, in order of width."""
    outputs = (layer.output for layer in network.layers)
    return tuple(sorted({x.width for x in outputs if isinstance(x, Threshold)}))


def assumption(network: SizedNetwork, bits: Bits) -> str:
    """What a cost says of its statistics where `network` was made by `altered`."""
    made = [layer.name for layer in network.mac_layers if isinstance(layer, AssumedLayer)]
    if not made:
        return ASSUMED
    acts = "" if bits.act_width is None else f"; {bits.act_width}-bit activations"
    return (
        f"assumed: no activation is 0; {len(made)} of {len(network.mac_layers)} layers with "
        f"weights have other bits than the program, all their codes equally frequent{acts}"
    )


def _changed_act_width(network: SizedNetwork, bits: Bits) -> int | None:
    widths = act_widths(network)
    if bits.act_width is None or widths == (bits.act_width,):
        return None
    if not widths:
        raise InputError(
            "Activation bits must go with a program that has thresholds, this one has none"
        )
    return bits.act_width


def _layer(
    network: SizedNetwork, layer: Layer, choice: tuple[int, Weights] | None,
    act_width: int | None, tensors: dict[str, Tensor], bounds: dict[str, tuple[int, int]],
) -> Layer:  # fmt: skip
    """The layer with other weights and thresholds; its tensor and its bounds are entered."""
    if act_width is not None and layer.name in bounds:
        top = network.tensor_format(layer.input).max
        now = tensors[layer.input].format.max  # inputs come before: their formats are new already
        bounds[layer.name] = _scaled(bounds[layer.name], now, top)
    if choice is not None and isinstance(layer, MacLayer):
        if choice[1] is Weights.PLAIN:
            widest = (1 << (layer.level_width - 1), 1 << (choice[0] - 1))
            bounds[layer.name] = _scaled(bounds[layer.name], widest[1], widest[0])
        layer = _assumed(layer, *choice)
    if act_width is None or not isinstance(layer.output, Threshold):
        return layer
    made = tensors[layer.name]
    output = _thresholds(layer.output, act_width, bounds.get(layer.name, (0, 255)))
    tensors[layer.name] = replace(made, format=output.format)
    return _restaged(layer, output)


def _restaged(layer: Layer, output: Threshold) -> Layer:
    if isinstance(layer, AssumedLayer):
        fields = {f: getattr(layer, f) for f in _MAC_FIELDS}
        return AssumedLayer(**fields | {"output": output}, facts=layer.facts)
    assert isinstance(layer, MacLayer | ThresholdLayer)  # only they have thresholds
    return replace(layer, output=output)


_MAC_FIELDS = (
    "name", "input", "weights", "weight_width", "output", "codebook", "kind", "stride",
    "padding", "groups", "pad_codes", "skip",
)  # fmt: skip


def _assumed(layer: MacLayer, width: int, stored: Weights) -> AssumedLayer:
    """`layer` with weights of which only the size exists, all codes equally frequent."""
    count = int(layer.weights.size)
    fields = {f: getattr(layer, f) for f in _MAC_FIELDS}
    plain = stored is Weights.PLAIN
    level_width = width if plain else LEVEL_WIDTH
    zeros = count >> width
    facts = WeightFacts(
        zero_fields=zeros, zero_levels=zeros, level_ones=count * level_width // 2, factor=1
    )
    empty = np.broadcast_to(np.int8(0) if plain else np.uint8(0), np.shape(layer.weights))
    changed = {"weights": empty, "weight_width": width}
    changed["codebook"] = None if plain else _codebook(width)
    return AssumedLayer(**fields | changed, facts=facts)


def _codebook(width: int) -> Codebook:
    """2^width levels of 8 bits, evenly spread, the first one 0."""
    half = 1 << (LEVEL_WIDTH - 1)
    step = (2 * half) >> width
    levels = [0, *(v for v in range(-half, half, step) if v)][: 1 << width]
    return Codebook(levels=tuple(levels), width=width)


def _thresholds(given: Threshold, width: int, bounds: tuple[int, int]) -> Threshold:
    """As many rows as before, with steps evenly spread over the bounds of the sums."""
    steps = np.linspace(*bounds, (1 << width) + 1)[1:-1].astype(np.int64)
    tau = np.broadcast_to(steps, (given.channels, len(steps)))
    return Threshold(tau=tau, sign=given.sign)


def _scaled(bounds: tuple[int, int], by: int, of: int) -> tuple[int, int]:
    """Bounds times `by / of`, rounded away from 0."""
    low, high = bounds
    return -(-low * by // of) if low > 0 else -((-low * by + of - 1) // of), -(-high * by // of)


def _check_width(what: str, value: int, limits: tuple[int, int]) -> None:
    low, high = limits
    if not low <= value <= high:
        raise InputError(f"{what} must be in {low}..{high}, not {value}")
