"""CIFAR ResNets (depth 8, 20, 32, 44, 56, ...) as the hardware computes them.

Module names equal the tensor names of the exported program: ``conv1``, ``layerS.J.act1``,
``layerS.J.conv1``, ``layerS.J.conv2``, ``layerS.J.downsample`` (option B), ``pool``, ``fc``.
"""

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn

from ...spec.errors import InputError
from ..integers.constants import PIXEL
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.methods import Method, activation, weight_quantizer
from ..quantizers.stream import StreamQuantizer
from ..tensors import Signal
from .classifier import QuantLinear
from .layers import HiddenConv2d, InputConv2d, ReadActivation
from .network import Network
from .pooling import GlobalPool

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

        def conv(
            role: str,
            source: int,
            output: LowBitActivation | StreamQuantizer,
            *,
            kernel: int,
            stride: int,
        ):
            return HiddenConv2d(
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


class ResNet(Network):
    """A CIFAR ResNet."""

    def __init__(self, config: ResNetConfig) -> None:
        super().__init__(config)
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
        self.name_units()

    @property
    def stages(self) -> list[nn.Sequential]:
        return [self.get_submodule(f"layer{s + 1}") for s in range(len(self.config.widths))]

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv1(Signal(images, format=PIXEL if self.exact else None))
        for stage in self.stages:
            x = stage(x)
        return self.real_logits(self.fc(self.pool(x)))
