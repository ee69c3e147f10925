"""Cuts of layers on arrays that hold weights: folded inputs, joined tiles, groups of pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.rtl.planning.fold import folded
from adqhw.rtl.timing.folding import FOLD_WORDS, fold_of
from adqhw.rtl.timing.grouping import grouping
from adqhw.rtl.timing.tiling import Tile, held_tiles, joined_tiles, layer_tiles, tile_fields, tiles
from adqhw.spec import IntFormat, MacLayer, Program, Requant
from adqhw.spec.program import INPUT


def first_layer(channels: int, kernel: tuple[int, int], **options) -> Program:
    layer = MacLayer(
        name="conv", input=INPUT, weights=np.ones((3, channels, *kernel), np.int64),
        weight_width=2, output=Requant(multiplier=[1], bias=[0], shift=0, out=IntFormat(width=8)),
        **options,
    )  # fmt: skip
    return Program(input_shape=(channels, 9, 12), input_format=IntFormat(width=4), layers=(layer,))


@pytest.mark.parametrize(
    ("channels", "kernel", "rows", "words"),
    [
        (3, (3, 3), 16, 1),
        (3, (7, 7), 16, 2),
        (16, (3, 3), 16, None),  # every position fills the rows
        (5, (2, 2), 8, None),  # two columns need two words
        (3, (3, 1), 16, None),
        (17, (3, 3), 16, None),
        (1, (1, 12), 1, None),
    ],
)
def test_kernel_columns_are_folded_where_that_saves_beats(channels, kernel, rows, words):
    fold = fold_of(first_layer(channels, kernel), rows)
    if words is None:
        assert fold is None
        return
    assert fold is not None
    assert -(-fold.columns * channels // rows) == words < kernel[1]


def test_a_folded_layer_has_the_sums_of_the_layer():
    program = first_layer(3, (4, 5), stride=(2, 3), padding=(1, 2, 0, 3))
    fold = fold_of(program, 16)
    assert fold is not None
    made = folded(program, fold)
    assert made.tensor_shape("conv") == program.tensor_shape("conv")
    assert made.input_shape == (15, 9, 5)
    assert made.bounds == program.bounds


def test_a_stored_pixel_has_at_most_so_many_words():
    program = first_layer(8, (1, 12))
    assert fold_of(program, 12) is not None  # 8 words
    assert fold_of(program, 11) is None  # 9
    assert FOLD_WORDS == 8


@given(st.integers(1, 3000), st.integers(2, 64))
def test_groups_are_few_and_equal(pixels, hold):
    cut = grouping(pixels, hold)
    assert cut.groups == -(-pixels // hold)
    assert sum(size * count for size, count in cut.sizes) == pixels
    assert sum(count for _, count in cut.sizes) == cut.groups
    assert max(size for size, _ in cut.sizes) <= hold
    assert cut.sizes[0][0] - cut.sizes[-1][0] <= 1
    assert cut.groups * cut.size + cut.larger == pixels


@given(
    st.integers(1, 5), st.integers(1, 5), st.integers(1, 8), st.integers(1, 9), st.integers(1, 9)
)
def test_joined_tiles_have_the_weights_of_the_tiles(per_out, per_in, groups, rows, cols):
    cut = tiles(per_out * groups, per_in * groups, groups, rows=rows, cols=cols)
    joined = joined_tiles(cut, None, rows)
    rng = np.random.default_rng(rows)
    fields = rng.integers(1, 9, (per_out * groups, per_in, 1, 2))
    apart = [tile_fields(tile, fields, groups, rows=rows, cols=cols) for tile in cut]
    blocks = [block for part in apart for block in part]
    made = [tile_fields(tile, fields, groups, rows=rows, cols=cols) for tile in joined]
    for block, together in zip(blocks, (b for part in made for b in part), strict=True):
        assert (block == together).all()
    reads = [
        (tile.first + block * cols, tile.input_block + block * tile.block_step, tile.input_blocks)
        for tile in joined
        for block in range(tile.blocks)
    ]
    assert reads == [
        (tile.first + block * cols, tile.input_block, tile.input_blocks)
        for tile in cut
        for block in range(tile.blocks)
    ]


def depthwise(channels: int, pads: np.ndarray, padding: int) -> MacLayer:
    return MacLayer(
        name="d", input=INPUT, weights=np.ones((channels, 1, 3, 3), np.int64), weight_width=2,
        groups=channels, padding=padding, pad_codes=pads,
        output=Requant(multiplier=[1], bias=[0], shift=0, out=IntFormat(width=8)),
    )  # fmt: skip


def test_depthwise_tiles_are_one_where_padding_words_are_equal():
    same, other = np.full(30, 5), np.arange(30)
    one = [Tile(first=0, blocks=4, input_block=0, input_blocks=1, block_step=1)]
    assert held_tiles(depthwise(30, same, 1), 30, rows=8, cols=8) == one
    assert held_tiles(depthwise(30, other, 0), 30, rows=8, cols=8) == one  # no padding is read
    apart = held_tiles(depthwise(30, other, 1), 30, rows=8, cols=8)
    assert apart == layer_tiles(depthwise(30, other, 1), 30, rows=8, cols=8)
    assert len(apart) == 4
