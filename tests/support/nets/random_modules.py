"""Random networks as a user might write them: any order of operations, branches, and joins."""

import random

import torch
import torch.nn.functional as F
from torch import Tensor, nn

FUNCTIONS = (F.relu, F.relu6, F.silu, F.hardswish, torch.sigmoid, torch.tanh, F.leaky_relu)


class RandomNet(nn.Module):
    """Steps drawn by `seed`; every map that was made may be read again by a later one."""

    def __init__(self, seed: int, ins: int = 3, size: int = 9, steps: int = 9) -> None:
        super().__init__()
        self.draw = random.Random(seed)
        self.layers = nn.ModuleList()
        self.plan: list[tuple] = []
        self.shapes: list[tuple[int, int, int]] = [(ins, size, size)]
        self._conv(0)
        for _ in range(steps):
            self._step()
        channels, height, width = self.shapes[-1]
        self.fc = nn.Linear(channels * height * width, 3, bias=self.draw.random() < 0.5)

    def _add(self, shape: tuple[int, int, int], *step: object) -> None:
        self.plan.append(step)
        self.shapes.append(shape)

    def _layer(self, layer: nn.Module) -> int:
        self.layers.append(layer)
        return len(self.layers) - 1

    def _conv(self, source: int) -> None:
        draw, (ins, height, width) = self.draw, self.shapes[source]
        kernel = draw.choice([1, 3, 3]), draw.choice([1, 3, 2])
        kernel = min(kernel[0], height), min(kernel[1], width)
        stride = draw.choice([(1, 1), (1, 1), (2, 1), (2, 2)])
        padding = draw.choice([0, kernel[0] // 2]), draw.choice([0, kernel[1] // 2])
        groups = ins if draw.random() < 0.2 else 1
        outs = ins * draw.choice([1, 2]) if groups > 1 else draw.choice([4, 6])
        layer = nn.Conv2d(
            ins, outs, kernel, stride, padding, groups=groups, bias=draw.random() < 0.5
        )
        with torch.no_grad():
            shape = layer(torch.zeros(1, ins, height, width)).shape[1:]
        self._add(tuple(shape), "layer", source, self._layer(layer))

    def _step(self) -> None:
        draw, last = self.draw, len(self.shapes) - 1
        source = last if draw.random() < 0.7 else draw.randrange(1, last + 1)
        channels, height, width = self.shapes[source]
        kind = draw.choice(
            ["conv", "conv", "conv", "norm", "act", "act", "act", "pool", "join", "join"]
        )
        alike = [n for n, shape in enumerate(self.shapes) if shape == self.shapes[source] and n]
        sized = [n for n, shape in enumerate(self.shapes) if shape[1:] == (height, width)]
        if kind == "norm":
            self._add(
                (channels, height, width), "layer", source, self._layer(nn.BatchNorm2d(channels))
            )
        elif kind == "act":
            self._add((channels, height, width), "act", source, draw.randrange(len(FUNCTIONS)))
        elif kind == "pool" and min(height, width) >= 4:
            window = draw.choice(["max", "average", "up"])
            size = (height * 2, width * 2) if window == "up" else (height // 2, width // 2)
            self._add((channels, *size), window, source)
        elif kind == "join" and draw.random() < 0.5 and alike:
            self._add((channels, height, width), "add", source, draw.choice(alike))
        elif kind == "join" and channels <= 12:
            other = draw.choice(sized)
            self._add((channels + self.shapes[other][0], height, width), "cat", source, other)
        else:
            self._conv(source)

    def forward(self, x: Tensor) -> Tensor:
        maps = [x]
        for kind, source, *more in self.plan:
            y = maps[source]
            if kind == "layer":
                y = self.layers[more[0]](y)
            elif kind == "act":
                y = FUNCTIONS[more[0]](y)
            elif kind == "max":
                y = F.max_pool2d(y, 2)
            elif kind == "average":
                y = F.avg_pool2d(y, 2)
            elif kind == "up":
                y = F.interpolate(y, scale_factor=2)
            elif kind == "add":
                y = y + maps[more[0]]
            else:
                y = torch.cat([y, maps[more[0]]], 1)
            maps.append(y)
        return self.fc(maps[-1].flatten(1))
