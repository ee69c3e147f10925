"""Plain torch networks with the parameter names of torchvision's, written from its published names.

pytorch/vision, `torchvision/models/resnet.py` and `mobilenetv2.py`: ResNet has ``conv1``, ``bn1``,
``layerS.J.{conv1,bn1,conv2,bn2[,conv3,bn3],downsample.0,downsample.1}``, ``fc``; the second
convolution of a bottleneck has the stride. MobileNet-V2 has ``features.N...`` and ``classifier.1``.
torchvision itself has no CPU build for the torch used here. Independent of the trainer's code.
"""

import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3)}


def conv(ins: int, outs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(ins, outs, kernel, stride, kernel // 2, groups=groups, bias=False)


class Residual(nn.Module):
    """Basic block (two 3x3) or bottleneck (1x1, 3x3, 1x1)."""

    def __init__(self, ins: int, planes: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outs = 4 * planes if bottleneck else planes
        shapes = [(ins, planes, 3, stride), (planes, outs, 3, 1)]
        if bottleneck:
            shapes = [(ins, planes, 1, 1), (planes, planes, 3, stride), (planes, outs, 1, 1)]
        self.count = len(shapes)
        for i, shape in enumerate(shapes, 1):
            self.add_module(f"conv{i}", conv(*shape))
            self.add_module(f"bn{i}", nn.BatchNorm2d(shape[1]))
        if stride != 1 or ins != outs:
            self.downsample = nn.Sequential(conv(ins, outs, 1, stride), nn.BatchNorm2d(outs))
        else:
            self.downsample = None

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for i in range(1, self.count + 1):
            y = self.get_submodule(f"bn{i}")(self.get_submodule(f"conv{i}")(y))
            if i < self.count:
                y = F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class TwinResNet(nn.Module):
    def __init__(self, name: str, width: int = 64, classes: int = 1000) -> None:
        super().__init__()
        bottleneck = name == "resnet50"
        self.conv1, self.bn1 = conv(3, width, 7, 2), nn.BatchNorm2d(width)
        ins = width
        for stage, count in enumerate(BLOCKS[name]):
            planes = width << stage
            blocks = []
            for block in range(count):
                stride = 2 if stage and not block else 1
                blocks.append(Residual(ins, planes, stride, bottleneck))
                ins = 4 * planes if bottleneck else planes
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(ins, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(4):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


def unit(ins: int, outs: int, kernel: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    return nn.Sequential(conv(ins, outs, kernel, stride, groups), nn.BatchNorm2d(outs), nn.ReLU6())


class Inverted(nn.Module):
    def __init__(self, ins: int, outs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = ins * expansion
        parts = [unit(ins, hidden, 1)] if expansion > 1 else []
        parts += [unit(hidden, hidden, 3, stride, hidden)]
        self.conv = nn.Sequential(*parts, conv(hidden, outs, 1), nn.BatchNorm2d(outs))


class TwinMobileNet(nn.Module):
    """Names only: the trainer's network reads bottlenecks through a ReLU, this one does not."""

    SETTINGS = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [unit(3, 32, 3, 2)]
        ins = 32
        for expansion, outs, count, stride in self.SETTINGS:
            for block in range(count):
                parts.append(Inverted(ins, outs, stride if block == 0 else 1, expansion))
                ins = outs
        self.features = nn.Sequential(*parts, unit(ins, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, 1000))
