"""Walks of arrays that hold weights (`Arch.hold` above 1): what a layer's passes move, in numbers.

A pass walks blocks of `cols` output channels, groups of up to `hold` pixels, the words of a group's
sums, and the pixels of the group for each word. Everything follows from sizes: a network without
weights is walked as well. The planner says the same (`tests/cost/events/test_held_walks.py`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ...rtl.arch.arch import Arch
from ...rtl.timing.chaining import chains
from ...rtl.timing.folding import Fold, fold_of
from ...rtl.timing.grouping import grouping
from ...rtl.timing.schedule import layer_schedule
from ...rtl.timing.tables import output_of
from ...rtl.timing.tiling import Tile, concat_parts, held_tiles
from ...spec.host.kept import kept
from ...spec.layers import ConcatLayer, Layer, MacLayer, PoolLayer, UpsampleLayer
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
    depth: int
    """Channels of the words that are read."""
    beat_cycles: int
    inside: int
    """Pairs of a pixel and a position of its window whose activations are read: all but those of
    padding with codes 0."""
    entered: int | None = None
    """Weight words that enter the lanes, where passes are cut into stripes of lines."""

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
        if self.entered is not None:
            return self.entered
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

    def block_sizes(self, cols: int) -> list[tuple[int, int]]:
        """(channels, number of such blocks) of all of them."""
        sizes = []
        for tile in self.tiles:
            full, rest = divmod(min(self.channels - tile.first, tile.blocks * cols), cols)
            sizes += [(cols, full), (rest, 1)] if rest else [(cols, full)]
        return sizes


@lru_cache(maxsize=1024)
def walk_of(network: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch) -> Walk:
    """The walk of a layer with sums."""
    outputs, height, width = network.tensor_shape(layer.name)
    channels, taps = network.tensor_shape(layer.input)[0], layer.taps
    depth = channels
    tiles = held_tiles(layer, channels, rows=arch.rows, cols=arch.cols)
    fold = folded(network, layer, arch)
    if fold is not None:
        taps, depth = layer.kernel[0], fold.columns * channels
        blocks, words = -(-outputs // arch.cols), -(-depth // arch.rows)
        tiles = [Tile(first=0, blocks=blocks, input_block=0, input_blocks=words)]
    return Walk(
        taps=taps,
        pixels=height * width,
        groups=grouping(height * width, arch.hold).groups,
        tiles=tuple(tiles),
        pooled=isinstance(layer, PoolLayer),
        channels=outputs,
        depth=depth,
        beat_cycles=layer_schedule(arch, network, layer).beat_cycles,
        inside=_inside(network, layer, fold is not None),
    )


def folded(network: SizedNetwork, layer: Layer, arch: Arch) -> Fold | None:
    """How the image is stored, where `layer` reads several of its columns at once."""
    return fold_of(network, arch.rows) if layer is network.layers[0] else None


@kept
def _inside(network: SizedNetwork, layer: MacLayer | PoolLayer, folded: bool) -> int:
    """Pairs of a pixel and a position that are read. Columns of a folded image are all in it."""
    counts = network.tensor_shape(layer.name)[1:]
    if isinstance(layer, MacLayer) and layer.has_pad_codes and any(layer.padding):
        return math.prod(counts) * (layer.kernel[0] if folded else layer.taps)
    rows, columns = (_within(network, layer, axis) for axis in (0, 1))
    return rows * (counts[1] if folded else columns)


def _within(network: SizedNetwork, layer: MacLayer | PoolLayer, axis: int) -> int:
    """Pairs of a line of the output and one of the kernel that meet a line of the map."""
    count, size = (network.tensor_shape(name)[1 + axis] for name in (layer.name, layer.input))
    kernel, stride, padding = (part[axis] for part in (layer.kernel, layer.stride, layer.padding))
    pairs = 0
    for k in range(kernel):  # lines `at` of the output with 0 <= at * stride + k - padding < size
        first, last = max(0, -((k - padding) // stride)), (size - 1 + padding - k) // stride
        pairs += max(0, min(count - 1, last) - first + 1)
    return pairs


def stored_image_bits(network: SizedNetwork, arch: Arch) -> int:
    """Bits of the image as it is written: whole words of every stored pixel."""
    channels, height, width = network.tensor_shape(INPUT)
    fold = fold_of(network, arch.rows)
    if fold is not None:
        channels, width = fold.columns * channels, fold.out_width
    words = -(-channels // arch.rows) * height * width
    return words * arch.rows * network.tensor_format(INPUT).width


@kept
def chained(network: SizedNetwork) -> Mapping[str, str]:
    """The layer whose passes compute a read activation as well, by the read activation's name."""
    return {reader: maker for maker, reader in chains(network).items()}


def maker_of(network: SizedNetwork, layer: Layer) -> Layer:
    """The layer whose passes give the codes of `layer`."""
    return network.layer(chained(network).get(layer.name, layer.name))


def narrow(network: SizedNetwork, layer: Layer, arch: Arch) -> bool:
    """Whether chunks of a layer's passes are one channel: results, and residuals that begin between
    output lanes."""
    maker = maker_of(network, layer)
    offset = 0 if maker.skip is None else maker.skip.channel_offset
    return maker is network.layers[-1] or offset % arch.out_lanes != 0


def parameter_rows(network: SizedNetwork, layer: Layer, arch: Arch) -> int:
    """Rows of parameters that are read for a layer; a row stays until a chunk needs another."""
    maker = maker_of(network, layer)
    if isinstance(maker, MacLayer | PoolLayer) and maker.sums:
        walk = walk_of(network, maker, arch)
        if output_of(layer).channels == 1:
            return len(walk.tiles)
        blocks, pixels = walk.block_sizes(arch.cols), walk.pixels
    elif output_of(layer).channels == 1:
        return _moving_passes(network, layer, arch)
    else:
        channels, height, width = network.tensor_shape(layer.name)
        blocks, pixels = [(channels, 1)], height * width
    chunks = [(-(-channels // arch.out_lanes), equal) for channels, equal in blocks]
    return sum(equal if count == 1 else equal * count * pixels for count, equal in chunks)


def _moving_passes(network: SizedNetwork, layer: Layer, arch: Arch) -> int:
    """Passes in which stored codes go through the output stage."""
    passes = 1 if layer.output is not None or layer is network.layers[-1] else 0
    if isinstance(layer, ConcatLayer):
        counts = [network.tensor_shape(name)[0] for name in layer.inputs]
        passes += sum(not part.words for part in concat_parts(counts, arch.rows))
    return passes


def residual_words(network: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch) -> int:
    """Activation words of the residual: a word is read once for all its chunks in a row."""
    if layer.skip is None:
        return 0
    walk, count = walk_of(network, layer, arch), network.tensor_shape(layer.skip.tensor)[0]
    words, offset, rows = 0, layer.skip.channel_offset, arch.rows
    for first, channels in walk.block_channels(arch.cols):
        low, high = max(0, first - offset), min(count, first + channels - offset) - 1
        words += high // rows - low // rows + 1 if high >= low else 0
    return words * walk.pixels


def stored_words(network: SizedNetwork, tensor: str, arch: Arch) -> int:
    """Words of a tensor: of every pixel, those of its channels."""
    channels, height, width = network.tensor_shape(tensor)
    return -(-channels // arch.rows) * height * width


def pooled_words(network: SizedNetwork, layer: PoolLayer, arch: Arch) -> int:
    """Words of all windows of a max pool, without padding."""
    channels = network.tensor_shape(layer.name)[0]
    return -(-channels // arch.rows) * _within(network, layer, 0) * _within(network, layer, 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Moved:
    """Of a layer that leaves codes as they are."""

    words: int
    """Activation words read."""
    compared: int
    """Codes that pass the maxima."""
    written: int
    """Codes written, with those of whole words' lanes beyond the channels."""


def moved_of(network: SizedNetwork, layer: ConcatLayer | UpsampleLayer, arch: Arch) -> Moved:
    """Sources of a concatenation word by word or code by code; all words of an upsampled map."""
    channels, height, width = network.tensor_shape(layer.name)
    pixels = height * width
    if isinstance(layer, UpsampleLayer):
        words = stored_words(network, layer.name, arch)
        return Moved(words=words, compared=channels * pixels, written=words * arch.rows)
    counts = [network.tensor_shape(name)[0] for name in layer.inputs]
    parts = concat_parts(counts, arch.rows)
    moved = [(part, -(-part.channels // arch.rows) * pixels) for part in parts]
    return Moved(
        words=sum(count for _, count in moved),
        compared=sum(part.channels for part, _ in moved if part.words) * pixels,
        written=sum(n * arch.rows if p.words else p.channels * pixels for p, n in moved),
    )
