"""Users' networks of other kinds: U-Net, SqueezeNet, residual MLP, pre-activation, functions."""

import torch
import torch.nn.functional as F
from torch import nn


class Fire(nn.Module):
    """SqueezeNet's module: two branches, one after the other in the channels."""

    def __init__(self, ins: int, squeezed: int, outs: int) -> None:
        super().__init__()
        self.squeeze, self.squeeze_activation = nn.Conv2d(ins, squeezed, 1), nn.ReLU(inplace=True)
        self.expand1x1, self.one = nn.Conv2d(squeezed, outs, 1), nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeezed, outs, 3, padding=1)
        self.three = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        return torch.cat([self.one(self.expand1x1(x)), self.three(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """It ends in a convolution, a ReLU and an average: the average's sums are the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(8, 4, 8),
            nn.MaxPool2d(3, 2, ceil_mode=True),
            Fire(16, 4, 8),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Conv2d(16, 5, 1),
            nn.ReLU(inplace=True),
            nn.AdaptiveAvgPool2d((1, 1)),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.flatten(self.classifier(self.features(x)), 1)


class UNet(nn.Module):
    """One level of it; the result are maps."""

    def __init__(self) -> None:
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.up1, self.out = nn.Conv2d(16, 8, 3, padding=1), nn.Conv2d(8, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = F.relu(self.down1(x))
        b = F.relu(self.down2(F.max_pool2d(a, 2)))
        return self.out(F.relu(self.up1(torch.cat([self.up(b), a], 1))))


class ResidualMlp(nn.Module):
    """Linear layers on features, with residuals and a batch norm of one dimension."""

    def __init__(self, features: int = 20) -> None:
        super().__init__()
        self.enter, self.out = nn.Linear(features, 16), nn.Linear(16, 4)
        self.a, self.bn, self.b = (
            nn.Linear(16, 16),
            nn.BatchNorm1d(16),
            nn.Linear(16, 16, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = F.relu(self.enter(x))
        h = h + F.relu(self.bn(self.a(h)))
        return self.out(F.relu(h + self.b(h)))


class Functions(nn.Module):
    """Functions as tables, dilation, groups, uneven windows, a batch norm that stands alone."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(3, 8, 3, padding=1)
        self.c2 = nn.Conv2d(8, 8, 3, padding=2, dilation=2)
        self.slope = nn.PReLU()
        self.c3 = nn.Conv2d(8, 8, (3, 5), stride=(1, 2), padding=(1, 2), groups=2)
        self.c4, self.bn, self.fc = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.slope(self.c2(F.silu(self.c1(x))))
        x = F.hardswish(self.c3(x))
        x = F.hardtanh(F.leaky_relu(self.c4(x), 0.1) + x)
        x = F.avg_pool2d(F.relu6(self.bn(x)), 2)
        return self.fc(x.mean((2, 3)))


class PreActivation(nn.Module):
    """Batch norm and ReLU in front of the convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.c0, self.n1 = nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.c1, self.n2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.c2, self.last = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.c0(x)
        x = x + self.c2(F.relu(self.n2(self.c1(F.relu(self.n1(x))))))
        return self.fc(F.adaptive_avg_pool2d(F.relu(self.last(x)), 1).flatten(1))


class Dense(nn.Module):
    """Concatenations of concatenations, with signed parts and the input itself."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(7, 4, 3, padding=1)
        self.c, self.fc = nn.Conv2d(3, 3, 1), nn.Linear(11 * 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat((self.c(x) + x, F.relu(self.a(x))), 1)
        x = torch.cat((x, self.b(x)), 1)
        return self.fc(F.adaptive_avg_pool2d(F.relu(x), 2).reshape(-1, 44))
