"""The network of a configuration: one module per node of `spec.networks`, in three modes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Self, assert_never

import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from ...spec.layers import LayerKind, Skip
from ...spec.networks import Node
from ...spec.program import INPUT, Program
from ..integers.constants import PIXEL
from ..integers.integer import prepare, read_skip
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.methods import activation, weight_quantizer
from ..quantizers.stream import StreamQuantizer
from ..quantizers.weight_quantizer import WeightQuantizer
from ..tensors import Mode, NotANumberError, Signal
from .classifier import QuantLinear
from .config import NetworkConfig
from .layers import HiddenConv2d, InputConv2d, QuantConv2d, ReadActivation, Unit
from .pooling import GlobalPool, MaxPool


class Network(nn.Module):
    """uint8 images (N, C, H, W) to logits (N, classes), in every mode.

    Logits are real values, in integer mode the program's int32 numbers. In fakequant mode, with
    frozen codebooks, in evaluation and without gradients the constants are those of the program
    (`frozen`). Module names are the names of the nodes, hence of the program's tensors.
    """

    conv1: InputConv2d
    fc: QuantLinear

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config, self.mode = config, Mode.FLOAT
        self.nodes = config.nodes()
        self.last_reads = {
            name: number for number, node in enumerate(self.nodes) for name in node.reads
        }
        """Number of the last node that reads each tensor."""
        for node in config.construction():
            self._place(node.name, self._unit(node))
        for name, unit in self.units().items():
            unit.name = name

    def forward(self, images: Tensor) -> Tensor:
        signals = {INPUT: Signal(images, format=PIXEL if self.exact else None)}
        for number, node in enumerate(self.nodes):
            signals[node.name] = self.get_submodule(node.name)(*self.inputs(node, signals))
            for name in set(node.reads):
                if self.last_reads[name] == number:
                    del signals[name]  # without gradients nothing else refers to it
        return self.real_logits(signals["fc"])

    @staticmethod
    def inputs(node: Node, signals: Mapping[str, Signal]) -> tuple[Signal, Signal | None]:
        """What the unit of ``node`` takes, of the ``signals`` made so far (by tensor)."""
        if node.skip is None:
            return signals[node.source], None
        return signals[node.source], residual(signals[node.skip.tensor], node.skip, node.channels)

    def _place(self, path: str, unit: Unit) -> None:
        """Register a unit under a dotted name, with containers on the way."""
        parent: nn.Module = self
        *folders, last = path.split(".")
        for name in folders:
            if name not in dict(parent.named_children()):
                parent.add_module(name, nn.Module())
            parent = parent.get_submodule(name)
        for name, child in getattr(parent, last, nn.Module()).named_children():
            unit.add_module(name, child)  # `last.act` came before `last`
        parent.add_module(last, unit)

    def _unit(self, node: Node) -> Unit:
        config = self.config
        match node.kind:
            case LayerKind.CONV:
                return self._conv(node)
            case LayerKind.THRESHOLD:
                return ReadActivation(activation(config.method, config.act_width, node.ins))
            case LayerKind.MAX_POOL:
                source = self.get_submodule(node.source)
                assert isinstance(source, QuantConv2d)
                assert source.stream is not None
                return MaxPool(source.stream, node.kernel, node.stride, node.padding)
            case LayerKind.AVG_POOL:
                return GlobalPool()
            case LayerKind.LINEAR:
                return QuantLinear(node.ins, node.channels)
            case _:
                assert_never(node.kind)

    def _conv(self, node: Node) -> QuantConv2d:
        config = self.config
        if not node.coded:
            return InputConv2d(
                node.channels, mean=config.mean, std=config.std, output=StreamQuantizer(),
                kernel=node.kernel, stride=node.stride,
            )  # fmt: skip
        output: LowBitActivation | StreamQuantizer
        if node.stream is None:
            output = activation(config.method, config.act_width, node.channels)
        else:
            output = StreamQuantizer(node.stream.width, node.stream.signed)
        return HiddenConv2d(
            node.ins, node.channels, kernel=node.kernel, stride=node.stride, groups=node.groups,
            quantizer=weight_quantizer(config.method, config.width_of(node.name), node.channels),
            output=output,
        )  # fmt: skip

    @staticmethod
    def real_logits(logits: Signal) -> Tensor:
        """Logits (N, classes) of the signal of the classifier."""
        data = logits.data.flatten(1)
        return data if logits.scale == 1.0 else (data * logits.scale).float()

    @property
    def exact(self) -> bool:
        """Whether a forward pass is the evaluation of a frozen network, by `frozen`."""
        rounded = torch.is_autocast_enabled(self.device.type)
        learning = self.training or torch.is_grad_enabled() or rounded
        return not learning and self.mode is Mode.FAKEQUANT and self.codebooks_frozen

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return self.fc.weight.device

    # -- parts -----------------------------------------------------------------------------------

    def units(self) -> dict[str, Unit]:
        """The modules that make the program's tensors, by name."""
        return {name: m for name, m in self.named_modules() if isinstance(m, Unit)}

    def convolutions(self) -> list[QuantConv2d]:
        """All convolutions, hidden or not."""
        return [unit for unit in self.units().values() if isinstance(unit, QuantConv2d)]

    def hidden(self) -> dict[str, HiddenConv2d]:
        """The convolutions with a codebook, by name, in order of execution."""
        units = {n: unit for n, unit in self.units().items() if isinstance(unit, HiddenConv2d)}
        return {name: units[name] for name in self.config.hidden_names()}

    def quantizer_parameters(self) -> Iterator[nn.Parameter]:
        """Learned thresholds, steps and scales: at a tenth of the learning rate, never decayed."""
        for module in self.modules():
            if isinstance(module, LowBitActivation | StreamQuantizer | WeightQuantizer):
                yield from module.parameters()

    def weight_parameters(self) -> Iterator[nn.Parameter]:
        """Weights of convolutions and classifier: the parameters that weight decay is for."""
        for unit in self.units().values():
            if isinstance(unit, QuantConv2d | QuantLinear):
                yield unit.weight

    def scale_parameters(self) -> Iterator[nn.Parameter]:
        """Batch norm and bias: full learning rate, no decay."""
        special = {id(p) for p in (*self.quantizer_parameters(), *self.weight_parameters())}
        yield from (p for p in self.parameters() if id(p) not in special)

    # -- modes and codebooks ---------------------------------------------------------------------

    def set_mode(self, mode: Mode) -> None:
        """Switch every layer; integer mode needs `load_program` first."""
        missing = [name for name, unit in self.units().items() if unit.prepared is None]
        if mode is Mode.INTEGER and missing:
            raise InputError(f"Integer mode must have a program: load_program (no {missing[0]!r})")
        self.mode = mode
        for module in self.modules():
            if isinstance(module, Unit | LowBitActivation | StreamQuantizer):
                module.mode = mode

    @contextmanager
    def evaluating(self, mode: Mode | None = None) -> Iterator[None]:
        """Evaluation, in ``mode`` if given, inside the block; afterwards as before it."""
        training, before = self.training, self.mode
        self.eval()
        try:
            if mode is not None:
                self.set_mode(mode)
            yield
        finally:
            self.set_mode(before)
            self.train(training)

    def load_program(self, program: Program) -> None:
        """Take the integer layers of ``program``, and switch to integer mode."""
        units = self.units()
        names = [layer.name for layer in program.layers]
        if sorted(names) != sorted(units):
            odd = sorted(set(names) ^ set(units))
            raise InputError(f"Program must have the network's layers, not differ in {odd[0]!r}")
        for name, unit in units.items():
            unit.prepared = prepare(program, name, self.device)
        self.set_mode(Mode.INTEGER)

    def initialise_codebooks(self) -> None:
        """Start every codebook from the present weights."""
        with self._named_faults("weights"):
            for conv in self.hidden().values():
                conv.initialise_codebook()

    def update_codebooks(self) -> None:
        """One EMA step of every codebook; call after each optimizer step in fakequant mode."""
        with self._named_faults("weights"):
            for conv in self.hidden().values():
                conv.quantizer.update(conv.weight)

    @contextmanager
    def _named_faults(self, what: str) -> Iterator[None]:
        """Name the layer where a kernel met NaN outside a forward pass."""
        try:
            yield
        except FloatingPointError as error:
            broken = [n for n, c in self.hidden().items() if c.weight.isnan().any()]
            where = f"Layer {broken[0]!r}: {what}" if broken else f"Codebooks of {what}"
            raise NotANumberError(f"{where} must be finite: {error}") from error

    def freeze_codebooks(self) -> None:
        """Round all codebooks to integer levels and stop adapting them."""
        for conv in self.hidden().values():
            conv.quantizer.freeze()

    @property
    def codebooks_frozen(self) -> bool:
        return all(bool(conv.quantizer.frozen) for conv in self.hidden().values())

    @torch.no_grad()
    def with_weight_widths(self, widths: Mapping[str, int]) -> Self:
        """A new network with other codebook widths and this one's parameters and statistics.

        Its codebooks start anew from the weights (their sizes differ).
        """
        config = replace(self.config, weight_widths=tuple(sorted(widths.items())))
        other = type(self)(config).to(self.device)
        state = {k: v for k, v in self.state_dict().items() if ".quantizer." not in k}
        kept = {k: v for k, v in other.state_dict().items() if ".quantizer." in k}
        other.load_state_dict({**state, **kept})
        other.initialise_codebooks()
        other.train(self.training)
        other.set_mode(self.mode)
        return other


def residual(x: Signal, skip: Skip, channels: int) -> Signal:
    """What a node of ``channels`` channels adds to its sums."""
    if skip.stride == 1 and x.data.shape[1] == channels:
        return x
    return x._replace(data=read_skip(skip, x.data, channels))
