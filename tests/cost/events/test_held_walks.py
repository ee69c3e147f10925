"""Walks of held arrays in closed form against the same walks, step by step."""

from dataclasses import replace

import numpy as np
import pytest
from programs import Builder

from adqhw.cost.events.held_walks import (
    chained,
    fold_of,
    narrow,
    parameter_rows,
    residual_words,
    walk_of,
)
from adqhw.cost.topologies.assumed import Assumptions
from adqhw.cost.topologies.published import published_network
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.timing.tiling import layer_tiles
from adqhw.spec import LayerKind, Program, Skip
from adqhw.spec.layers import MacLayer, PoolLayer

ARCHS = [
    Arch(rows=4, cols=4, hold=4, fill=2, out_lanes=2),
    Arch(rows=2, cols=4, hold=3, fill=1, out_lanes=2),
    Arch(rows=6, cols=3, hold=7, fill=3, out_lanes=3),  # folds the first layer
]


def every_walk() -> Program:
    """Folded, grouped, depth-wise, strided, residuals with an offset, pools, a read activation."""
    b = Builder(np.random.default_rng(11), (3, 5, 4))
    b.mac(5, stage="requant", weight_width=4, uniform=True, padding=1)
    stream = b.last
    b.read(3)
    b.mac(5, weight_width=3, groups=5, padding=1, act_width=3)
    b.mac(10, kernel=1, weight_width=3, groups=5, act_width=3)
    b.mac(7, stage="requant", padding=1, skip=Skip(tensor=stream, channel_offset=1))
    b.read(2, shared=True)
    b.mac(5, weight_width=2, stride=2, padding=1, act_width=2)
    b.mac(9, kernel=1, stage="requant", skip=Skip(tensor=b.last, channel_offset=3))
    b.pool(LayerKind.AVG_POOL, b.shape(b.last)[1:], 1)
    b.mac(4, 1, stage="requant", weight_width=4, uniform=True, linear=True, out="s32")
    return b.build()


def steps(program: Program, layer: MacLayer | PoolLayer, arch: Arch):
    """(first channel of the block, channels, words, group's pixels) of every group of pixels."""
    outputs, height, width = program.tensor_shape(layer.name)
    channels, kernel = program.tensor_shape(layer.input)[0], layer.kernel
    tiles = layer_tiles(layer, channels, rows=arch.rows, cols=arch.cols)
    folded = fold_of(program, arch) if layer is program.layers[0] else None
    pixels = list(range(height * width))
    for tile in tiles:
        for block in range(tile.blocks):
            first = tile.first + block * arch.cols
            words = [
                (down, across, source)
                for down in range(kernel[0])
                for across in range(1 if folded else kernel[1])
                for source in range(tile.input_blocks if not folded else
                                    len(range(0, channels * kernel[1], arch.rows)))
            ]  # fmt: skip
            groups = -(-len(pixels) // arch.hold)
            for group in np.array_split(pixels, groups):
                yield first, min(arch.cols, outputs - first), words, group.tolist()


@pytest.mark.parametrize("arch", ARCHS)
def test_walks_are_those_of_nested_loops(arch):
    program = every_walk()
    for layer in program.layers:
        if not layer.sums:
            continue
        walk, found = walk_of(program, layer, arch), list(steps(program, layer, arch))
        assert walk.beats == sum(len(words) * len(group) for *_, words, group in found)
        assert walk.sums == sum(len(group) for *_, group in found)
        blocks = {first: channels for first, channels, *_ in found}
        assert walk.block_channels(arch.cols) == list(blocks.items())
        entered = sum(len(words) for *_, words, _ in found)
        constant = isinstance(layer, PoolLayer)
        assert walk.words == (len(blocks) if constant else entered)
        used = sum(channels * len(words) * len(group) for _, channels, words, group in found)
        assert walk.column_beats(arch.cols) == used


@pytest.mark.parametrize("arch", ARCHS)
def test_rows_and_residual_words_are_the_changes_of_an_address(arch):
    program = every_walk()
    for layer in program.layers:
        if not layer.sums:
            continue
        rows, words = [], []
        step = 1 if narrow(program, layer, arch) else arch.out_lanes
        for first, channels, _, group in steps(program, layer, arch):
            for pixel in group:
                for channel in range(first, first + channels, step):
                    rows.append((channel // arch.out_lanes, first))
                    lanes = range(channel, min(channel + step, first + channels))
                    words += read_words(program, layer, arch, pixel, lanes)
        walk = walk_of(program, layer, arch)
        assert parameter_rows(walk, arch) == changes(rows), layer.name
        assert residual_words(program, layer, walk, arch) == changes(words), layer.name


def read_words(program: Program, layer, arch: Arch, pixel: int, lanes: range):
    """Words of a chunk's residual codes; none where all of them are outside."""
    if layer.skip is None:
        return []
    count, offset = program.tensor_shape(layer.skip.tensor)[0], layer.skip.channel_offset
    inside = [c - offset for c in lanes if 0 <= c - offset < count]
    return [(pixel, word) for word in dict.fromkeys(c // arch.rows for c in inside)]


def changes(values: list) -> int:
    return sum(one != other for one, other in zip(values, [None, *values], strict=False))


def test_read_activations_are_chained_once_per_stream():
    program = every_walk()
    first, second = (x for x in program.layers if x.kind is LayerKind.THRESHOLD)
    assert chained(program) == {first.name: first.input, second.name: second.input}
    network = published_network("resnet18", Assumptions())
    assert "layer1.0.act1" not in chained(network)  # reads the maxima of the stem
    assert len(chained(network)) == 7


def test_folding_needs_fewer_beats_and_a_single_reader():
    program = every_walk()
    wide = replace(ARCHS[0], rows=2, out_lanes=2)
    assert fold_of(program, wide).channels == 9
    many = Arch(rows=1, cols=2, hold=2, fill=1)
    assert fold_of(program, many) is None  # no beat is saved
