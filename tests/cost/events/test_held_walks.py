"""Walks of held arrays in closed form against the same walks, step by step."""

from dataclasses import replace

import numpy as np
import pytest
from programs import Builder

from adqhw.cost.events.held_walks import (
    chained,
    parameter_rows,
    residual_words,
    stored_image_bits,
    walk_of,
)
from adqhw.cost.topologies.assumed import Assumptions
from adqhw.cost.topologies.published import published_network
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.planning.passes import held_plan
from adqhw.spec import LayerKind, Program, Skip

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


def passes_of(program: Program, arch: Arch):
    """(layer, passes) of every layer with sums, by the planner."""
    plan = held_plan(arch, program)
    for layer in program.layers:
        if layer.sums:
            passes = [entry for entry in plan.passes if entry.layer == layer.name]
            yield plan.program.layer(layer.name), passes


@pytest.mark.parametrize("arch", ARCHS)
@pytest.mark.parametrize("padded", [False, True])
def test_walks_are_those_of_the_planner(arch, padded):
    program = every_walk() if padded else without_pads(every_walk())
    for (layer, passes), own in zip(passes_of(program, arch), with_sums(program), strict=True):
        walk, feeds = walk_of(program, own, arch), [entry.word["feed"] for entry in passes]
        pixels = {feed["groups"] * feed["size"] + feed["larger"] for feed in feeds}
        assert pixels == {walk.pixels}
        taps = {feed["kernel_height"] * feed["kernel_width"] for feed in feeds}
        assert taps == {walk.taps}
        blocks = [feed["blocks"] * feed["channel_blocks"] for feed in feeds]
        assert walk.beats == sum(blocks) * walk.pixels * walk.taps
        assert walk.sums == sum(feed["blocks"] for feed in feeds) * walk.pixels
        stored = sum(entry.planes // arch.fill // entry.weight_width for entry in passes)
        assert walk.stored == stored
        entered = [1 if feed["constant"] else feed["groups"] for feed in feeds]
        assert walk.words == sum(
            count * entry.planes // arch.fill // entry.weight_width
            for count, entry in zip(entered, passes, strict=True)
        )
        channels = sum(entry.word["walk"]["channels"] * entry.word["feed"]["channel_blocks"]
                       for entry in passes)  # fmt: skip
        assert walk.column_beats(arch.cols) == channels * walk.pixels * walk.taps
        stored = feeds[0].get("pad_stored", 0)
        assert stored == (padded and any(layer.padding))
        whole = walk.pixels * walk.taps
        assert walk.inside == (whole if stored else inside(program, own, layer))


def without_pads(program: Program) -> Program:
    """The same with codes of 0 around all maps, which are not stored."""
    layers = [replace(x, pad_codes=None) if hasattr(x, "pad_codes") else x for x in program.layers]
    return replace(program, layers=tuple(layers))


def with_sums(program: Program) -> list:
    return [layer for layer in program.layers if layer.sums]


def inside(program: Program, layer, walked) -> int:
    """Positions of windows that are not padding of code 0, one by one.

    walked: the layer as it is walked; the columns of a folded image are all stored.
    """
    _, rows, columns = program.tensor_shape(layer.input)
    top, left, _, _ = walked.padding
    folded, found = walked is not layer, 0
    for y in range(program.tensor_shape(layer.name)[1]):
        for x in range(program.tensor_shape(layer.name)[2]):
            for down in range(walked.kernel[0]):
                for right in range(walked.kernel[1]):
                    row = y * walked.stride[0] + down - top
                    column = x * walked.stride[1] + right - left
                    found += 0 <= row < rows and (folded or 0 <= column < columns)
    return found


@pytest.mark.parametrize("arch", ARCHS)
def test_rows_and_residual_words_are_the_changes_of_an_address(arch):
    program = every_walk()
    for (_, passes), layer in zip(passes_of(program, arch), with_sums(program), strict=True):
        rows, words = [], []
        for number, entry in enumerate(passes):
            for block, pixel, lanes in chunks(entry.word["walk"], arch):
                shared = entry.word["stage"]["shared"]
                rows.append((number, 0 if shared else (block, lanes[0] // arch.out_lanes)))
                words += read_words(entry.word, arch, (number, block, pixel), lanes)
        assert parameter_rows(program, layer, arch) == changes(rows), layer.name
        assert residual_words(program, layer, arch) == changes(words), layer.name


def chunks(walk, arch: Arch):
    """(block, pixel, channels of the walk) of every chunk."""
    step = 1 if walk["narrow"] else arch.out_lanes
    for block in range(walk["blocks"]):
        first = block * walk["group"]
        last = min(first + walk["group"], walk["channels"])
        for pixel in range(walk["height"] * walk["width"]):
            for channel in range(first, last, step):
                yield block, pixel, range(channel, min(channel + step, last))


def read_words(word, arch: Arch, where: tuple, lanes: range) -> list:
    """Words of a chunk's residual codes; none where all of them are outside."""
    if not word["stage"].get("skip"):
        return []
    walk = word["walk"]
    codes = [walk["read_channel"] + channel for channel in lanes]
    codes = [code for code in codes if 0 <= code < walk["read_channels"]]
    return [(where, number) for number in dict.fromkeys(code // arch.rows for code in codes)]


def changes(values: list) -> int:
    return sum(one != other for one, other in zip(values, [None, *values], strict=False))


def test_read_activations_are_chained_once_per_stream():
    program = every_walk()
    first, second = (x for x in program.layers if x.kind is LayerKind.THRESHOLD)
    assert chained(program) == {first.name: first.input, second.name: second.input}
    network = published_network("resnet18", Assumptions())
    assert "layer1.0.act1" not in chained(network)  # reads the maxima of the stem
    assert len(chained(network)) == 7


def test_a_folded_image_is_stored_in_whole_words():
    program = every_walk()
    network = published_network("resnet20-cifar", Assumptions())
    arch = Arch(rows=16, cols=16, hold=16, fill=8, out_lanes=4)
    assert stored_image_bits(network, arch) == 32 * 32 * 16 * 8  # 9 of 16 codes
    assert stored_image_bits(program, ARCHS[0]) == 5 * 4 * 4 * 8  # as it is
    assert stored_image_bits(program, ARCHS[2]) == 5 * 4 * 12 * 8  # two words of 6
