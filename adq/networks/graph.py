"""Networks made from a list of nodes (`topologies`): ResNet-18/34/50 and MobileNet-V2."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from ...spec.errors import InputError
from ...spec.program import INPUT
from ..integers.constants import PIXEL
from ..quantizers.low_bit import LowBitActivation
from ..quantizers.methods import Method, activation, weight_quantizer
from ..quantizers.stream import StreamQuantizer
from ..tensors import Signal
from .classifier import QuantLinear
from .layers import HiddenConv2d, InputConv2d, ReadActivation, Unit
from .network import Network
from .pooling import GlobalPool, MaxPool
from .resnet import IMAGENET_MEAN, IMAGENET_STD
from .topologies import ACT, S8, TOPOLOGIES, Node, nodes


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphConfig:
    """Everything that fixes the shapes of a network and of its state."""

    arch: str = "resnet18"
    """A name of `topologies.TOPOLOGIES`."""
    width: int = 64
    """Channels of the first convolution; the others grow with it (64: ResNet, 32: MobileNet)."""
    classes: int = 1000
    image_size: int = 224
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
        if self.arch not in TOPOLOGIES:
            raise InputError(f"Network must be one of {', '.join(TOPOLOGIES)}, not {self.arch!r}")
        if self.width < 4 or self.width % 4:
            raise InputError(f"Width must be a positive multiple of 4, not {self.width}")
        if self.image_size < 32:
            # five halvings: below it the last map would be a single position already before them
            raise InputError(f"Image size must be at least 32, not {self.image_size}")
        if len(self.mean) != len(self.std) or not self.mean or min(self.std) <= 0:
            raise InputError("Mean and std must have one entry per input channel, std positive")
        if not all(0 <= m <= 1 for m in self.mean):
            raise InputError(f"Mean must be in 0..1 (of pixels / 255), not {self.mean}")
        unknown = sorted(set(dict(self.weight_widths)) - set(self.hidden_names()))
        if unknown:
            raise InputError(f"Weight width must name a hidden layer, not {unknown[0]!r}")

    def nodes(self) -> tuple[Node, ...]:
        """The tensors of the network in order of execution."""
        return nodes(self.arch, image_size=self.image_size, width=self.width, classes=self.classes)

    def hidden_names(self) -> list[str]:
        """Names of the layers with a codebook, in order of execution."""
        return [node.name for node in self.nodes() if node.kind == "conv"]

    def width_of(self, name: str) -> int:
        """Codebook width of the hidden layer ``name``."""
        return dict(self.weight_widths).get(name, self.weight_width)


class GraphNetwork(Network):
    """The units of a list of nodes, and a forward pass that walks it."""

    def __init__(self, config: GraphConfig) -> None:
        super().__init__(config)
        self.nodes = config.nodes()
        self.readers = {
            name: max(i for i, n in enumerate(self.nodes) if name in (n.source, n.skip))
            for name in {INPUT, *(node.name for node in self.nodes[:-1])}
        }
        """The last node that reads each tensor."""
        channels = {INPUT: len(config.mean)}
        for node in self.nodes:
            self._place(node.name, self._unit(node, channels[node.source]))
            channels[node.name] = node.channels
        self.name_units()

    def forward(self, images: Tensor) -> Tensor:
        signals = {INPUT: Signal(images, format=PIXEL if self.exact else None)}
        for number, node in enumerate(self.nodes):
            skip = None if node.skip is None else signals[node.skip]
            signals[node.name] = self.get_submodule(node.name)(signals[node.source], skip)
            for name in {node.source, node.skip} - {None}:
                if self.readers[name] == number:
                    del signals[name]  # without gradients nobody needs it any more
        return self.real_logits(signals["fc"])

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

    def _unit(self, node: Node, ins: int) -> Unit:
        config = self.config
        match node.kind:
            case "input":
                return InputConv2d(
                    node.channels,
                    mean=config.mean,
                    std=config.std,
                    output=StreamQuantizer(),
                    kernel=node.kernel,
                    stride=node.stride,
                )
            case "read":
                return ReadActivation(activation(config.method, config.act_width, ins))
            case "max_pool":
                return MaxPool(self.get_submodule(node.source).output)
            case "pool":
                return GlobalPool()
            case "fc":
                return QuantLinear(ins, node.channels)
            case _:
                return self._conv(node, ins)

    def _conv(self, node: Node, ins: int) -> HiddenConv2d:
        config = self.config
        output: LowBitActivation | StreamQuantizer = StreamQuantizer(signed=node.output == S8)
        if node.output == ACT:
            output = activation(config.method, config.act_width, node.channels)
        return HiddenConv2d(
            ins,
            node.channels,
            kernel=node.kernel,
            stride=node.stride,
            groups=node.groups,
            quantizer=weight_quantizer(config.method, config.width_of(node.name), node.channels),
            output=output,
        )
