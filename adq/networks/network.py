"""What every network of the trainer is to the loop, the allocation and the export."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self

import torch
from torch import Tensor, nn

from ...spec.errors import InputError
from ...spec.program import Program
from ..integers.integer import prepare
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.stream import StreamQuantizer
from ..quantizers.weight_quantizer import WeightQuantizer
from ..tensors import Mode, NotANumberError, Signal
from .classifier import QuantLinear
from .layers import HiddenConv2d, InputConv2d, QuantConv2d, Unit


class Network(nn.Module):
    """uint8 images (N, C, H, W) to logits (N, classes), in every mode; base of the topologies.

    Logits are real values, in integer mode the program's int32 numbers. In fakequant mode, with
    frozen codebooks, in evaluation and without gradients the constants are the program's (`exact`).

    config: frozen dataclass with ``mean``, ``std``, ``image_size``, ``classes``, ``method``,
    ``act_width``, ``weight_widths``, ``hidden_names()`` and ``width_of(name)``. Subclasses make
    units whose module names are the program's tensors, ``conv1`` the first and ``fc`` the last.
    """

    conv1: InputConv2d
    fc: QuantLinear

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config, self.mode = config, Mode.FLOAT

    @staticmethod
    def real_logits(logits: Signal) -> Tensor:
        """Logits (N, classes) of the signal of the classifier."""
        data = logits.data.flatten(1)
        return data if logits.scale == 1.0 else (data * logits.scale).float()

    @property
    def exact(self) -> bool:
        """Whether a forward pass is the evaluation of a frozen network, by `exact`."""
        rounded = torch.is_autocast_enabled(self.fc.weight.device.type)
        still = not (self.training or torch.is_grad_enabled() or rounded)
        return still and self.mode is Mode.FAKEQUANT and self.codebooks_frozen

    def name_units(self) -> None:
        """Tell every unit its name, for messages; at the end of a subclass's construction."""
        for name, unit in self.units().items():
            unit.name = name

    # -- parts -----------------------------------------------------------------------------------

    def units(self) -> dict[str, Unit]:
        """The modules that make the program's tensors, by name."""
        return {name: m for name, m in self.named_modules() if isinstance(m, Unit)}

    def convolutions(self) -> list[QuantConv2d]:
        """All convolutions, hidden or not."""
        return [unit for unit in self.units().values() if isinstance(unit, QuantConv2d)]

    def hidden(self) -> dict[str, HiddenConv2d]:
        """The convolutions with a codebook, by name, in order of execution."""
        found = {n: unit for n, unit in self.units().items() if isinstance(unit, HiddenConv2d)}
        return {name: found[name] for name in self.config.hidden_names()}

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
        device = self.fc.weight.device
        for name, unit in units.items():
            unit.prepared = prepare(program, name, device)
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
            place = f"Layer {broken[0]!r}: {what}" if broken else f"Codebooks of {what}"
            raise NotANumberError(f"{place} must be finite: {error}") from error

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
        other = type(self)(config).to(self.fc.weight.device)
        state = {k: v for k, v in self.state_dict().items() if ".quantizer." not in k}
        kept = {k: v for k, v in other.state_dict().items() if ".quantizer." in k}
        other.load_state_dict({**state, **kept})
        other.initialise_codebooks()
        other.train(self.training)
        other.set_mode(self.mode)
        return other
