"""Golden interpreter: the definition of right. Plain int64 NumPy, written to be read."""

from collections.abc import Mapping
from typing import assert_never

import numpy as np

from .activation import Threshold
from .engines import Keep, Result, as_logits, check_images, wanted
from .footprint import demand_images, demand_results
from .formats import Int64Array, IntArray
from .layers import ConcatLayer, Layer, MacLayer, PoolLayer, ThresholdLayer, UpsampleLayer
from .program import INPUT, Program
from .requant import Requant
from .windows import Pair


def run(program: Program, images: IntArray, keep: Keep = ()) -> Result:
    """Logits (and kept tensors) of `images` (N, C, H, W); one image at a time to stay small."""
    batch = check_images(program, images)
    names = wanted(program, keep)
    demand_images(program, 1, "golden")
    demand_results(program, names, len(batch))
    kept: dict[str, list[IntArray]] = {name: [] for name in sorted(names)}
    last = program.layers[-1].name
    logits = []
    for image in batch:
        codes: dict[str, IntArray] = {INPUT: image[None].astype(np.int64)}
        for layer in program.layers:
            codes[layer.name] = layer_output(layer, codes)
        logits.append(codes[last])
        for name in names:
            kept[name].append(codes[name].astype(program.tensor_format(name).dtype))
    empty = np.zeros((0, *program.tensor_shape(last)), np.int64)
    return Result(
        logits=as_logits(program, np.concatenate([empty, *logits])),
        tensors={name: _stack(program, name, maps) for name, maps in kept.items()},
    )


def layer_output(layer: Layer, codes: Mapping[str, IntArray]) -> Int64Array:
    """Codes (N, C, H, W) that `layer` makes from the tensors it reads."""
    source = np.asarray(codes[layer.input], dtype=np.int64)
    match layer:
        case ConcatLayer():
            parts = [np.asarray(codes[name], dtype=np.int64) for name in layer.inputs]
            return np.concatenate(parts, axis=1)
        case UpsampleLayer():
            return upsample(layer, source)
        case PoolLayer() if layer.output is None:
            return max_pool(layer, source)
        case MacLayer() | ThresholdLayer() | PoolLayer():
            return _staged(layer, accumulate(layer, source), codes)
        case _:
            assert_never(layer)


def _staged(
    layer: MacLayer | ThresholdLayer | PoolLayer, acc: Int64Array, codes: Mapping[str, IntArray]
) -> Int64Array:
    """Codes of the sums, by the layer's output stage."""
    assert layer.output is not None
    match layer.output:
        case Threshold() as threshold:
            return threshold.apply(acc)
        case Requant() as requant:
            skip = layer.skip
            if skip is None:
                return requant.apply(acc)
            return requant.apply(acc, skip.read(codes[skip.tensor], acc.shape[1]))
        case _:
            assert_never(layer.output)


def accumulate(layer: MacLayer | ThresholdLayer | PoolLayer, source: Int64Array) -> Int64Array:
    """Exact sums (N, C, H, W) of `layer` over input codes `source` (N, C, H, W)."""
    match layer:
        case MacLayer():
            return convolve(layer, source)
        case ThresholdLayer():
            return source
        case PoolLayer():
            windows = _windows(source, layer.kernel, layer.stride)
            return np.asarray(windows.sum(axis=(4, 5)))
        case _:
            assert_never(layer)


def convolve(layer: MacLayer, source: Int64Array) -> Int64Array:
    """`acc[n,o,y,x] = sum over (c,i,j) of level[o,c,i,j] * padded[n,c,y*stride+i,x*stride+j]`."""
    n, channels, height, width = source.shape
    top, left, bottom, right = layer.padding
    padded = np.empty((n, channels, top + height + bottom, left + width + right), dtype=np.int64)
    padded[:] = layer.pad_codes.reshape(1, -1, 1, 1)
    padded[:, :, top : top + height, left : left + width] = source
    windows = _windows(padded, layer.kernel, layer.stride)  # (N, C, H', W', kh, kw)
    out_h, out_w = windows.shape[2:4]
    per_group = layer.out_channels // layer.groups
    acc = np.empty((n, layer.out_channels, out_h, out_w), dtype=np.int64)
    for group in range(layer.groups):
        outs = slice(group * per_group, (group + 1) * per_group)
        ins = slice(group * channels // layer.groups, (group + 1) * channels // layer.groups)
        columns = windows[:, ins].transpose(0, 2, 3, 1, 4, 5).reshape(n, out_h * out_w, -1)
        sums = columns @ layer.levels[outs].reshape(per_group, -1).T
        acc[:, outs] = sums.transpose(0, 2, 1).reshape(n, per_group, out_h, out_w)
    return acc


def max_pool(layer: PoolLayer, source: Int64Array) -> Int64Array:
    """Largest code in each window; positions outside the map do not take part."""
    top, left, bottom, right = layer.padding
    lowest = np.iinfo(np.int64).min
    around = ((0, 0), (0, 0), (top, bottom), (left, right))
    padded = np.pad(source, around, constant_values=lowest)
    return np.asarray(_windows(padded, layer.kernel, layer.stride).max(axis=(4, 5)))


def upsample(layer: UpsampleLayer, source: Int64Array) -> Int64Array:
    """Each code repeated over `factor` positions."""
    down, right = layer.factor
    return source.repeat(down, axis=2).repeat(right, axis=3)


def _windows(maps: Int64Array, kernel: Pair, stride: Pair) -> Int64Array:
    views = np.lib.stride_tricks.sliding_window_view(maps, kernel, axis=(2, 3))
    return np.asarray(views[:, :, :: stride[0], :: stride[1]])


def _stack(program: Program, name: str, maps: list[IntArray]) -> IntArray:
    if maps:
        return np.concatenate(maps)
    return np.zeros((0, *program.tensor_shape(name)), program.tensor_format(name).dtype)
