"""The network of a configuration: one module per node of `spec.networks`, in three modes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...spec.errors import InputError
from ...spec.layers import Skip
from ...spec.networks import Node
from ...spec.program import INPUT, Program
from ..integers.constants import PIXEL
from ..integers.integer import prepare, read_skip
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..quantizers.weight_quantizer import WeightQuantizer
from ..ranks import BatchNorm
from ..tensors import Mode, NotANumberError, Signal
from .accumulators import fit, give_room
from .build import make_unit
from .classifier import QuantLinear
from .config import NetworkConfig
from .layers import HiddenConv2d, QuantConv2d, Unit
from .pooling import AveragePool, together


class Network(nn.Module):
    """uint8 images (N, C, H, W) to logits (N, classes), in every mode.

    Logits are real values, in integer mode the program's int32 numbers. In fakequant mode, with
    frozen codebooks, in evaluation and without gradients the constants are those of the program
    (`frozen`). Module names are the names of the nodes, hence of the program's tensors.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config, self.mode = config, Mode.FLOAT
        self.nodes = config.nodes()
        self.last_reads = {
            name: number for number, node in enumerate(self.nodes) for name in node.reads
        }
        """Number of the last node that reads each tensor."""
        self.follows = config.follows
        """Whether codebooks follow the weights by themselves, at the next training pass."""
        made: dict[str, Unit] = {}
        for node in config.construction():
            made[node.name] = make_unit(self, config, node, made)
        for name, unit in made.items():
            unit.name = name
        self._made = made
        """Units by the names of their tensors, in the order of construction."""
        if config.method.codebook.acc_width is not None:
            give_room(self, config.method.codebook.acc_width)
        self._seen: dict[str, int] = self._versions()

    def forward(self, images: Tensor) -> Tensor:
        """images: uint8 codes (N, C, H, W), or the real values that they stand for."""
        if self.follows and self.training and self.mode is Mode.FAKEQUANT:
            self._follow()
        given = self.entered(images)
        signals = {INPUT: Signal(given, format=PIXEL if self.exact else None)}
        for number, node in enumerate(self.nodes):
            x, skip = self.inputs(node, signals)
            if node.dropout and self.training and self.mode is not Mode.INTEGER:
                x = x._replace(data=F.dropout(x.data.float(), node.dropout))
            signals[node.name] = self._made[node.name](x, skip)
            for name in set(node.reads):
                if self.last_reads[name] == number:
                    del signals[name]  # without gradients nothing else refers to it
        return self.real_logits(signals[self.nodes[-1].name])

    def entered(self, images: Tensor) -> Tensor:
        """What the first layers read: codes, or in float mode the exact place between codes."""
        images = self.config.as_maps(images)
        if images.is_floating_point():
            images = self.config.pixels(images)
            if self.mode is not Mode.FLOAT:
                images = images.round().clamp_(PIXEL.min, PIXEL.max)
        return images

    @torch.no_grad()
    def encode(self, images: Tensor) -> Tensor:
        """The program's input codes, uint8 (N, C, H, W), of real values (or of codes)."""
        images = self.config.as_maps(images)
        if images.is_floating_point():
            images = self.config.pixels(images).round().clamp_(PIXEL.min, PIXEL.max)
        return images.to(torch.uint8)

    @staticmethod
    def inputs(node: Node, signals: Mapping[str, Signal]) -> tuple[Signal, Signal | None]:
        """What the unit of ``node`` takes, of the ``signals`` made so far (by tensor)."""
        source = signals[node.source]
        if node.others:
            source = together([signals[name] for name in node.sources])
        if node.skip is None:
            return source, None
        return source, residual(signals[node.skip.tensor], node.skip, node.channels)

    def real_logits(self, logits: Signal) -> Tensor:
        """The result (N, classes), or (N, C, H, W) of a network that makes maps, as real values."""
        data = logits.data if self.config.makes_maps else logits.data.flatten(1)
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
        return next(self.parameters()).device

    # -- parts -----------------------------------------------------------------------------------

    def units(self) -> dict[str, Unit]:
        """The modules that make the program's tensors, by name."""
        return dict(self._made)

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

    def norms(self) -> Iterator[tuple[QuantConv2d | AveragePool, BatchNorm]]:
        """Batch norms, each with the unit whose sums it reads."""
        for unit in self.units().values():
            if isinstance(unit, QuantConv2d | AveragePool) and unit.bn is not None:
                yield unit, unit.bn

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
        object.__setattr__(self, "mode", mode)  # a user's network may have a module of that name
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
        self._seen = self._versions()

    def update_codebooks(self, decay: float | None = None) -> None:
        """One EMA step of every codebook; call after each optimizer step in fakequant mode.

        decay: of codebooks whose settings leave it open.
        """
        with self._named_faults("weights"):
            for conv in self.hidden().values():
                conv.quantizer.update(conv.quantized_weight(), decay)
            fit(self)
        self._seen = self._versions()

    def _versions(self) -> dict[str, int]:
        """How often each hidden weight was written in place."""
        return {name: conv.weight._version for name, conv in self.hidden().items()}

    def _follow(self) -> None:
        """Let the codebooks of weights that changed take their step."""
        if self._versions() != self._seen:
            self.update_codebooks()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        # a copy's tensors count their writes anew: what was pending in the original is pending here
        self._seen = {}

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
        fit(self)

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
