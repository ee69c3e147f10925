"""A network computed node by node on all calibration images, float and quantized side by side."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

from ...spec.host.limits import demand
from ...spec.networks import Node
from ...spec.program import INPUT
from ..networks.layers import Unit
from ..networks.network import Network
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..tensors import Mode, Signal

Inputs = tuple[Signal, Signal | None]
PATHS = 2
"""The float network and the quantized one."""
SPARE = 2
"""Beside the signals between units: maps of the unit at work, before its quantizer."""


class Walk:
    """The signals that later units still read, of every chunk of images, in both networks."""

    def __init__(
        self, model: Network, chunks: Sequence[Tensor], shared: Collection[nn.Module] = ()
    ) -> None:
        """shared: quantizers of several units, whose ranges are set already."""
        self.model, self.shared = model, shared
        model.set_mode(Mode.FLOAT)
        self.float = [{INPUT: Signal(model.entered(chunk))} for chunk in chunks]
        model.set_mode(Mode.FAKEQUANT)
        self.quantized = [{INPUT: Signal(model.entered(chunk))} for chunk in chunks]

    def __iter__(self) -> Iterator[tuple[Node, Unit]]:
        """Each node with its unit, in order of execution; what nothing reads any more is freed."""
        units = self.model.units()
        for number, node in enumerate(self.model.nodes):
            yield node, units[node.name]
            for name in set(node.reads):
                if self.model.last_reads[name] == number:
                    for signals in (*self.float, *self.quantized):
                        del signals[name]

    def float_inputs(self, node: Node) -> list[Inputs]:
        """What the node's unit reads of each chunk in the float network."""
        return [self.model.inputs(node, signals) for signals in self.float]

    def quantized_inputs(self, node: Node) -> list[Inputs]:
        """The same in the quantized network, whose units up to here are calibrated."""
        return [self.model.inputs(node, signals) for signals in self.quantized]

    def put(self, node: Node, float_signals: list[Signal], quantized: list[Signal]) -> None:
        """Keep what the node's unit makes of each chunk."""
        for signals, made in zip(self.float, float_signals, strict=True):
            signals[node.name] = made
        for signals, made in zip(self.quantized, quantized, strict=True):
            signals[node.name] = made


def set_unit_mode(unit: Unit, mode: Mode) -> None:
    """Switch one unit and its quantizers."""
    for module in (*unit.modules(), output_of(unit)):  # the output may be another unit's module
        if isinstance(module, Unit | LowBitActivation | StreamQuantizer):
            module.mode = mode


def output_of(unit: Unit) -> LowBitActivation | StreamQuantizer | None:
    """The quantizer at the unit's end, if it has one."""
    output = getattr(unit, "output", None)
    return output if isinstance(output, LowBitActivation | StreamQuantizer) else None


def before_quantizer(unit: Unit, inputs: Inputs, mode: Mode) -> Tensor:
    """The real map that the unit gives to its quantizer."""
    output = output_of(unit)
    assert output is not None
    seen: list[Tensor] = []
    set_unit_mode(unit, mode)
    with listening(output, seen):
        unit(*inputs)
    return seen[0]


@contextmanager
def listening(output: LowBitActivation | StreamQuantizer, seen: list[Tensor]) -> Iterator[None]:
    """Collect what a quantizer reads."""
    hook = output.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    try:
        yield
    finally:
        hook.remove()


def check_memory(model: Network, image: Tensor, images: int) -> None:
    """Refuse images (of one, (1, C, H, W) uint8) whose maps do not fit the memory budget."""
    walk, most = Walk(model, [image]), 0
    for node, unit in walk:
        set_unit_mode(unit, Mode.FLOAT)
        signals = [unit(*inputs) for inputs in walk.float_inputs(node)]
        walk.put(node, signals, signals)
        held = sum(signal.data.nbytes for signal in walk.float[0].values())
        most = max(most, PATHS * held + SPARE * signals[0].data.nbytes)
    demand(most * images, f"Maps of {images} calibration images")
