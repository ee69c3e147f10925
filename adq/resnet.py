"""CIFAR ResNets (depth 8, 20, 32, 44, 56, ...) as the hardware computes them.

Module names equal the tensor names of the exported program: ``conv1``, ``layerS.J.act1``,
``layerS.J.conv1``, ``layerS.J.conv2``, ``layerS.J.downsample`` (option B), ``pool``, ``fc``.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..spec.errors import InputError
from ..spec.program import Program
from .exact import PIXEL
from .integer import prepare
from .layers import GlobalPool, InputConv2d, QuantConv2d, QuantLinear, ReadActivation, Unit
from .low_bit import LowBitActivation
from .methods import Method, activation, weight_quantizer
from .stream import StreamQuantizer
from .tensors import Mode, Signal
from .weight_quantizer import WeightQuantizer

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResNetConfig:
    """Everything that fixes the shapes of a network and of its state."""

    depth: int = 20
    """2 + 2 * stages * blocks per stage."""
    shortcut: str = "A"
    """"A": subsample and zero-pad; "B": 1x1 convolution (quantized like the others)."""
    widths: tuple[int, ...] = (16, 32, 64)
    """Channels of each stage; each stage after the first halves the map."""
    classes: int = 10
    image_size: int = 32
    mean: tuple[float, ...] = IMAGENET_MEAN
    """Per input channel, of pixels / 255; its length is the number of input channels."""
    std: tuple[float, ...] = IMAGENET_STD
    act_width: int = 4
    weight_width: int = 4
    """Codebook width of the hidden layers that ``weight_widths`` does not name."""
    weight_widths: tuple[tuple[str, int], ...] = ()
    """Per-layer widths, (name, bits): the result of an allocation."""
    method: Method = field(default_factory=Method)
    """Rules of hidden weights and activations."""

    def __post_init__(self) -> None:
        stages = len(self.widths)
        blocks, rest = divmod(self.depth - 2, 2 * max(stages, 1))
        if stages < 1 or rest or blocks < 1:
            raise InputError(
                f"Depth must be 2 + 2 * {stages} stages * blocks per stage, not {self.depth}"
            )
        if self.shortcut not in ("A", "B"):
            raise InputError(f"Shortcut must be 'A' or 'B', not {self.shortcut!r}")
        if any(b < a or (b - a) % 2 for a, b in zip(self.widths, self.widths[1:], strict=False)):
            raise InputError(f"Widths must grow by even numbers, not {self.widths}")
        if len(self.mean) != len(self.std) or not self.mean or min(self.std) <= 0:
            raise InputError("Mean and std must have one entry per input channel, std positive")
        if not all(0 <= m <= 1 for m in self.mean):
            raise InputError(f"Mean must be in 0..1 (of pixels / 255), not {self.mean}")
        if self.image_size % 2 ** (stages - 1) or self.image_size < 2 ** (stages - 1):
            raise InputError(
                f"Image size must be a multiple of {2 ** (stages - 1)}, not {self.image_size}"
            )
        unknown = sorted(set(dict(self.weight_widths)) - set(self.hidden_names()))
        if unknown:
            raise InputError(f"Weight width must name a hidden layer, not {unknown[0]!r}")

    @property
    def blocks(self) -> int:
        """Blocks per stage."""
        return (self.depth - 2) // (2 * len(self.widths))

    def hidden_names(self) -> list[str]:
        """Names of the layers with a codebook, in order of execution."""
        names = []
        for stage in range(len(self.widths)):
            for j in range(self.blocks):
                block = f"layer{stage + 1}.{j}"
                if self.shortcut == "B" and stage > 0 and j == 0:
                    names.append(f"{block}.downsample")
                names += [f"{block}.conv1", f"{block}.conv2"]
        return names

    def width_of(self, name: str) -> int:
        """Codebook width of the hidden layer ``name``."""
        return dict(self.weight_widths).get(name, self.weight_width)


class Block(nn.Module):
    """Basic block: read activation, two convolutions, shortcut, stream quantizer."""

    def __init__(
        self, in_channels: int, channels: int, *, stride: int, config: ResNetConfig, name: str
    ) -> None:
        super().__init__()
        self.stride, self.offset = stride, (channels - in_channels) // 2

        def conv(role: str, source: int, output: nn.Module, *, kernel: int, stride: int):
            return QuantConv2d(
                source,
                channels,
                kernel=kernel,
                stride=stride,
                quantizer=weight_quantizer(
                    config.method, config.width_of(f"{name}.{role}"), channels
                ),
                output=output,
            )

        self.act1 = ReadActivation(activation(config.method, config.act_width, in_channels))
        inner = activation(config.method, config.act_width, channels)
        self.conv1 = conv("conv1", in_channels, inner, kernel=3, stride=stride)
        self.conv2 = conv("conv2", channels, StreamQuantizer(), kernel=3, stride=1)
        self.downsample = None
        if config.shortcut == "B" and (stride > 1 or channels != in_channels):
            projection = StreamQuantizer(signed=True)
            self.downsample = conv("downsample", in_channels, projection, kernel=1, stride=stride)

    def shortcut(self, x: Signal) -> Signal:
        """Option A: every ``stride``-th position, zero channels on both sides."""
        if self.stride == 1 and self.offset == 0:
            return x
        taken = x.data[:, :, :: self.stride, :: self.stride]
        return x._replace(data=F.pad(taken, (0, 0, 0, 0, self.offset, self.offset)))

    def forward(self, x: Signal) -> Signal:
        read = self.act1(x)
        skip = self.shortcut(x) if self.downsample is None else self.downsample(read)
        return self.conv2(self.conv1(read), skip)


class ResNet(nn.Module):
    """uint8 images (N, C, H, W) to logits (N, classes), in every mode.

    Logits are real values, in integer mode the program's int32 numbers. In fakequant mode, with
    frozen codebooks, in evaluation and without gradients the constants are the program's (`exact`).
    """

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__()
        self.config, self.mode = config, Mode.FLOAT
        self.conv1 = InputConv2d(
            config.widths[0], mean=config.mean, std=config.std, output=StreamQuantizer()
        )
        channels = config.widths[0]
        for stage, width in enumerate(config.widths):
            blocks = nn.Sequential()
            for j in range(config.blocks):
                stride = 2 if stage > 0 and j == 0 else 1
                name = f"layer{stage + 1}.{j}"
                blocks.append(Block(channels, width, stride=stride, config=config, name=name))
                channels = width
            self.add_module(f"layer{stage + 1}", blocks)
        self.pool = GlobalPool()
        self.fc = QuantLinear(channels, config.classes)

    @property
    def stages(self) -> list[nn.Sequential]:
        return [self.get_submodule(f"layer{s + 1}") for s in range(len(self.config.widths))]

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv1(Signal(images, format=PIXEL if self.exact else None))
        for stage in self.stages:
            x = stage(x)
        logits = self.fc(self.pool(x))
        data = logits.data.flatten(1)
        return data if logits.scale == 1.0 else (data * logits.scale).float()

    @property
    def exact(self) -> bool:
        """Whether a forward pass is the evaluation of a frozen network, by `exact`."""
        rounded = torch.is_autocast_enabled(self.fc.weight.device.type)
        still = not (self.training or torch.is_grad_enabled() or rounded)
        return still and self.mode is Mode.FAKEQUANT and self.codebooks_frozen

    # -- parts -----------------------------------------------------------------------------------

    def units(self) -> dict[str, Unit]:
        """The modules that make the program's tensors, by name."""
        return {name: m for name, m in self.named_modules() if isinstance(m, Unit)}

    def convolutions(self) -> list[QuantConv2d]:
        """All convolutions, hidden or not."""
        return [unit for unit in self.units().values() if isinstance(unit, QuantConv2d)]

    def hidden(self) -> dict[str, QuantConv2d]:
        """The convolutions with a codebook, by name, in order of execution."""
        return {name: self.get_submodule(name) for name in self.config.hidden_names()}

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
        for conv in self.hidden().values():
            conv.initialise_codebook()

    def update_codebooks(self) -> None:
        """One EMA step of every codebook; call after each optimizer step in fakequant mode."""
        for conv in self.hidden().values():
            conv.quantizer.update(conv.weight)

    def freeze_codebooks(self) -> None:
        """Round all codebooks to integer levels and stop adapting them."""
        for conv in self.hidden().values():
            conv.quantizer.freeze()

    @property
    def codebooks_frozen(self) -> bool:
        return all(bool(conv.quantizer.frozen) for conv in self.hidden().values())

    @torch.no_grad()
    def with_weight_widths(self, widths: Mapping[str, int]) -> "ResNet":
        """A new network with other codebook widths and this one's parameters and statistics.

        Its codebooks start anew from the weights (their sizes differ).
        """
        config = replace(self.config, weight_widths=tuple(sorted(widths.items())))
        other = ResNet(config).to(self.fc.weight.device)
        state = {k: v for k, v in self.state_dict().items() if ".quantizer." not in k}
        kept = {k: v for k, v in other.state_dict().items() if ".quantizer." in k}
        other.load_state_dict({**state, **kept})
        other.initialise_codebooks()
        other.train(self.training)
        other.set_mode(self.mode)
        return other
