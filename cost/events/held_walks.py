"""Walks of arrays that hold weights (`Arch.hold` above 1): what a layer's passes move, in numbers.

A pass walks blocks of `cols` output channels, groups of up to `hold` pixels, the words of a group's
sums, and the pixels of the group for each word. Everything follows from sizes: a network without
weights is walked as well. The planner says the same (`tests/cost/events/test_held_walks.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...rtl.arch.arch import Arch
from ...rtl.timing.chaining import chains
from ...rtl.timing.folding import Fold, fold_of
from ...rtl.timing.grouping import grouping
from ...rtl.timing.tiling import Tile, held_tiles
from ...spec.layers import Layer, LayerKind, MacLayer, PoolLayer
from ...spec.program import INPUT, SizedNetwork


@dataclass(frozen=True, kw_only=True, slots=True)
class Walk:
    """The tiles of a layer with sums, all together."""

    taps: int
    """Positions of the window as it is walked: kernel rows only where columns are folded."""
    pixels: int
    groups: int
    """Groups of pixels, of one block."""
    tiles: tuple[Tile, ...]
    pooled: bool
    """All words are the same: a block that reads one input block takes a word once."""
    channels: int
    """Of the output."""
    inside: int
    """Pairs of a pixel and a position of its window whose activations are read: all but those of
    padding with codes 0."""

    @property
    def blocks(self) -> int:
        return sum(tile.blocks for tile in self.tiles)

    @property
    def beats(self) -> int:
        return self.pixels * self.taps * sum(t.blocks * t.input_blocks for t in self.tiles)

    @property
    def reads(self) -> int:
        """Activation words that beats read."""
        return self.inside * sum(t.blocks * t.input_blocks for t in self.tiles)

    def constant(self, tile: Tile) -> bool:
        """Whether the words of a block are one, which enters the lanes once."""
        return self.pooled and tile.input_blocks == 1

    @property
    def stored(self) -> int:
        """Weight words in the memory."""
        return sum(
            t.blocks * (1 if self.constant(t) else self.taps * t.input_blocks) for t in self.tiles
        )

    @property
    def words(self) -> int:
        """Weight words that enter the lanes."""
        return sum(
            t.blocks * (1 if self.constant(t) else self.groups * self.taps * t.input_blocks)
            for t in self.tiles
        )

    @property
    def sums(self) -> int:
        """Of a column: every block's of every pixel."""
        return self.blocks * self.pixels

    def column_beats(self, cols: int) -> int:
        """Beats, summed over the columns whose sums belong to an output channel."""
        return sum(
            min(self.channels - t.first, t.blocks * cols) * t.input_blocks for t in self.tiles
        ) * (self.pixels * self.taps)

    def block_channels(self, cols: int) -> list[tuple[int, int]]:
        """(first channel, channels) of every block."""
        firsts = [t.first + n * cols for t in self.tiles for n in range(t.blocks)]
        return [(first, min(cols, self.channels - first)) for first in firsts]


def walk_of(network: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch) -> Walk:
    """The walk of a layer with sums."""
    outputs, height, width = network.tensor_shape(layer.name)
    channels, taps = network.tensor_shape(layer.input)[0], layer.taps
    tiles = held_tiles(layer, channels, rows=arch.rows, cols=arch.cols)
    fold = folded(network, layer, arch)
    if fold is not None:
        taps = layer.kernel[0]
        blocks, words = -(-outputs // arch.cols), -(-fold.columns * channels // arch.rows)
        tiles = [Tile(first=0, blocks=blocks, input_block=0, input_blocks=words)]
    return Walk(
        taps=taps,
        pixels=height * width,
        groups=grouping(height * width, arch.hold).groups,
        tiles=tuple(tiles),
        pooled=isinstance(layer, PoolLayer),
        channels=outputs,
        inside=_inside(network, layer, fold),
    )


def folded(network: SizedNetwork, layer: Layer, arch: Arch) -> Fold | None:
    """How the image is stored, where `layer` reads several of its columns at once."""
    return fold_of(network, arch.rows) if layer is network.layers[0] else None


def _inside(network: SizedNetwork, layer: MacLayer | PoolLayer, fold: Fold | None) -> int:
    """Pairs of a pixel and a position that are read. Columns of a folded image are all in it."""
    counts = network.tensor_shape(layer.name)[1:]
    sizes, (top, left, _, _) = network.tensor_shape(layer.input)[1:], layer.padding
    codes = layer.pad_codes if isinstance(layer, MacLayer) else None
    if codes is not None and any(layer.padding) and np.any(codes):
        return math.prod(counts) * (layer.kernel[0] if fold else layer.taps)
    each = [
        sum(
            0 <= pixel * layer.stride[axis] + k - (top, left)[axis] < sizes[axis]
            for pixel in range(counts[axis])
            for k in range(layer.kernel[axis])
        )
        for axis in (0, 1)
    ]
    return each[0] * (counts[1] if fold else each[1])


def stored_image_bits(network: SizedNetwork, arch: Arch) -> int:
    """Bits of the image as it is written: whole words of every stored pixel."""
    channels, height, width = network.tensor_shape(INPUT)
    fold = fold_of(network, arch.rows)
    if fold is not None:
        channels, width = fold.columns * channels, fold.out_width
    words = -(-channels // arch.rows) * height * width
    return words * arch.rows * network.tensor_format(INPUT).width


@lru_cache(maxsize=16)
def chained(network: SizedNetwork) -> Mapping[str, str]:
    """The layer whose passes compute a read activation as well, by the read activation's name."""
    return {reader: maker for maker, reader in chains(network).items()}


def narrow(network: SizedNetwork, layer: Layer, arch: Arch) -> bool:
    """Whether a chunk is one channel: results, and residuals that begin between output lanes."""
    offset = 0 if layer.skip is None else layer.skip.channel_offset
    return layer is network.layers[-1] or offset % arch.out_lanes != 0


def parameter_rows(walk: Walk, arch: Arch) -> int:
    """Rows of parameters read in a walk; a row stays until the next chunk needs another."""
    chunks = [-(-channels // arch.out_lanes) for _, channels in walk.block_channels(arch.cols)]
    return sum(1 if count == 1 else count * walk.pixels for count in chunks)


def residual_words(network: SizedNetwork, layer: Layer, walk: Walk, arch: Arch) -> int:
    """Activation words of the residual: a word is read once for all its chunks in a row."""
    if layer.skip is None:
        return 0
    count = network.tensor_shape(layer.skip.tensor)[0]
    words = 0
    for first, channels in walk.block_channels(arch.cols):
        low = max(0, first - layer.skip.channel_offset)
        high = min(count, first + channels - layer.skip.channel_offset) - 1
        words += max(0, high // arch.rows - low // arch.rows + 1) if high >= low else 0
    return words * walk.pixels


def direct_words(network: SizedNetwork, layer: Layer, arch: Arch) -> int:
    """Words of the codes of a pass without sums."""
    channels, height, width = network.tensor_shape(layer.input)
    return -(-channels // arch.rows) * height * width


def pooled_words(network: SizedNetwork, layer: PoolLayer, arch: Arch) -> int:
    """Words of all windows of a max pool."""
    assert layer.kind is LayerKind.MAX_POOL
    channels, height, width = network.tensor_shape(layer.name)
    return -(-channels // arch.rows) * height * width * layer.taps


def outputs_of(network: SizedNetwork, layer: Layer) -> int:
    return math.prod(network.tensor_shape(layer.name))
