"""Networks as users write them: plain PyTorch, nothing of ours."""

import torch
import torch.nn.functional as F
from torch import nn


class Vgg(nn.Module):
    """VGG-like: convolutions with biases, some batch norms, linear layers and a dropout."""

    def __init__(self, ins: int = 1, classes: int = 10, width: int = 8, size: int = 8) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(ins, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding="same"),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.MaxPool2d(2, 2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(2 * width * (size // 4) ** 2, 32),
            nn.ReLU(True),
            nn.Dropout(0.2),
            nn.Linear(32, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.classifier(x)


class Residual(nn.Module):
    """A block with names of its own."""

    def __init__(self, ins: int, outs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.norm_a = nn.BatchNorm2d(outs)
        self.second = nn.Conv2d(outs, outs, 3, padding=1, bias=False)
        self.norm_b = nn.BatchNorm2d(outs)
        self.adapt = None
        if stride != 1 or ins != outs:
            self.adapt = nn.Sequential(nn.Conv2d(ins, outs, 1, stride), nn.BatchNorm2d(outs))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu(self.norm_a(self.first(x)), inplace=True)
        y = self.norm_b(self.second(y))
        y += x if self.adapt is None else self.adapt(x)
        return torch.relu(y)


class BranchedResNet(nn.Module):
    """A ResNet with names of its own, and a branch whose channels are concatenated."""

    def __init__(self, ins: int = 1, classes: int = 10, width: int = 8) -> None:
        super().__init__()
        self.input = nn.Conv2d(ins, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.stage = nn.Sequential(Residual(width, width), Residual(width, 2 * width, 2))
        self.left = nn.Conv2d(2 * width, width, 1)
        self.right = nn.Conv2d(2 * width, width, (1, 3), padding=(0, 1))
        self.hidden = nn.Linear(2 * width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.input(x)).relu()
        x = self.stage(x)
        x = torch.cat([self.left(x), F.relu(self.right(x))], dim=1)
        x = F.adaptive_avg_pool2d(x, 1)
        return self.hidden(torch.flatten(x, 1))


class DsCnn(nn.Module):
    """A keyword network for maps of 49 x 10: depthwise separable, an uneven first kernel."""

    def __init__(self, classes: int = 12, width: int = 8, blocks: int = 2) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, (10, 4), stride=(2, 2), padding=(5, 1), bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        layers: list[nn.Module] = []
        for _ in range(blocks):
            layers += [
                nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
        self.blocks = nn.Sequential(*layers)
        self.fc = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.stem(x))
        return self.fc(x.mean(dim=(2, 3)))


class ConvNormAct(nn.Sequential):
    """As in torchvision's MobileNet-V2."""

    def __init__(self, ins: int, outs: int, kernel: int = 3, stride: int = 1, groups: int = 1):
        super().__init__(
            nn.Conv2d(ins, outs, kernel, stride, (kernel - 1) // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outs),
            nn.ReLU6(inplace=True),
        )


class InvertedResidual(nn.Module):
    """Expand, depthwise, and a linear bottleneck; the residual joins bottlenecks."""

    def __init__(self, ins: int, outs: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = ins * expansion
        self.use_res_connect = stride == 1 and ins == outs
        layers: list[nn.Module] = []
        if expansion != 1:
            layers.append(ConvNormAct(ins, hidden, 1))
        layers += [
            ConvNormAct(hidden, hidden, 3, stride, hidden),
            nn.Conv2d(hidden, outs, 1, bias=False),
            nn.BatchNorm2d(outs),
        ]
        self.conv = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Sandler et al. 2018, table 2, with fewer blocks and channels for small images."""

    SETTING = ((1, 8, 1, 1), (6, 8, 2, 1), (6, 16, 2, 2), (6, 24, 1, 2))
    """Expansion, channels, blocks, stride."""

    def __init__(self, ins: int = 3, classes: int = 10, first: int = 8, last: int = 64) -> None:
        super().__init__()
        features: list[nn.Module] = [ConvNormAct(ins, first)]
        channels = first
        for expansion, outs, count, stride in self.SETTING:
            for block in range(count):
                step = stride if block == 0 else 1
                features.append(InvertedResidual(channels, outs, step, expansion))
                channels = outs
        features.append(ConvNormAct(channels, last, 1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(last, classes))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        x = nn.functional.adaptive_avg_pool2d(x, (1, 1))
        return self.classifier(torch.flatten(x, 1))
