"""Random programs that reach every path of the simulator: full tiles, residuals, groups."""

import numpy as np
from programs import Builder

from adqhw.spec import Codebook, LayerKind, Program, Skip

WIDTHS = (8, 16, 32, 7, 5, 1, 12)
"""Map widths: whole tiles of 8 and of 16 pixels, and others."""


def wide_program(seed: int) -> Program:
    """A random chain with up to 70 channels, split layers, residuals, s8 streams."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 41)), int(rng.integers(1, 6)), int(rng.choice(WIDTHS)))
    b = Builder(rng, shape)
    b.input_width = int(rng.choice([1, 2, 4, 7, 8, 8, 8, 12]))
    for _ in range(int(rng.integers(1, 4))):
        draw = rng.random()
        if draw < 0.45:
            dense(b)
        elif draw < 0.6:
            split(b)
        elif draw < 0.85:
            block(b)
        elif b.format(b.last).width <= 8:
            b.read(int(rng.integers(1, 9)), shared=bool(rng.integers(2)))
    if not b.layers:
        dense(b)
    finish(b)
    return b.build(seed=seed)


def dense(b: Builder) -> None:
    """A convolution with many outputs, levels of up to 16 bits."""
    rng = b.rng
    _, height, width = b.shape(b.last)
    kernel = int(rng.choice([1, 3]))
    padding = kernel // 2 if min(height, width) >= 1 else 0
    b.mac(
        int(rng.integers(1, 71)), kernel, stage=str(rng.choice(["threshold", "requant"])),
        weight_width=int(rng.integers(2, 9)), level_width=int(rng.choice([4, 8, 8, 12, 16])),
        act_width=int(rng.integers(1, 9)), uniform=bool(rng.integers(2)), padding=padding,
        stride=int(rng.integers(1, 3)), out=str(rng.choice(["u8", "s8", "s12"])),
    )  # fmt: skip


def split(b: Builder) -> None:
    """A depthwise convolution, or one of a few groups."""
    rng = b.rng
    channels = b.shape(b.last)[0]
    groups, outs = channels, channels
    if rng.random() < 0.4:
        groups = 2 if channels % 2 == 0 else channels
        outs = groups * int(rng.integers(1, 20))
    b.mac(
        outs, 3, stage=str(rng.choice(["threshold", "requant"])), groups=groups, padding=1,
        stride=int(rng.integers(1, 3)), uniform=bool(rng.integers(2)),
        weight_width=int(rng.integers(2, 9)), act_width=int(rng.integers(1, 6)),
    )  # fmt: skip


def block(b: Builder) -> None:
    """A residual block: option A, option B through an s8 stream, or no change of shape."""
    rng = b.rng
    if b.format(b.last).width > 8:
        dense(b)
        return
    stream = b.last
    channels = b.shape(stream)[0]
    act = b.read(int(rng.integers(1, 5)))
    stride = int(rng.integers(1, 3))
    offset = int(rng.integers(0, 20))
    planes = channels + offset + int(rng.integers(0, 10))
    b.mac(planes, padding=1, stride=stride, act_width=int(rng.integers(1, 5)))
    if rng.random() < 0.5:
        skip = Skip(tensor=stream, stride=stride, channel_offset=offset)
    else:
        inner = b.last
        out = str(rng.choice(["s8", "s12"]))
        skip = Skip(tensor=b.mac(planes, 1, source=act, stride=stride, stage="requant", out=out))
        b.mac(planes, 1, source=inner)
    b.mac(planes, padding=1, stage="requant", skip=skip, out=str(rng.choice(["u8", "s8"])))


def finish(b: Builder) -> None:
    """Sometimes a pool, sometimes a classifier."""
    rng = b.rng
    if rng.random() < 0.3:
        kernel = int(rng.integers(1, min(b.shape(b.last)[1:]) + 1))
        kind = LayerKind.MAX_POOL if rng.random() < 0.5 else LayerKind.AVG_POOL
        padding = int(rng.integers(0, kernel)) if kind is LayerKind.MAX_POOL else 0
        b.pool(kind, kernel, int(rng.integers(1, 3)), padding)
    _, height, width = b.shape(b.last)
    if rng.random() < 0.5 and height == width and b.format(b.last).width <= 8:
        b.pool(LayerKind.AVG_POOL, height, height)
        b.mac(int(rng.integers(1, 40)), 1, stage="requant", uniform=True, linear=True, out="s32")


def extreme_codebook(width: int) -> Codebook:
    """Only the largest levels of 8 bits: sums and 16-bit partial sums at their bounds."""
    return Codebook(levels=(0, 127, 0, -128), width=width)
