"""Random tiny networks with all that version 2 of the contract has: rectangles, signs, branches."""

from dataclasses import dataclass, field

import numpy as np
from programs import (
    random_codebook,
    random_requant,
    random_shift_codebook,
    random_threshold,
    typical,
)

from adqhw.spec import IntFormat, LayerKind, MacLayer, PoolLayer, Program, Requant, Skip
from adqhw.spec.layers import ConcatLayer, Layer, ThresholdLayer, UpsampleLayer
from adqhw.spec.program import INPUT

LARGEST = 10
"""Height and width of a map."""


def general_net(seed: int, *, shifts: bool = False) -> Program:
    """Two to eight layers; every tensor may be signed, whoever reads it."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(1, (8, 9, 9)))
    fmt = IntFormat(width=int(rng.integers(1, 9)), signed=bool(rng.random() < 0.6))
    net = Growing(rng=rng, shape=shape, format=fmt, shifts=shifts)
    net.conv()
    for _ in range(int(rng.integers(1, 7))):
        net.append()
    if rng.random() < 0.3:
        net.classifier()
    return net.build(seed)


@dataclass
class Growing:
    rng: np.random.Generator
    shape: tuple[int, int, int]
    format: IntFormat
    shifts: bool
    layers: list[Layer] = field(default_factory=list)

    def build(self, seed: int = 0) -> Program:
        return Program(
            input_shape=self.shape, input_format=self.format, layers=tuple(self.layers),
            provenance={"seed": seed},
        )  # fmt: skip

    def append(self) -> None:
        choice = self.rng.random()
        if choice < 0.35:
            self.conv()
        elif choice < 0.45:
            self.max_pool()
        elif choice < 0.55:
            self.average()
        elif choice < 0.7:
            self.add()
        elif choice < 0.85:
            self.concat()
        elif choice < 0.93:
            self.upsample()
        else:
            self.read()

    # -- layers ------------------------------------------------------------------------------------

    def conv(self) -> None:
        rng, source = self.rng, self._any()
        channels, height, width = self._shape(source)
        padding = tuple(rng.integers(0, 4, 4).tolist())
        kernel = self._kernel(height + padding[0] + padding[2], width + padding[1] + padding[3])
        groups = channels if rng.random() < 0.2 else 1
        outs = int(rng.integers(1, 7)) if groups == 1 else groups
        shape, fmt = (outs, channels // groups, *kernel), self._format(source)
        weight_width, codebook = int(rng.integers(2, 9)), None
        if rng.integers(2):
            limit = 1 << (weight_width - 1)
            weights = rng.integers(-limit, limit, shape)
        else:
            make = random_shift_codebook if self.shifts else random_codebook
            weight_width = min(weight_width, 4)
            codebook = make(rng, weight_width, int(rng.integers(4, 9)))
            weights = rng.integers(0, len(codebook.levels), shape)
        common = {
            "name": self._name("conv"), "input": source, "weights": weights,
            "weight_width": weight_width, "codebook": codebook, "groups": groups,
            "stride": tuple(rng.integers(1, 4, 2).tolist()), "padding": padding,
            "pad_codes": rng.integers(fmt.min, fmt.max + 1, channels),
        }  # fmt: skip
        probe = MacLayer(
            **common,
            output=Requant(multiplier=[0], bias=[0], shift=0, out=IntFormat(width=8)),
        )
        low, high = typical(rng, *self._with(probe).acc_bounds(probe.name), probe.depth)
        skip = self._residual(probe) if rng.random() < 0.4 else None
        if skip is None and rng.random() < 0.4:
            output = random_threshold(rng, self._rows(outs), int(rng.integers(1, 6)), low, high)
        else:
            output = self._requant(outs, low, high, skip)
        self.layers.append(MacLayer(**common, output=output, skip=skip))

    def max_pool(self) -> None:
        rng, source = self.rng, self._any()
        kernel = self._kernel(*self._shape(source)[1:])
        padding = tuple(int(rng.integers(0, kernel[side % 2])) for side in range(4))
        stride = tuple(rng.integers(1, 4, 2).tolist())
        self.layers.append(
            PoolLayer(
                name=self._name("max"), input=source, kind=LayerKind.MAX_POOL, kernel=kernel,
                stride=stride, padding=padding,
            )
        )  # fmt: skip

    def average(self) -> None:
        source = self._any()
        kernel = self._kernel(*self._shape(source)[1:])
        self._pool(source, kernel, tuple(self.rng.integers(1, 4, 2).tolist()), None)

    def add(self) -> None:
        """Two maps of one size, or an elementwise requantization; one map may be both."""
        a = self._any()
        _, *size = self._shape(a)
        others = [b for b in self._names() if self._shape(b)[1:] == tuple(size)]
        others = [b for b in others if self._shape(b)[0] <= self._shape(a)[0]]
        b = str(self.rng.choice(others))
        skip = Skip(tensor=b) if self.rng.random() < 0.8 else None
        self._pool(a, (1, 1), (1, 1), skip)

    def concat(self) -> None:
        first = self._any()
        fmt, size = self._format(first), self._shape(first)[1:]
        same = [n for n in self._names() if self._format(n) == fmt and self._shape(n)[1:] == size]
        more = self.rng.choice(same, int(self.rng.integers(0, 3))).tolist()
        self.layers.append(ConcatLayer(name=self._name("cat"), inputs=(first, *map(str, more))))

    def upsample(self) -> None:
        small = [n for n in self._names() if max(self._shape(n)[1:]) <= LARGEST // 2]
        if small:
            factor = tuple(self.rng.integers(1, 3, 2).tolist())
            source = str(self.rng.choice(small))
            self.layers.append(UpsampleLayer(name=self._name("up"), input=source, factor=factor))

    def read(self) -> None:
        source, rng = self._any(), self.rng
        fmt, rows = self._format(source), self._rows(self._shape(source)[0])
        stage = random_threshold(rng, rows, int(rng.integers(1, 6)), fmt.min, fmt.max)
        self.layers.append(ThresholdLayer(name=self._name("act"), input=source, output=stage))

    def classifier(self) -> None:
        """A kernel as large as the map."""
        source = self.layers[-1].name
        shape = (int(self.rng.integers(1, 6)), *self._shape(source))
        layer = MacLayer(
            name=self._name("fc"), input=source, weights=self.rng.integers(-8, 8, shape),
            weight_width=4,
            output=Requant(
                multiplier=[1], bias=[-7], shift=0, out=IntFormat(width=32, signed=True)
            ),
        )  # fmt: skip
        self.layers.append(layer)

    # -- pieces ------------------------------------------------------------------------------------

    def _pool(self, source: str, kernel: tuple, stride: tuple, skip: Skip | None) -> None:
        fmt, taps = self._format(source), kernel[0] * kernel[1]
        channels = self._shape(source)[0]
        self.layers.append(
            PoolLayer(
                name=self._name("avg"), input=source, kind=LayerKind.AVG_POOL, kernel=kernel,
                stride=stride, skip=skip,
                output=self._requant(channels, fmt.min * taps, fmt.max * taps, skip),
            )
        )  # fmt: skip

    def _requant(self, channels: int, low: int, high: int, skip: Skip | None) -> Requant:
        out = str(self.rng.choice(["u8", "s8", "s8", "s4", "u3"]))
        return random_requant(
            self.rng, self._rows(channels), low, high, out, has_skip=skip is not None
        )

    def _rows(self, channels: int) -> int:
        return channels if self.rng.integers(2) else 1

    def _residual(self, layer: MacLayer) -> Skip | None:
        """An earlier map that fits the layer's; channels before and behind it are 0."""
        channels, *size = self._with(layer).tensor_shape(layer.name)
        found = []
        for name in self._names():
            have, *extents = self._shape(name)
            for stride in (1, 2):
                if [-(-extent // stride) for extent in extents] == size and have <= channels:
                    offset = int(self.rng.integers(0, channels - have + 1))
                    found.append(Skip(tensor=name, stride=stride, channel_offset=offset))
        return found[int(self.rng.integers(len(found)))] if found else None

    def _kernel(self, height: int, width: int) -> tuple[int, int]:
        return tuple(int(self.rng.integers(1, min(extent, 4) + 1)) for extent in (height, width))

    def _with(self, layer: Layer) -> Program:
        return Program(
            input_shape=self.shape, input_format=self.format, layers=(*self.layers, layer)
        )

    def _names(self) -> list[str]:
        return [INPUT, *(layer.name for layer in self.layers)]

    def _any(self) -> str:
        """Mostly the last tensor, sometimes an earlier one."""
        names = self._names()
        return names[-1] if self.rng.random() < 0.7 else str(self.rng.choice(names))

    def _shape(self, name: str) -> tuple[int, int, int]:
        return self.shape if name == INPUT else self.build().tensor_shape(name)

    def _format(self, name: str) -> IntFormat:
        return self.format if name == INPUT else self.build().tensor_format(name)

    def _name(self, kind: str) -> str:
        return f"{kind}{len(self.layers)}"
