"""Fold: the first layer and the input as an array of few channels stores and computes them."""

from dataclasses import replace

import numpy as np

from ...spec.formats import Int64Array, IntArray
from ...spec.layers import MacLayer
from ...spec.program import INPUT, Program, SizedNetwork
from ..networks.plans import Plan
from ..timing.folding import Fold


def folded(program: Program, fold: Fold) -> Program:
    """`program` on the folded input: kernel columns of its first layer are input channels.

    Channel i * channels + c of the new input is channel c of kernel column i. Padding at the left
    and right is in the input then; that above and below stays.
    """
    first = _first(program, fold)
    return replace(program, input_shape=fold.stored_shape, layers=(first, *program.layers[1:]))


def folded_sizes(program: SizedNetwork, fold: Fold) -> SizedNetwork:
    """As `folded`, of a network of which only sizes are known, or matter."""
    stored = replace(program.tensors[INPUT], shape=fold.stored_shape)
    return SizedNetwork(
        layers=(_first(program, fold), *program.layers[1:]),
        tensors={**program.tensors, INPUT: stored},
        bounds=program.bounds,
    )


def _first(program: SizedNetwork, fold: Fold) -> MacLayer:
    layer = program.layer(fold.layer)
    assert isinstance(layer, MacLayer)
    outputs, _, height, _ = layer.weights.shape
    (top, _, bottom, _), channels = layer.padding, fold.columns * fold.channels
    return replace(
        layer,
        weights=layer.weights.transpose(0, 3, 1, 2).reshape(outputs, channels, height, 1),
        stride=(layer.stride[0], 1),
        padding=(top, 0, bottom, 0),
        pad_codes=np.tile(layer.pad_codes, fold.columns),
    )


def stored_image(plan: Plan, images: IntArray) -> Int64Array:
    """What the array stores of `images` (N, C, H, W) of the program that was given to it.

    With the input's offset and folded: images of `plan.program`.
    """
    codes = np.asarray(images, np.int64) + plan.offsets.get(INPUT, 0)
    fold = plan.fold
    if fold is None:
        return codes
    layer = plan.program.layer(fold.layer)
    assert isinstance(layer, MacLayer)
    padded = np.empty((*codes.shape[:3], max(fold.reach, fold.padding + fold.width)), np.int64)
    padded[:] = layer.pad_codes[: fold.channels].reshape(1, -1, 1, 1)
    padded[..., fold.padding : fold.padding + fold.width] = codes
    at = np.arange(fold.columns)[:, None] + np.arange(fold.out_width) * fold.stride
    columns = padded[..., at]  # (N, C, H, columns, out_width)
    shape = len(codes), fold.columns * fold.channels, fold.height, fold.out_width
    return np.ascontiguousarray(columns.transpose(0, 3, 1, 2, 4)).reshape(shape)
