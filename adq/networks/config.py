"""Configurations: everything that fixes the shapes of a network and of its state."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from ...spec.errors import InputError
from ...spec.networks import IMAGENET, Node, Nodes, cifar_resnet, imagenet
from ...spec.windows import Pair, pair
from ..quantizers.methods import Method

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(ABC):
    """What all networks have."""

    classes: int = 10
    image_size: int | Pair = 32
    """Height and width; one number for both."""
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
        if len(self.mean) != len(self.std) or not self.mean or min(self.std) <= 0:
            raise InputError("Mean and std must have one entry per input channel, std positive")
        if not all(0 <= m <= 1 for m in self.mean):
            raise InputError(f"Mean must be in 0..1 (of pixels / 255), not {self.mean}")
        unknown = sorted(set(dict(self.weight_widths)) - set(self.hidden_names()))
        if unknown:
            raise InputError(f"Weight width must name a hidden layer, not {unknown[0]!r}")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the program's input."""
        return len(self.mean), *pair(self.image_size)

    @property
    def makes_maps(self) -> bool:
        """Whether the result is (N, C, H, W), not (N, classes)."""
        return False

    @property
    def follows(self) -> bool:
        """Whether codebooks follow their weights by themselves: in a user's own training loop."""
        return False

    def pixel_scale(self) -> tuple[Tensor, Tensor]:
        """Mean and deviation of the input codes, (1, C, 1, 1)."""
        mean, std = (torch.tensor(v).view(1, -1, 1, 1) * 255 for v in (self.mean, self.std))
        return mean, std

    def pixels(self, values: Tensor) -> Tensor:
        """Places between the input codes of normalized values (N, C, H, W), not rounded."""
        mean, std = (v.to(values.device) for v in self.pixel_scale())
        return values * std + mean

    def as_maps(self, images: Tensor) -> Tensor:
        """What the network is given as maps (N, C, H, W)."""
        return images

    def facts(self) -> dict[str, Any]:
        """The network in the provenance of a program: plain values."""
        return asdict(self)

    @property
    @abstractmethod
    def title(self) -> str:
        """The network in a message."""

    @abstractmethod
    def nodes(self) -> Nodes:
        """The tensors of the network in the order of the program."""

    def construction(self) -> list[Node]:
        """Nodes as their modules are made: the order of random weights and of parameters."""
        return list(self.nodes())

    def hidden_names(self) -> list[str]:
        """Layers with a codebook, a block's projection before its convolutions."""
        nodes = _by_block(self.nodes(), projection_last=False)
        return [node.name for node in nodes if node.coded]

    def width_of(self, name: str) -> int:
        """Codebook width of the hidden layer ``name``."""
        return dict(self.weight_widths).get(name, self.weight_width)


@dataclass(frozen=True, kw_only=True)
class CifarConfig(NetworkConfig):
    """A CIFAR ResNet."""

    depth: int = 20
    """2 + 2 * stages * blocks per stage."""
    shortcut: str = "A"
    """"A": subsample and zero-pad; "B": 1x1 convolution (quantized like the others)."""
    widths: tuple[int, ...] = (16, 32, 64)
    """Channels of each stage; each stage after the first halves the map."""

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
        if min(pair(self.image_size)) < 2 ** (stages - 1):
            raise InputError(
                f"Image size must be at least {2 ** (stages - 1)}, not {self.image_size}"
            )
        super().__post_init__()

    @property
    def title(self) -> str:
        return f"depth {self.depth}"

    def nodes(self) -> Nodes:
        return cifar_resnet(
            blocks=(self.depth - 2) // (2 * len(self.widths)), widths=self.widths,
            projected=self.shortcut == "B", ins=len(self.mean), image_size=self.image_size,
            classes=self.classes,
        )  # fmt: skip

    def construction(self) -> list[Node]:
        return _by_block(self.nodes(), projection_last=True)


@dataclass(frozen=True, kw_only=True)
class ImagenetConfig(NetworkConfig):
    """ResNet-18/34/50 or MobileNet-V2."""

    arch: str = "resnet18"
    """A name of `spec.networks.IMAGENET`."""
    width: int = 64
    """Channels of the first convolution; the others grow with it (64: ResNet, 32: MobileNet)."""
    classes: int = 1000
    image_size: int | Pair = 224

    def __post_init__(self) -> None:
        if self.arch not in IMAGENET:
            raise InputError(f"Network must be one of {', '.join(IMAGENET)}, not {self.arch!r}")
        if self.width < 4 or self.width % 4:
            raise InputError(f"Width must be a positive multiple of 4, not {self.width}")
        if min(pair(self.image_size)) < 32:
            # five halvings: below it the last map would be a single position already before them
            raise InputError(f"Image size must be at least 32, not {self.image_size}")
        super().__post_init__()

    @property
    def title(self) -> str:
        return self.arch

    def nodes(self) -> Nodes:
        return imagenet(
            self.arch, width=self.width, ins=len(self.mean), image_size=self.image_size,
            classes=self.classes,
        )  # fmt: skip


def _by_block(nodes: Nodes, *, projection_last: bool) -> list[Node]:
    """Nodes with each block's projection behind or before the others of its block."""
    blocks = groupby(nodes, key=lambda node: node.name.rpartition(".")[0])
    return [
        node
        for _, block in blocks
        for node in sorted(block, key=lambda n: n.name.endswith(".downsample") == projection_last)
    ]
