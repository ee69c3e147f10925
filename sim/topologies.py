"""CIFAR ResNets (He et al. 2015, option A), ImageNet ResNets (option B), MobileNet-V2.

MobileNet-V2: Sandler et al. 2018. Each block reads its stream through a threshold activation.
"""

from collections.abc import Callable
from functools import partial

from ..spec.layers import Skip
from .networks import S8, U8, Sketch

CIFAR, IMAGENET = (3, 32, 32), (3, 224, 224)


def cifar_resnet(net: Sketch, depth: int) -> None:
    """6n + 2 layers, planes 16, 32, 64; shortcuts without weights."""
    stream = net.conv("conv1", 16, 3, uniform=True, out=U8)
    for stage in range(3):
        planes = 16 << stage
        for block in range((depth - 2) // 6):
            name = f"layer{stage + 1}.{block}"
            stride = 2 if stage and not block else 1
            offset = planes // 4 if stride == 2 else 0
            net.read(f"{name}.act1", stream)
            net.conv(f"{name}.conv1", planes, 3, stride=stride)
            skip = Skip(tensor=stream, stride=stride, channel_offset=offset)
            stream = net.conv(f"{name}.conv2", planes, 3, out=U8, skip=skip)
    net.classify(10)


def imagenet_resnet(net: Sketch, blocks: tuple[int, ...], bottleneck: bool) -> None:
    """Stem 7 x 7 stride 2 and max pool, four stages, 1 x 1 projections where shapes change."""
    net.conv("conv1", 64, 7, stride=2, uniform=True, out=U8)
    stream = net.max_pool("maxpool")
    for stage, count in enumerate(blocks):
        planes = 64 << stage
        outs = planes * 4 if bottleneck else planes
        for block in range(count):
            name = f"layer{stage + 1}.{block}"
            stride = 2 if stage and not block else 1
            act = net.read(f"{name}.act1", stream)
            skip = Skip(tensor=stream)
            if stride == 2 or net.codes[stream].shape[1] != outs:
                projected = net.conv(
                    f"{name}.downsample", outs, 1, source=act, stride=stride, out=S8
                )
                skip = Skip(tensor=projected)
            if bottleneck:
                net.conv(f"{name}.conv1", planes, 1, source=act)
                net.conv(f"{name}.conv2", planes, 3, stride=stride)
            else:
                net.conv(f"{name}.conv1", planes, 3, source=act, stride=stride)
            last = 3 if bottleneck else 2
            kernel = 1 if bottleneck else 3
            stream = net.conv(f"{name}.conv{last}", outs, kernel, out=U8, skip=skip)
    net.classify(1000)


def mobilenet_v2(net: Sketch) -> None:
    """Inverted residuals (expansion, planes, blocks, stride); linear bottlenecks are s8 streams."""
    settings = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip
    stream = net.conv("conv1", 32, 3, stride=2, uniform=True, out=U8)
    for stage, (expansion, planes, count, first_stride) in enumerate(settings):
        for block in range(count):
            name = f"block{stage}.{block}"
            stride = first_stride if block == 0 else 1
            ins = net.codes[stream].shape[1]
            net.read(f"{name}.act", stream)
            if expansion > 1:
                net.conv(f"{name}.expand", ins * expansion, 1)
            hidden = ins * expansion
            net.conv(f"{name}.depthwise", hidden, 3, stride=stride, groups=hidden)
            skip = Skip(tensor=stream) if stride == 1 and ins == planes else None
            stream = net.conv(f"{name}.project", planes, 1, out=S8, skip=skip)
    net.read("last.act", stream)
    net.conv("last", 1280, 1, out=U8)
    net.classify(1000)


NETWORKS: dict[str, tuple[tuple[int, int, int], Callable[[Sketch], None]]] = {
    **{
        f"resnet{depth}-cifar": (CIFAR, partial(cifar_resnet, depth=depth))
        for depth in (8, 20, 32, 44, 56)
    },
    "resnet18": (IMAGENET, partial(imagenet_resnet, blocks=(2, 2, 2, 2), bottleneck=False)),
    "resnet34": (IMAGENET, partial(imagenet_resnet, blocks=(3, 4, 6, 3), bottleneck=False)),
    "resnet50": (IMAGENET, partial(imagenet_resnet, blocks=(3, 4, 6, 3), bottleneck=True)),
    "mobilenet-v2": (IMAGENET, mobilenet_v2),
}
"""Name -> (input shape, function that draws it)."""
