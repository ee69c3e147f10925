"""ImageNet networks as lists of nodes: ResNet-18/34/50 (option B, stride in the 3x3) and
MobileNet-V2.

Names and structure are those of the simulator's networks (`sim/topologies.py`), which tests compare
node by node; a node is one tensor of the program. Each block reads its stream through a threshold
activation. In MobileNet-V2 that is a ReLU on the linear bottlenecks which the original lacks, and
every ReLU6 is the clip of the activation's range: weights of the original need training here.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from ...spec.program import INPUT

ACT, U8, S8 = "act", "u8", "s8"
"""What a convolution ends in: threshold activation, unsigned or signed 8-bit stream."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One tensor: what makes it and from what."""

    name: str
    kind: str
    """``input`` (first convolution), ``conv``, ``read``, ``max_pool``, ``pool`` or ``fc``."""
    source: str
    channels: int
    size: int
    """Height and width."""
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    output: str = ACT
    skip: str | None = None


@dataclass(kw_only=True)
class Sketch:
    """A list of nodes being written; methods return the name of the new tensor."""

    image_size: int
    width: int
    classes: int
    nodes: list[Node] = field(default_factory=list)

    @property
    def last(self) -> str:
        return self.nodes[-1].name if self.nodes else INPUT

    def find(self, name: str) -> Node:
        """The node that makes the tensor ``name``."""
        return next(node for node in self.nodes if node.name == name)

    def size(self, source: str) -> int:
        """Height of a tensor."""
        return self.image_size if source == INPUT else self.find(source).size

    def conv(
        self,
        name: str,
        channels: int,
        kernel: int,
        *,
        source: str | None = None,
        stride: int = 1,
        groups: int = 1,
        output: str = ACT,
        skip: str | None = None,
    ) -> str:
        """A convolution with padding ``kernel // 2``; the first one reads pixels."""
        source = source or self.last
        return self._add(
            name,
            "input" if source == INPUT else "conv",
            source,
            channels,
            (self.size(source) - 1) // stride + 1,
            kernel=kernel,
            stride=stride,
            groups=groups,
            output=output,
            skip=skip,
        )

    def read(self, name: str, source: str) -> str:
        """A threshold activation on a stream."""
        node = self.find(source)
        return self._add(name, "read", source, node.channels, node.size)

    def max_pool(self, name: str) -> str:
        """3 x 3, stride 2, padding 1."""
        node = self.find(self.last)
        size = (node.size - 1) // 2 + 1
        return self._add(
            name, "max_pool", node.name, node.channels, size, kernel=3, stride=2, output=U8
        )

    def classify(self) -> None:
        """Global average pool and classifier."""
        node = self.find(self.last)
        self._add("pool", "pool", node.name, node.channels, 1, kernel=node.size, output=U8)
        self._add("fc", "fc", "pool", self.classes, 1)

    def _add(self, name: str, kind: str, source: str, channels: int, size: int, **more: object):
        node = Node(name=name, kind=kind, source=source, channels=channels, size=size, **more)
        self.nodes.append(node)
        return name


def imagenet_resnet(net: Sketch, blocks: Iterable[int], bottleneck: bool) -> None:
    """Stem 7 x 7 stride 2 and max pool, four stages, 1 x 1 projections where shapes change."""
    net.conv("conv1", net.width, 7, stride=2, output=U8)
    stream = net.max_pool("maxpool")
    for stage, count in enumerate(blocks):
        planes = net.width << stage
        outs = 4 * planes if bottleneck else planes
        for block in range(count):
            name, stride = f"layer{stage + 1}.{block}", 2 if stage and not block else 1
            act, skip = net.read(f"{name}.act1", stream), stream
            if stride == 2 or net.find(stream).channels != outs:
                skip = net.conv(f"{name}.downsample", outs, 1, source=act, stride=stride, output=S8)
            if bottleneck:
                net.conv(f"{name}.conv1", planes, 1, source=act)
                net.conv(f"{name}.conv2", planes, 3, stride=stride)
                stream = net.conv(f"{name}.conv3", outs, 1, output=U8, skip=skip)
            else:
                net.conv(f"{name}.conv1", planes, 3, source=act, stride=stride)
                stream = net.conv(f"{name}.conv2", outs, 3, output=U8, skip=skip)
    net.classify()


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


def mobilenet_v2(net: Sketch) -> None:
    """Inverted residuals; linear bottlenecks are signed streams; width 32 is the published one."""

    def scaled(channels: int) -> int:
        # the nearest multiple of 8 that is not more than a tenth below (torchvision's rule)
        exact = channels * net.width / 32
        rounded = max(8, int(exact + 4) // 8 * 8)
        return rounded + 8 if rounded < 0.9 * exact else rounded

    stream = net.conv("conv1", scaled(32), 3, stride=2, output=U8)
    for stage, (expansion, channels, count, first_stride) in enumerate(MOBILENET_STAGES):
        planes = scaled(channels)
        for block in range(count):
            name, stride = f"block{stage}.{block}", first_stride if block == 0 else 1
            ins = net.find(stream).channels
            hidden = ins * expansion
            net.read(f"{name}.act", stream)
            if expansion > 1:
                net.conv(f"{name}.expand", hidden, 1)
            net.conv(f"{name}.depthwise", hidden, 3, stride=stride, groups=hidden)
            skip = stream if stride == 1 and ins == planes else None
            stream = net.conv(f"{name}.project", planes, 1, output=S8, skip=skip)
    net.read("last.act", stream)
    net.conv("last", max(1280, scaled(1280)), 1, output=U8)
    net.classify()


TOPOLOGIES: dict[str, tuple[int, Callable[[Sketch], None]]] = {
    "resnet18": (64, partial(imagenet_resnet, blocks=(2, 2, 2, 2), bottleneck=False)),
    "resnet34": (64, partial(imagenet_resnet, blocks=(3, 4, 6, 3), bottleneck=False)),
    "resnet50": (64, partial(imagenet_resnet, blocks=(3, 4, 6, 3), bottleneck=True)),
    "mobilenet-v2": (32, mobilenet_v2),
}
"""Name -> (channels of the first convolution as published, function that draws it)."""


def nodes(name: str, *, image_size: int, width: int, classes: int) -> tuple[Node, ...]:
    """The nodes of the network ``name`` in order of execution."""
    sketch = Sketch(image_size=image_size, width=width, classes=classes)
    TOPOLOGIES[name][1](sketch)
    return tuple(sketch.nodes)
