"""Random tiny networks that the accelerator runs: every layer kind, residuals, groups, widths."""

import dataclasses

import numpy as np
from programs import Builder, random_images

from adqhw.spec import LayerKind, Program, Skip
from adqhw.spec.layers import MacLayer


def random_net(seed: int, *, shifts: bool = False) -> Program:
    """One to seven layers on maps of at most 8 x 8; all tensors that a MAC reads are unsigned."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, 9))
    b = Builder(rng, (int(rng.integers(1, 8)), size, int(rng.integers(1, 9))), shifts=shifts)
    b.input_width = int(rng.integers(1, 9))
    for _ in range(int(rng.integers(1, 5))):
        _append(b)
    if rng.random() < 0.4:
        kernel = min(b.shape(b.last)[1:])
        b.pool(LayerKind.AVG_POOL, kernel, int(rng.integers(1, kernel + 1)))
    if rng.random() < 0.4:
        kernel = max(b.shape(b.last)[1:])
        b.mac(int(rng.integers(1, 11)), min(b.shape(b.last)[1:]) if kernel > 1 else 1,
              stage="requant", weight_width=8, uniform=True, out="s32")  # fmt: skip
    return b.build(seed=seed)


def _append(b: Builder) -> None:
    choice = b.rng.random()
    _, height, width = b.shape(b.last)
    if choice < 0.2:
        b.read(int(b.rng.integers(1, 6)), shared=bool(b.rng.integers(2)))
    elif choice < 0.35:
        kernel = int(b.rng.integers(1, min(height, width) + 1))
        padding = int(b.rng.integers(0, kernel))
        b.pool(LayerKind.MAX_POOL, kernel, int(b.rng.integers(1, 3)), padding)
    elif choice < 0.6:
        _residual(b)
    else:
        _conv(b, str(b.rng.choice(["threshold", "requant"])), {})


def _conv(b: Builder, stage: str, options: dict) -> None:
    _, height, width = b.shape(b.last)
    padding = int(b.rng.integers(0, 3))
    kernel = int(b.rng.integers(1, min(height, width) + 2 * padding + 1))
    outs = int(b.rng.integers(1, 10))
    groups = b.shape(b.last)[0] if b.rng.random() < 0.15 else 1
    given = {"padding": padding, "stride": int(b.rng.integers(1, 4)), "groups": groups} | options
    b.mac(
        given.pop("outs", outs) * groups, given.pop("kernel", min(kernel, 5)), stage=stage,
        weight_width=int(b.rng.integers(2, 9)), level_width=int(b.rng.integers(4, 9)),
        act_width=int(b.rng.integers(1, 6)), uniform=bool(b.rng.integers(2)),
        out=str(b.rng.choice(["u8", "u4"])), **given,
    )  # fmt: skip


def _residual(b: Builder) -> None:
    """A convolution that keeps the map's size adds an earlier map: its input, or option A or B."""
    source = b.last
    channels, height, width = b.shape(source)
    stride = int(b.rng.integers(1, 3))
    offset = int(b.rng.integers(0, 3))
    if b.rng.random() < 0.3:
        b.mac(channels + offset, 1, stage="requant", stride=stride, out="s8")
        skip = Skip(tensor=b.last)
    else:
        skip = Skip(tensor=source, stride=stride, channel_offset=offset)
    b.mac(channels + offset, 3, stage="requant", weight_width=int(b.rng.integers(2, 6)),
          padding=1, stride=stride, source=source, skip=skip)  # fmt: skip
    assert b.shape(b.last)[1:] == (-(-height // stride), -(-width // stride))


def needed_prefix(program: Program, name: str) -> Program:
    """The least part of `program` that computes layer `name`: a failing case is reduced to it."""
    needed, layers = {name}, []
    for layer in reversed(program.layers):
        if layer.name in needed:
            needed.add(layer.input)
            if isinstance(layer, MacLayer) and layer.skip is not None:
                needed.add(layer.skip.tensor)
            layers.append(layer)
    return dataclasses.replace(program, layers=tuple(reversed(layers)))


def images_of(program: Program) -> np.ndarray:
    return random_images(program, 1, seed=program.provenance["seed"])
