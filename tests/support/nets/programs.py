"""Random and hand-made integer programs for tests: every layer kind, small for any engine."""

from dataclasses import dataclass, field

import numpy as np

from adqhw.spec import (
    Codebook,
    IntFormat,
    LayerKind,
    MacLayer,
    PoolLayer,
    Program,
    Requant,
    Skip,
    Threshold,
    ThresholdLayer,
)
from adqhw.spec.layers import ConcatLayer, Layer, UpsampleLayer
from adqhw.spec.program import INPUT

Rng = np.random.Generator


@dataclass
class Builder:
    """Adds random layers one after the other; keeps track of shapes and bounds by rebuilding."""

    rng: Rng
    input_shape: tuple[int, int, int]
    input_width: int = 8
    layers: list[Layer] = field(default_factory=list)
    shifts: bool = False
    """Codebooks of the shift form only, which every micro-architecture takes."""

    def build(self, **provenance: object) -> Program:
        return Program(
            input_shape=self.input_shape,
            input_format=IntFormat(width=self.input_width),
            layers=tuple(self.layers),
            provenance=provenance,
        )

    @property
    def last(self) -> str:
        return self.layers[-1].name if self.layers else INPUT

    def shape(self, name: str) -> tuple[int, int, int]:
        return self.build().tensor_shape(name) if self.layers else self.input_shape

    def format(self, name: str) -> IntFormat:
        if name == INPUT:
            return IntFormat(width=self.input_width)
        return self.build().tensor_format(name)

    def mac(
        self,
        outs: int,
        kernel: int | tuple[int, int] = 3,
        stage: str = "threshold",
        weight_width: int = 4,
        level_width: int = 8,
        act_width: int = 4,
        uniform: bool = False,
        source: str | None = None,
        skip: Skip | None = None,
        linear: bool = False,
        out: str = "u8",
        **options: int | tuple[int, ...],
    ) -> str:
        """Append a conv or linear layer; returns its name."""
        source = source or self.last
        channels = self.shape(source)[0]
        name = f"mac{len(self.layers)}"
        kernel_h, kernel_w = kernel if isinstance(kernel, tuple) else (kernel, kernel)
        shape = (outs, channels // options.get("groups", 1), kernel_h, kernel_w)
        codebook = None
        if uniform:
            limit = 1 << (weight_width - 1)
            weights = self.rng.integers(-limit, limit, shape)
        else:
            make = random_shift_codebook if self.shifts else random_codebook
            codebook = make(self.rng, weight_width, level_width)
            weights = self.rng.integers(0, len(codebook.levels), shape)
        pads = self.rng.integers(self.format(source).min, self.format(source).max + 1, channels)
        common = {
            "name": name,
            "kind": LayerKind.LINEAR if linear else LayerKind.CONV,
            "input": source,
            "weights": weights,
            "weight_width": weight_width,
            "codebook": codebook,
            "pad_codes": pads,
            **options,
        }
        probe = MacLayer(**common, output=Requant(multiplier=[0], bias=[0], shift=0, out=U8))
        self.layers.append(probe)
        low, high = typical(self.rng, *self.build().acc_bounds(name), probe.depth)
        self.layers.pop()
        if stage == "threshold":
            output: Threshold | Requant = random_threshold(self.rng, outs, act_width, low, high)
        else:
            output = random_requant(self.rng, outs, low, high, out, has_skip=skip is not None)
        self.layers.append(MacLayer(**common, output=output, skip=skip))
        return name

    def read(self, act_width: int = 4, shared: bool = True) -> str:
        """Append a read activation of the last tensor."""
        name, source = f"act{len(self.layers)}", self.last
        fmt = self.format(source)
        rows = 1 if shared else self.shape(source)[0]
        stage = random_threshold(self.rng, rows, act_width, fmt.min, fmt.max)
        self.layers.append(ThresholdLayer(name=name, input=source, output=stage))
        return name

    def pool(
        self,
        kind: LayerKind,
        kernel: int | tuple[int, int],
        stride: int | tuple[int, int],
        padding: int | tuple[int, ...] = 0,
        *,
        skip: Skip | None = None,
        out: str = "u8",
    ) -> str:
        """Append a pool of the last tensor."""
        name, source = f"pool{len(self.layers)}", self.last
        output = None
        if kind is LayerKind.AVG_POOL:
            fmt = self.format(source)
            count = kernel * kernel if isinstance(kernel, int) else kernel[0] * kernel[1]
            low, high = fmt.min * count, fmt.max * count
            output = random_requant(self.rng, 1, low, high, out, has_skip=skip is not None)
        self.layers.append(
            PoolLayer(
                name=name,
                input=source,
                kind=kind,
                kernel=kernel,
                stride=stride,
                padding=padding,
                output=output,
                skip=skip,
            )
        )
        return name

    def add(self, other: str, *, out: str = "u8") -> str:
        """Append the sum of the last tensor and `other`."""
        return self.pool(LayerKind.AVG_POOL, 1, 1, skip=Skip(tensor=other), out=out)

    def concat(self, *inputs: str) -> str:
        """Append the channels of several tensors."""
        name = f"concat{len(self.layers)}"
        self.layers.append(ConcatLayer(name=name, inputs=inputs))
        return name

    def upsample(self, factor: int | tuple[int, int]) -> str:
        """Append a larger map of the last tensor."""
        name = f"up{len(self.layers)}"
        self.layers.append(UpsampleLayer(name=name, input=self.last, factor=factor))
        return name


U8 = IntFormat(width=8)


def typical(rng: Rng, low: int, high: int, depth: int) -> tuple[int, int]:
    """Mostly the range that sums of random codes have, sometimes the whole proven range."""
    if rng.random() < 0.25:
        return low, high
    middle, reach = (low + high) // 2, int((high - low) / max(1.0, depth**0.5)) + 1
    return max(low, middle - reach), min(high, middle + reach)


def random_codebook(rng: Rng, width: int, level_width: int) -> Codebook:
    """Code 0 is level 0; the rest are any levels, duplicates included."""
    limit = 1 << (level_width - 1)
    count = int(rng.integers(2, (1 << width) + 1))
    return Codebook(levels=(0, *rng.integers(-limit, limit, count - 1).tolist()), width=width)


def random_shift_codebook(rng: Rng, width: int, level_width: int) -> Codebook:
    """0, +-2^s and +-C*2^s with one random odd C; the most negative level among them."""
    limit = 1 << (level_width - 1)
    factor = 2 * int(rng.integers(0, limit // 2)) + 1
    parts = [1 << s for s in range(level_width)]
    parts += [factor << s for s in range(level_width) if factor << s < limit]
    usable = [0, *(part for part in parts if part < limit), *(-part for part in parts)]
    count = int(rng.integers(2, (1 << width) + 1))
    return Codebook(levels=(0, *rng.choice(usable, count - 1).tolist()), width=width)


def random_threshold(rng: Rng, channels: int, width: int, low: int, high: int) -> Threshold:
    """Sorted thresholds over the reachable range, extremes and duplicates included."""
    sign = rng.choice([-1, 1], channels)
    tau = np.sort(rng.integers(low, high + 2, (channels, (1 << width) - 1)), axis=1)
    most = (1 << IntFormat.holding(min(low, -1), max(high, 0)).width) - 1  # of acc_width + 1 bits
    tau = np.where(sign[:, None] < 0, np.sort(np.minimum(1 - tau, most), axis=1), tau)
    if rng.random() < 0.3:
        tau[0] = tau[0, 0]  # all equal: the code jumps from 0 to the maximum
    return Threshold(tau=tau, sign=sign)


def random_requant(
    rng: Rng, channels: int, low: int, high: int, out: str, *, has_skip: bool = False
) -> Requant:
    """Multipliers that spread the sums around the output's range: saturation happens."""
    fmt = IntFormat.parse(out)
    shift = int(rng.integers(0, 24))
    scale = max(1, min((1 << shift) * 2 * (fmt.max + 1) // max(high - low, 1), (1 << 23) - 1))
    multiplier = rng.integers(-scale, scale + 1, channels)
    target = rng.integers(fmt.min, fmt.max + 1, channels) << shift  # code of the middle sum
    return Requant(
        multiplier=multiplier,
        bias=target - multiplier * ((low + high) // 2),
        shift=shift,
        out=fmt,
        skip_multiplier=int(rng.integers(-(1 << shift), (1 << shift) + 1)) if has_skip else 0,
    )


def every_kind(seed: int = 0, *, shifts: bool = False) -> Program:
    """One program with every layer kind, strides, both shortcuts, mixed widths, 8-bit ends."""
    b = Builder(np.random.default_rng(seed), (3, 9, 9), shifts=shifts)
    b.mac(4, stage="requant", weight_width=8, uniform=True, padding=1)
    stream = b.pool(LayerKind.MAX_POOL, 3, 1, 1)
    b.read(4)
    b.mac(4, weight_width=4, act_width=4, padding=1)
    stream = b.mac(4, weight_width=3, stage="requant", padding=1, skip=Skip(tensor=stream))
    act = b.read(2)
    b.mac(8, weight_width=2, act_width=2, padding=1, stride=2)
    stream = b.mac(
        8, stage="requant", padding=1, skip=Skip(tensor=stream, stride=2, channel_offset=2)
    )
    down = b.mac(8, kernel=1, stage="requant", stride=2, source=act, out="s8")
    b.layers.append(_read_of(b, stream, 3))
    b.mac(8, weight_width=3, act_width=3, padding=1)
    b.mac(8, weight_width=5, stage="requant", padding=1, skip=Skip(tensor=down))
    b.pool(LayerKind.AVG_POOL, 5, 5)
    b.mac(10, kernel=1, stage="requant", weight_width=8, uniform=True, linear=True, out="s32")
    return b.build(made_by="tests/support/nets/programs.py", seed=seed)


def second_version(seed: int = 0, *, shifts: bool = False) -> Program:
    """What version 1 of the contract lacks, on a map that is not square."""
    b = Builder(np.random.default_rng(seed), (2, 11, 6), shifts=shifts)
    b.mac(5, (4, 3), "requant", 8, uniform=True, stride=(2, 1), padding=(2, 1, 1, 2), out="s8")
    stem = b.pool(LayerKind.MAX_POOL, (1, 2), (1, 2), (0, 1, 0, 0))
    left = b.mac(3, (1, 3), "requant", padding=(0, 2, 0, 0), out="s8")  # reads signed codes
    right = b.mac(4, (3, 1), "requant", source=stem, padding=(0, 0, 2, 0), out="s8")
    b.concat(left, stem, right)
    down = b.mac(6, 2, padding=(0, 0, 1, 1), stride=(2, 2), act_width=3)
    b.mac(6, 1, "requant", source=down, out="s8", groups=3)
    b.upsample((2, 1))
    stretched = b.mac(6, 1, "requant", source=down, out="s5")
    b.upsample((2, 1))
    b.add(b.layers[-3].name, out="s8")
    b.mac(6, (3, 3), padding=1, groups=6, stride=(1, 2))
    assert stretched
    b.pool(LayerKind.AVG_POOL, (2, 1), (3, 1), out="s6")
    _, height, width = b.shape(b.last)
    b.mac(7, (height, width), "requant", out="s32")
    return b.build(made_by="tests/support/nets/programs.py", seed=seed)


def random_windows(seed: int, *, shifts: bool = False) -> Program:
    """A random chain with rectangular windows, unequal padding, signed codes, sums, concats."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 6)), int(rng.integers(2, 9)), int(rng.integers(2, 9)))
    b = Builder(rng, shape, shifts=shifts)
    b.input_width = int(rng.integers(1, 9))
    for _ in range(int(rng.integers(2, 6))):
        _random_window(b)
    return b.build(seed=seed)


def _random_window(b: Builder) -> None:
    rng = b.rng
    channels, height, width = b.shape(b.last)
    pads = tuple(int(n) for n in rng.integers(0, 3, 4))
    kernel = (
        int(rng.integers(1, min(4, height + pads[0] + pads[2]) + 1)),
        int(rng.integers(1, min(4, width + pads[1] + pads[3]) + 1)),
    )
    stride = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
    signed = str(rng.choice(["u8", "s8", "s5"]))
    twins = [
        layer.name
        for layer in b.layers
        if b.shape(layer.name)[1:] == (height, width) and b.format(layer.name) == b.format(b.last)
    ]
    choice = int(rng.integers(0, 8))
    if choice == 0:
        pads = tuple(min(pad, kernel[side % 2] - 1) for side, pad in enumerate(pads))
        fits = (min(kernel[0], height), min(kernel[1], width))
        pads = tuple(min(pad, fits[side % 2] - 1) for side, pad in enumerate(pads))
        b.pool(LayerKind.MAX_POOL, fits, stride, pads)
    elif choice == 1:
        b.pool(LayerKind.AVG_POOL, (min(2, height), min(3, width)), stride, out=signed)
    elif choice == 2 and twins and channels <= 8:
        b.concat(b.last, str(rng.choice(twins)))
    elif choice == 3 and height * width <= 40:
        b.upsample((int(rng.integers(1, 3)), int(rng.integers(1, 3))))
    elif choice == 4 and twins:
        twin = [name for name in twins if b.shape(name)[0] == channels]
        b.add(str(rng.choice(twin)), out=signed) if twin else b.read(3)
    else:
        groups = channels if rng.random() < 0.2 else 1
        outs = channels if groups > 1 else int(rng.integers(1, 7))
        b.mac(
            outs, kernel, str(rng.choice(["threshold", "requant"])), groups=groups, stride=stride,
            padding=pads, uniform=bool(rng.integers(2)), out=signed,
            weight_width=int(rng.integers(2, 9)), act_width=int(rng.integers(1, 6)),
        )  # fmt: skip


def _read_of(b: Builder, source: str, act_width: int) -> ThresholdLayer:
    fmt = b.format(source)
    stage = random_threshold(b.rng, b.shape(source)[0], act_width, fmt.min, fmt.max)
    return ThresholdLayer(name=f"act{len(b.layers)}", input=source, output=stage)


def random_program(seed: int, *, shifts: bool = False) -> Program:
    """A random chain of one to four layers with random shapes, widths, strides and stages."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    shape = (int(rng.integers(1, 7)), size, int(rng.integers(1, 9)))
    b = Builder(rng, shape, shifts=shifts)
    b.input_width = int(rng.integers(1, 9))
    for _ in range(int(rng.integers(1, 5))):
        _random_layer(b)
    if rng.random() < 0.5:
        kernel = min(b.shape(b.last)[1:])
        if b.format(b.last).width <= 8:
            b.pool(LayerKind.AVG_POOL, kernel, kernel)
    return b.build(seed=seed)


def _random_layer(b: Builder) -> None:
    rng = b.rng
    _, height, width = b.shape(b.last)
    choice = rng.random()
    if choice < 0.15:
        b.read(int(rng.integers(1, 6)), shared=bool(rng.integers(2)))
    elif choice < 0.25:
        kernel = int(rng.integers(1, min(height, width) + 1))
        padding = int(rng.integers(0, kernel))
        b.pool(LayerKind.MAX_POOL, kernel, int(rng.integers(1, 3)), padding)
    else:
        padding = int(rng.integers(0, 3))
        kernel = int(rng.integers(1, min(height, width) + 2 * padding + 1))
        uniform = bool(rng.integers(2))
        b.mac(
            int(rng.integers(1, 9)), min(kernel, 5),
            stage=str(rng.choice(["threshold", "requant"])),
            weight_width=int(rng.integers(2, 9)), level_width=int(rng.integers(4, 13)),
            act_width=int(rng.integers(1, 6)), uniform=uniform, padding=padding,
            stride=int(rng.integers(1, 4)), out=str(rng.choice(["u8", "s8", "u4", "s12"])),
        )  # fmt: skip


def random_images(program: Program, count: int, seed: int = 0) -> np.ndarray:
    """Uniform random input codes, the first image all zero and the second all maximal."""
    fmt = program.input_format
    rng = np.random.default_rng(seed)
    images = rng.integers(fmt.min, fmt.max + 1, (count, *program.input_shape))
    if count > 2:
        images[0], images[1] = fmt.min, fmt.max
    return images.astype(fmt.dtype)
