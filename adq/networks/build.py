"""From a node to its unit, and the unit into the network under the names of its parameters."""

from typing import assert_never

from torch import Tensor, nn

from ...spec.layers import LayerKind
from ...spec.networks import Node
from ...spec.program import INPUT
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.methods import activation, weight_quantizer
from ..quantizers.stream import StreamQuantizer
from ..quantizers.uniform import UniformWeight
from ..ranks import BatchNorm
from .classifier import QuantLinear
from .config import NetworkConfig
from .curves import CurveStair, CurveSum
from .geometry import Geometry
from .layers import HiddenConv2d, InputConv2d, QuantConv2d, ReadActivation, Unit
from .pooling import AveragePool, Concat, MaxPool, Upsample

Made = dict[str, Unit]
"""Units by the names of their tensors."""


def register(network: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module under a dotted name, with containers on the way.

    The name may be that of a method of ours: a user's network has the names that it has.
    """
    parent = network
    *folders, last = path.split(".")
    for name in folders:
        parent = parent._modules.setdefault(name, nn.Module())  # type: ignore[assignment]
    before = parent._modules.get(last)
    for name, child in () if before is None else before.named_children():
        module.add_module(name, child)  # `last.act` came before `last`
    parent._modules[last] = module


def make_unit(network: nn.Module, config: NetworkConfig, node: Node, made: Made) -> Unit:
    """The unit of ``node``, registered; ``made``: those of the nodes before it."""
    unit = _unit(config, node, made)
    register(network, node.path or node.name, unit)
    if node.norm is not None and isinstance(unit, QuantConv2d | AveragePool) and unit.bn is None:
        norm = BatchNorm(node.channels)
        register(network, node.norm, norm)
        unit.borrow("bn", norm)
    if node.norm is not None and isinstance(unit, QuantConv2d | AveragePool):
        assert unit.bn is not None
        unit.bn.eps, unit.bn.momentum = node.eps, node.momentum
    if node.step is not None:
        owner = made[node.step]
        assert isinstance(owner, QuantConv2d | AveragePool)
        assert owner.output is not None
        unit.borrow("output", owner.output)
    return unit


def _unit(config: NetworkConfig, node: Node, made: Made) -> Unit:
    match node.kind:
        case LayerKind.CONV | LayerKind.LINEAR:
            return _weighted(config, node)
        case LayerKind.THRESHOLD:
            return _threshold(config, node, made)
        case LayerKind.MAX_POOL:
            return MaxPool(made[node.source], geometry(node))
        case LayerKind.AVG_POOL:
            return _average(config, node, made)
        case LayerKind.CONCAT:
            return Concat(made[node.source])
        case LayerKind.UPSAMPLE:
            return Upsample(made[node.source], node.kernel)
        case _:
            assert_never(node.kind)


def geometry(node: Node) -> Geometry:
    """The window of a node."""
    return Geometry(
        kernel=node.kernel, stride=node.stride, padding=node.padding, dilation=node.dilation,
        groups=node.groups,
    )  # fmt: skip


def _owns_norm(node: Node) -> bool:
    return node.norm == f"{node.path or node.name}.bn"


def _weighted(config: NetworkConfig, node: Node) -> Unit:
    if node.ends:
        if node.flat:
            return QuantLinear(node.weights // node.channels, node.channels, bias=node.bias)
        return QuantLinear(node.ins, node.channels, bias=node.bias, geometry=geometry(node))
    parts = {"normed": _owns_norm(node), "bias": node.bias, "flat": node.flat}
    output = quantizer(config, node)
    if node.source == INPUT:
        return InputConv2d(
            node.channels, mean=config.mean, std=config.std, output=output,
            geometry=geometry(node), **parts,
        )  # fmt: skip
    if not node.coded:  # behind an input that something has changed
        return QuantConv2d(
            node.ins, node.channels, geometry=geometry(node), output=output,
            quantizer=UniformWeight(8), **parts,
        )  # fmt: skip
    width = config.width_of(node.name)
    return HiddenConv2d(
        node.ins, node.channels, geometry=geometry(node), output=output,
        quantizer=weight_quantizer(config.method, width, node.channels), **parts,
    )  # fmt: skip


def quantizer(config: NetworkConfig, node: Node) -> LowBitActivation | StreamQuantizer | None:
    """What makes the codes of a node; None if it has another node's."""
    if node.step is not None:
        return None
    if node.stream is None:
        low = activation(config.method, config.act_width, node.channels)
        low.clip = node.clip
        return low
    return StreamQuantizer(node.stream.width, node.stream.signed, node.clip)


def _threshold(config: NetworkConfig, node: Node, made: Made) -> Unit:
    if node.curve is not None:
        part = CurveStair(node.curve)
        rising = part if node.curve.part == "rise" else made[_before(node, made)]
        assert isinstance(rising, CurveStair)
        part.rises_in(rising)
        return part
    read = quantizer(config, node)
    assert isinstance(read, LowBitActivation)
    return ReadActivation(read)


def _before(node: Node, made: Made) -> str:
    """The rising part beside a falling one: the last stair on the same source."""
    return next(name for name in reversed(made) if isinstance(made[name], CurveStair))


def _average(config: NetworkConfig, node: Node, made: Made) -> Unit:
    output = None if node.ends else quantizer(config, node)
    assert not isinstance(output, LowBitActivation)
    if node.curve is not None:
        whole = CurveSum(output)
        for name in node.reads:
            part = made[name]
            assert isinstance(part, CurveStair)
            part.borrow("whole", whole)
        return whole
    pixels: tuple[Tensor, Tensor] | None = None
    if node.source == INPUT:
        pixels = config.pixel_scale()
    return AveragePool(
        output, geometry=geometry(node), pixels=pixels,
        normed=node.channels if _owns_norm(node) else 0,
    )  # fmt: skip
