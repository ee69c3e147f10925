"""Accumulators of a stated width (`hardware.acc_width`) in a network: the room of every layer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, assert_never

from ...spec.errors import InputError
from ...spec.formats import IntFormat
from ...spec.layers import LayerKind
from ...spec.networks import S32, Node
from ...spec.program import INPUT
from ..integers.constants import PIXEL, stream_format
from ..quantizers.accumulators import Room, shrink
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..quantizers.uniform import UniformWeight
from .classifier import QuantLinear
from .layers import QuantConv2d, Unit

if TYPE_CHECKING:
    from .network import Network

COARSEST = 4
"""Bits of the levels that uniform weights keep at least."""


def give_room(network: "Network", acc_width: int) -> None:
    """Tell the quantizer of every layer with weights what the layer's sums have to fit.

    Refuses an accumulator that a single weight of the largest level overflows.
    """
    formats: dict[str, IntFormat] = {INPUT: PIXEL}
    for node in network.nodes:
        unit = network.units()[node.name]
        formats[node.name] = _format(node, unit, formats)
        if isinstance(unit, QuantConv2d | QuantLinear):
            width = unit.quantizer.width
            if isinstance(unit.quantizer, UniformWeight):
                width = min(width, COARSEST)
            unit.quantizer.room = _room(node.name, acc_width, formats[node.source], width)


def _format(node: Node, unit: Unit, formats: Mapping[str, IntFormat]) -> IntFormat:
    """Of the codes that a node makes; S32 where sums alone read them."""
    match node.kind:
        case LayerKind.MAX_POOL | LayerKind.UPSAMPLE | LayerKind.CONCAT:
            return formats[node.source]
        case LayerKind.CONV | LayerKind.LINEAR | LayerKind.THRESHOLD | LayerKind.AVG_POOL:
            output = getattr(unit, "output", None)
            if isinstance(output, LowBitActivation):
                return IntFormat(width=output.act_width)
            return stream_format(output) if isinstance(output, StreamQuantizer) else S32
        case _:
            assert_never(node.kind)


def _room(name: str, acc_width: int, source: IntFormat, width: int) -> Room:
    most = max(abs(source.min), source.max) << (width - 1)
    least = IntFormat.holding(-most, most).width
    if acc_width < least:
        raise InputError(
            f"hardware.acc_width must be at least {least} in layer {name!r} (weights of {width} "
            f"bits, codes of {source.name}), not {acc_width}"
        )
    return Room(acc_width=acc_width, source=source)


def fit(network: "Network") -> None:
    """Scale hidden weights down, in place, where the sums of an output channel do not fit."""
    for conv in network.hidden().values():
        shrink(conv.kernel_weight, conv.quantizer)
