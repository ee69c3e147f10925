"""MobileNet-V2 for images of 32 x 32.

Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", CVPR 2018, table 2; the
first convolution's stride is 1 instead of 2, the others are those of the paper.
"""

from torch import Tensor, nn

from adqhw.spec.networks import MOBILENET_STAGES, mobilenet_channels


def layer(ins: int, outs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(ins, outs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outs), nn.ReLU6())


class Inverted(nn.Module):
    """Expansion, depthwise convolution, linear bottleneck."""

    def __init__(self, ins: int, outs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = ins * expansion
        self.skip = stride == 1 and ins == outs
        self.expand = layer(ins, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = layer(hidden, hidden, 3, stride, hidden)
        self.project = nn.Sequential(nn.Conv2d(hidden, outs, 1, bias=False), nn.BatchNorm2d(outs))

    def forward(self, x: Tensor) -> Tensor:
        out = self.project(self.depthwise(self.expand(x)))
        result: Tensor = x + out if self.skip else out
        return result


class MobileNetV2(nn.Module):
    """Width multiplier, classes, channels of the last convolution."""

    def __init__(self, width: float = 0.5, classes: int = 10, last: int = 1280) -> None:
        super().__init__()
        ins = mobilenet_channels(32, width)
        self.first = layer(3, ins, 3)
        blocks = []
        for expansion, channels, count, stride in MOBILENET_STAGES:
            outs = mobilenet_channels(channels, width)
            for block in range(count):
                blocks.append(Inverted(ins, outs, stride if block == 0 else 1, expansion))
                ins = outs
        self.blocks = nn.Sequential(*blocks)
        self.last = layer(ins, last)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.last(self.blocks(self.first(x)))
        logits: Tensor = self.classifier(features.mean((2, 3)))
        return logits
