"""PyTorch modules that cannot become programs, as a user writes them; input (N, 2, 8, 8)."""

import torch
from torch import nn


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(128, 8)

    def forward(self, x):
        return self.memory(x.flatten(1))[0]


class Choice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3)

    def forward(self, x):
        if x.mean() > 0:
            return self.conv(x)
        return x[:, :, 1:-1, 1:-1]


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.conv(torch.relu(self.conv(x)))


class Product(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        return self.conv(x) * torch.sigmoid(x)


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x, y):
        return self.conv(x) + y


class TwoResults(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, x):
        y = self.conv(x)
        return y, torch.relu(y)


def not_a_number():
    module = nn.Sequential(nn.Conv2d(2, 2, 3))
    with torch.no_grad():
        module[0].weight[1, 0, 2, 2] = float("nan")
    return module


def doubles():
    return nn.Sequential(nn.Conv2d(2, 2, 3)).double()


MODULES = {
    "memory (LSTM)": Memory,
    "control flow on values": Choice,
    "a module called twice": Shared,
    "a product of two maps": Product,
    "two inputs": TwoInputs,
    "two results": TwoResults,
    "transposed convolution": lambda: nn.Sequential(nn.ConvTranspose2d(2, 2, 2, 2)),
    "group norm": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4)),
    "mirrored padding": lambda: nn.Sequential(
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")
    ),
    "a slope per channel": lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.PReLU(4)),
    "bilinear upsampling": lambda: nn.Sequential(
        nn.Conv2d(2, 2, 3), nn.Upsample(scale_factor=2, mode="bilinear")
    ),
    "no parameters": lambda: nn.Sequential(nn.ReLU()),
    "a weight that is no number": not_a_number,
    "weights of 64 bits": doubles,
}  # fmt: skip
"""What is wrong with it, and the module."""
