"""Networks as lists of nodes, one per tensor: CIFAR and ImageNet ResNets, MobileNet-V2.

The trainer makes its modules from them, the export its layers, the simulator its random programs.
A node is called like the tensor and the layer of the program that make it. Each block reads its
stream through a threshold activation. In MobileNet-V2 that is a ReLU on the linear bottlenecks
which the original lacks, and every ReLU6 is the clip of the activation's range: weights of the
original need training here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from math import prod
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from .errors import InputError
from .formats import IntFormat
from .layers import LayerKind, Skip
from .program import INPUT
from .windows import Pair, Sides, pair

Integer = TypeVar("Integer", bound=np.integer[Any])
U8, S8, S32 = IntFormat(width=8), IntFormat(width=8, signed=True), IntFormat(width=32, signed=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A function of the codes of a tensor as a table: a rising part less a falling one.

    Both parts are threshold layers, which count; the sum is an avg_pool of 1 x 1 with a skip.
    """

    function: str
    """A name that the trainer knows (`adq.networks.curves`)."""
    part: Literal["rise", "fall", "sum"]
    numbers: tuple[float, ...] = ()
    """Constants of the function."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One tensor: its operation and inputs."""

    name: str
    kind: LayerKind
    source: str
    ins: int
    """Channels of the source."""
    channels: int
    size: Pair
    """Height and width."""
    kernel: Pair = (1, 1)
    """Of an upsampling: its factors."""
    stride: Pair = (1, 1)
    padding: Sides = (0, 0, 0, 0)
    dilation: Pair = (1, 1)
    """Distance of the kernel's taps: layers of programs have zeros between them."""
    groups: int = 1
    coded: bool = False
    """Whether weights have a codebook: those of all layers but the first and the last."""
    stream: IntFormat | None = None
    """Format of the codes; None: thresholds make them, of the width that the network is given.
    S32 is the result: plain sums."""
    skip: Skip | None = None
    others: tuple[str, ...] = ()
    """Tensors whose channels a concatenation puts behind those of the source."""
    norm: str | None = None
    """Name of the batch norm behind the sums; None: there is none."""
    eps: float = 1e-5
    momentum: float = 0.1
    """Of the batch norm: added to variances, and the weight of a batch in running statistics."""
    bias: bool = False
    flat: bool = False
    """Whether the weights are a matrix (channels, inputs), as those of a linear layer."""
    clip: float | None = None
    """Largest value (of both signs, where codes are signed) of the activation; None: no limit."""
    curve: Curve | None = None
    step: str | None = None
    """Node that has the same stream's quantizer, where codes of several nodes are concatenated."""
    dropout: float = 0.0
    """Share of the source's values that training drops."""
    path: str | None = None
    """Where the trainer keeps its parameters; None: under the name."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the tensors that it computes from, the residual apart."""
        return (self.source, *self.others)

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the tensors that it reads."""
        return self.sources if self.skip is None else (*self.sources, self.skip.tensor)

    @property
    def weighted(self) -> bool:
        """Whether it has weights."""
        return self.kind in (LayerKind.CONV, LayerKind.LINEAR)

    @property
    def ends(self) -> bool:
        """Whether it makes the result as plain sums."""
        return self.stream == S32

    @property
    def weights(self) -> int:
        """Number of its weights."""
        if not self.weighted:
            return 0
        return self.channels * (self.ins // self.groups) * prod(self.kernel)


Nodes = tuple[Node, ...]


def dilated(weights: npt.NDArray[Integer], node: Node) -> npt.NDArray[Integer]:
    """Levels or codes (Cout, Cin, kh, kw) of a node with zeros between the taps, if it is dilated.

    Code 0 of every codebook is level 0.
    """
    if node.dilation == (1, 1):
        return weights
    (high, wide), (down, across) = node.kernel, node.dilation
    size = (high - 1) * down + 1, (wide - 1) * across + 1
    spread = np.zeros((*weights.shape[:2], *size), weights.dtype)
    spread[:, :, ::down, ::across] = weights
    return spread


@dataclass(kw_only=True)
class Sketch:
    """A list of nodes being written; methods return the name of the new tensor."""

    ins: int = 3
    """Channels of the input."""
    image_size: int | Pair
    """Height and width; one number for both."""
    nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._extents: dict[str, tuple[int, Pair]] = {INPUT: (self.ins, pair(self.image_size))}

    @property
    def last(self) -> str:
        return self.nodes[-1].name if self.nodes else INPUT

    def channels(self, name: str) -> int:
        return self._extents[name][0]

    def conv(
        self, name: str, channels: int, kernel: int, *, source: str | None = None, stride: int = 1,
        groups: int = 1, stream: IntFormat | None = None, skip: Skip | None = None,
    ) -> str:  # fmt: skip
        """A convolution with padding `kernel // 2`; the first one reads pixels."""
        source = source or self.last
        size = _strided(self._extents[source][1], stride)
        return self._add(
            name, LayerKind.CONV, source, channels, size,
            kernel=(kernel,) * 2, stride=(stride,) * 2, padding=(kernel // 2,) * 4, groups=groups,
            coded=source != INPUT, stream=stream, skip=skip, norm=f"{name}.bn",
        )  # fmt: skip

    def read(self, name: str, source: str | None = None) -> str:
        """A threshold activation of a stream."""
        source = source or self.last
        return self._add(name, LayerKind.THRESHOLD, source, *self._extents[source])

    def max_pool(self, name: str) -> str:
        """3 x 3, stride 2, padding 1."""
        channels, size = self._extents[self.last]
        return self._add(
            name, LayerKind.MAX_POOL, self.last, channels, _strided(size, 2),
            kernel=(3, 3), stride=(2, 2), padding=(1,) * 4, stream=U8,
        )  # fmt: skip

    def classify(self, classes: int) -> None:
        """Global average pool and classifier."""
        channels, size = self._extents[self.last]
        window = {"kernel": size, "stride": size}
        self._add("pool", LayerKind.AVG_POOL, self.last, channels, (1, 1), stream=U8, **window)
        last = {"stream": S32, "bias": True, "flat": True}
        self._add("fc", LayerKind.LINEAR, "pool", classes, (1, 1), **last)

    def _add(
        self, name: str, kind: LayerKind, source: str, channels: int, size: Pair, **more: Any
    ) -> str:
        ins = self.channels(source)
        self.nodes.append(
            Node(name=name, kind=kind, source=source, ins=ins, channels=channels, size=size, **more)
        )
        self._extents[name] = channels, size
        return name


def _strided(size: Pair, stride: int) -> Pair:
    """Of a map that is padded by half of the kernel."""
    return (size[0] - 1) // stride + 1, (size[1] - 1) // stride + 1


@lru_cache(maxsize=64)
def cifar_resnet(
    *, blocks: int, widths: tuple[int, ...] = (16, 32, 64), projected: bool = False,
    ins: int = 3, image_size: int | Pair = 32, classes: int = 10,
) -> Nodes:  # fmt: skip
    """2 + 2 * stages * blocks layers (He et al. 2015); each stage after the first halves the map.

    Shortcuts take every second position and pad channels with zeros on both sides (option A), or
    are 1 x 1 convolutions (option B: projected).
    """
    net = Sketch(ins=ins, image_size=image_size)
    stream = net.conv("conv1", widths[0], 3, stream=U8)
    for stage, planes in enumerate(widths):
        for block in range(blocks):
            name, stride = f"layer{stage + 1}.{block}", 2 if stage and not block else 1
            wider = planes - net.channels(stream)
            act = net.read(f"{name}.act1", stream)
            inner = net.conv(f"{name}.conv1", planes, 3, stride=stride)
            skip = Skip(tensor=stream, stride=stride, channel_offset=wider // 2)
            if projected and (stride > 1 or wider):
                skip = _projection(net, name, planes, act, stride)
            stream = net.conv(f"{name}.conv2", planes, 3, source=inner, stream=U8, skip=skip)
    net.classify(classes)
    return tuple(net.nodes)


def _projection(net: Sketch, name: str, channels: int, act: str, stride: int) -> Skip:
    made = net.conv(f"{name}.downsample", channels, 1, source=act, stride=stride, stream=S8)
    return Skip(tensor=made)


def _imagenet_resnet(
    net: Sketch, width: int, classes: int, blocks: Sequence[int], bottleneck: bool
) -> None:
    """Stem 7 x 7 stride 2 and max pool, four stages, 1 x 1 projections where shapes change."""
    net.conv("conv1", width, 7, stride=2, stream=U8)
    stream = net.max_pool("maxpool")
    for stage, count in enumerate(blocks):
        planes = width << stage
        outs = 4 * planes if bottleneck else planes
        for block in range(count):
            name, stride = f"layer{stage + 1}.{block}", 2 if stage and not block else 1
            act, skip = net.read(f"{name}.act1", stream), Skip(tensor=stream)
            if stride == 2 or net.channels(stream) != outs:
                skip = _projection(net, name, outs, act, stride)
            if bottleneck:  # the stride is in the 3 x 3
                net.conv(f"{name}.conv1", planes, 1, source=act)
                net.conv(f"{name}.conv2", planes, 3, stride=stride)
                stream = net.conv(f"{name}.conv3", outs, 1, stream=U8, skip=skip)
            else:
                net.conv(f"{name}.conv1", planes, 3, source=act, stride=stride)
                stream = net.conv(f"{name}.conv2", outs, 3, stream=U8, skip=skip)
    net.classify(classes)


MOBILENET_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
"""Expansion, channels, blocks, stride (Sandler et al. 2018, table 2)."""


def mobilenet_channels(channels: int, width: float) -> int:
    """The multiple of 8 near channels x width, a tenth below at most: torchvision's rule."""
    exact = channels * width
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def _mobilenet_v2(net: Sketch, width: int, classes: int) -> None:
    """Inverted residuals; linear bottlenecks are signed streams."""

    def scaled(channels: int) -> int:
        return mobilenet_channels(channels, width / 32)

    stream = net.conv("conv1", scaled(32), 3, stride=2, stream=U8)
    for stage, (expansion, channels, count, first_stride) in enumerate(MOBILENET_STAGES):
        planes = scaled(channels)
        for block in range(count):
            name, stride = f"block{stage}.{block}", first_stride if block == 0 else 1
            ins = net.channels(stream)
            hidden = ins * expansion
            net.read(f"{name}.act", stream)
            if expansion > 1:
                net.conv(f"{name}.expand", hidden, 1)
            net.conv(f"{name}.depthwise", hidden, 3, stride=stride, groups=hidden)
            skip = Skip(tensor=stream) if stride == 1 and ins == planes else None
            stream = net.conv(f"{name}.project", planes, 1, stream=S8, skip=skip)
    net.read("last.act", stream)
    net.conv("last", max(1280, scaled(1280)), 1, stream=U8)
    net.classify(classes)


_DRAWN: dict[str, tuple[int, Callable[[Sketch, int, int], None]]] = {
    "resnet18": (64, partial(_imagenet_resnet, blocks=(2, 2, 2, 2), bottleneck=False)),
    "resnet34": (64, partial(_imagenet_resnet, blocks=(3, 4, 6, 3), bottleneck=False)),
    "resnet50": (64, partial(_imagenet_resnet, blocks=(3, 4, 6, 3), bottleneck=True)),
    "mobilenet-v2": (32, _mobilenet_v2),
}
IMAGENET = {name: width for name, (width, _) in _DRAWN.items()}
"""Channels of the first convolution, as published; the others grow with it."""
CIFAR = {f"resnet{depth}-cifar": (depth - 2) // 6 for depth in (8, 20, 32, 44, 56)}
"""Blocks per stage."""
PUBLISHED = (*CIFAR, *IMAGENET)


@lru_cache(maxsize=64)
def imagenet(name: str, *, width: int, ins: int = 3, image_size: int | Pair, classes: int) -> Nodes:
    """The network `name` of `IMAGENET` with `width` channels in its first convolution."""
    net = Sketch(ins=ins, image_size=image_size)
    _DRAWN[name][1](net, width, classes)
    return tuple(net.nodes)


def published(name: str) -> tuple[int, Nodes]:
    """Image size and nodes of the network `name` of `PUBLISHED`, in its published sizes."""
    if name in CIFAR:
        return 32, cifar_resnet(blocks=CIFAR[name])
    if name in IMAGENET:
        return 224, imagenet(name, width=IMAGENET[name], image_size=224, classes=1000)
    raise InputError(f"Network must be one of {', '.join(PUBLISHED)}, not {name!r}")
