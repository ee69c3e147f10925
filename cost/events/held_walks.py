"""Walks of arrays that hold weights (`Arch.hold` above 1): what a layer's passes move, in numbers.

A pass walks blocks of `cols` output channels, groups of up to `hold` pixels, the words of a group's
sums, and the pixels of the group for each word. Everything follows from sizes: a network without
weights is walked as well. Nested loops give the same (`tests/cost/events/test_held_walks.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from ...rtl.arch.arch import Arch
from ...rtl.timing.tiling import Tile, layer_tiles
from ...spec.layers import Layer, LayerKind, MacLayer, PoolLayer, ThresholdLayer
from ...spec.program import INPUT, SizedNetwork
from ...spec.requant import Requant


@dataclass(frozen=True, kw_only=True, slots=True)
class Walk:
    """The tiles of a layer with sums, all together."""

    taps: int
    """Positions of the window as it is walked: kernel rows only where columns are folded."""
    pixels: int
    groups: int
    """Groups of pixels, of one block."""
    tiles: tuple[Tile, ...]
    passes: int
    constant: bool
    """All words of a block are the same: it enters the lanes once."""
    channels: int
    """Of the output."""

    @property
    def blocks(self) -> int:
        return sum(tile.blocks for tile in self.tiles)

    @property
    def beats(self) -> int:
        return self.pixels * self.taps * sum(t.blocks * t.input_blocks for t in self.tiles)

    @property
    def words(self) -> int:
        """Weight words that enter the lanes."""
        if self.constant:
            return self.blocks
        return self.groups * self.taps * sum(t.blocks * t.input_blocks for t in self.tiles)

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """Kernel columns of a first layer as channels: every stored pixel has `columns` of the image's.

    height, width: of the map as it is stored.
    """

    columns: int
    height: int
    width: int
    channels: int
    """Of a stored pixel."""


def fold_of(network: SizedNetwork, arch: Arch) -> Fold | None:
    """How the image is stored where the first layer reads several columns at once, else None."""
    layer = network.layers[0]
    readers = [other for other in network.layers if INPUT in other.reads]
    if not isinstance(layer, MacLayer) or layer.input != INPUT or len(readers) > 1:
        return None
    high, wide = layer.kernel
    channels, height, _ = network.tensor_shape(INPUT)
    plain = high * wide * -(-channels // arch.rows)
    folded = high * -(-channels * wide // arch.rows)
    if layer.groups > 1 or layer.skip is not None or folded >= plain:
        return None
    width = network.tensor_shape(layer.name)[2]
    return Fold(columns=wide, height=height, width=width, channels=channels * wide)


def walk_of(network: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch) -> Walk:
    """The walk of a layer with sums."""
    outputs, height, width = network.tensor_shape(layer.name)
    channels, taps = network.tensor_shape(layer.input)[0], layer.taps
    fold = fold_of(network, arch) if layer is network.layers[0] else None
    tiles = layer_tiles(layer, channels, rows=arch.rows, cols=arch.cols)
    if fold is not None:
        taps = layer.kernel[0]
        tiles = [Tile(first=0, blocks=-(-outputs // arch.cols), input_block=0,
                      input_blocks=-(-fold.channels // arch.rows))]  # fmt: skip
    return Walk(
        taps=taps,
        pixels=height * width,
        groups=-(-height * width // arch.hold),
        tiles=tuple(tiles),
        passes=_passes(tiles),
        constant=isinstance(layer, PoolLayer),
        channels=outputs,
    )


def _passes(tiles: list[Tile]) -> int:
    """Consecutive tiles of one block each whose input blocks advance by one are one pass."""
    joined = sum(
        one.blocks == other.blocks == 1
        and one.input_blocks == other.input_blocks
        and one.input_block + 1 == other.input_block
        for one, other in pairwise(tiles)
    )
    return len(tiles) - joined


@lru_cache(maxsize=16)
def chained(network: SizedNetwork) -> Mapping[str, str]:
    """The layer whose pass computes a read activation as well, by the read activation's name."""
    found: dict[str, str] = {}
    for layer in network.layers[:-1]:
        if isinstance(layer, ThresholdLayer) and layer.input != INPUT:
            maker = network.layer(layer.input)
            if isinstance(maker.output, Requant) and maker.name not in found.values():
                found[layer.name] = maker.name
    return found


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
