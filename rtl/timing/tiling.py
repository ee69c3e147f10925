"""Tiling: how a layer with sums is cut into column blocks, each reading a range of input blocks."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby

import numpy as np

from ...spec.formats import Int64Array
from ...spec.layers import MacLayer, PoolLayer


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """`blocks` column blocks from output channel `first`, over the same input channel blocks; or
    each over input blocks that lie `block_step` after those of the block before."""

    first: int
    blocks: int
    input_block: int
    input_blocks: int
    block_step: int = 0


def tiles(outputs: int, inputs: int, groups: int, *, rows: int, cols: int) -> list[Tile]:
    """Tiles of a layer: one where every output reads every input, several with groups.

    A column block reads the input blocks that hold the channels of its outputs' groups.
    """
    if groups == 1:
        blocks, input_blocks = -(-outputs // cols), -(-inputs // rows)
        return [Tile(first=0, blocks=blocks, input_block=0, input_blocks=input_blocks)]
    per_out, per_in = outputs // groups, inputs // groups
    ranges = []
    for first in range(0, outputs, cols):
        last = min(first + cols, outputs) - 1
        low = first // per_out * per_in
        high = (last // per_out + 1) * per_in - 1
        ranges.append((first, low // rows, high // rows - low // rows + 1))
    cut = []
    for (block, count), members in groupby(ranges, key=lambda entry: entry[1:]):
        firsts = [first for first, _, _ in members]
        cut.append(Tile(first=firsts[0], blocks=len(firsts), input_block=block, input_blocks=count))
    return cut


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A source of a concatenation: `channels` from channel `first` on, moved word by word or code
    by code."""

    source: int
    first: int
    channels: int
    words: bool


def concat_parts(counts: list[int], rows: int) -> list[Part]:
    """Sources of so many channels; words only where they hold codes of one source alone."""
    parts, first = [], 0
    for source, channels in enumerate(counts):
        alone = channels % rows == 0 or source == len(counts) - 1
        words = first % rows == 0 and alone
        parts.append(Part(source=source, first=first, channels=channels, words=words))
        first += channels
    return parts


def layer_tiles(layer: MacLayer | PoolLayer, channels: int, *, rows: int, cols: int) -> list[Tile]:
    """Tiles of a layer on the array; average pooling sums every channel on its own."""
    if isinstance(layer, PoolLayer):
        return tiles(channels, channels, channels, rows=rows, cols=cols)
    return tiles(layer.out_channels, layer.in_channels, layer.groups, rows=rows, cols=cols)


def held_tiles(layer: MacLayer | PoolLayer, channels: int, *, rows: int, cols: int) -> list[Tile]:
    """Tiles of a layer on an array that holds weights: those that advance evenly are one."""
    pads = layer.pad_codes if isinstance(layer, MacLayer) and any(layer.padding) else None
    return joined_tiles(layer_tiles(layer, channels, rows=rows, cols=cols), pads, rows)


def joined_tiles(cut: list[Tile], pads: Int64Array | None, rows: int) -> list[Tile]:
    """Tiles of one block each that advance evenly through the input, as one.

    pads: (Cin,) padding codes, which must be the same for all of its blocks; None: no padding.
    """
    joined: list[Tile] = []
    for tile in cut:
        before = joined[-1] if joined else None
        if before is not None and _continues(before, tile, pads, rows):
            step = before.block_step or tile.input_block - before.input_block
            joined[-1] = replace(before, blocks=before.blocks + 1, block_step=step)
        else:
            joined.append(tile)
    return joined


def _continues(before: Tile, tile: Tile, pads: Int64Array | None, rows: int) -> bool:
    """Whether `tile` is the next block of `before`."""
    even = before.block_step * before.blocks == tile.input_block - before.input_block
    if tile.blocks > 1 or tile.input_blocks != before.input_blocks:
        return False
    if not (even if before.block_step else before.blocks == 1):
        return False
    if pads is None:
        return True
    codes = [pads[x.input_block * rows :][: x.input_blocks * rows] for x in (before, tile)]
    return bool((codes[0][: len(codes[1])] == codes[1]).all())


def block_pairs(outputs: int, inputs: int, groups: int, *, rows: int, cols: int) -> int:
    """Column blocks times the input blocks that each of them reads: beats of a kernel position."""
    if groups == 1:
        return -(-outputs // cols) * -(-inputs // rows)
    return _grouped_pairs(outputs, inputs, groups, rows, cols)


@lru_cache(maxsize=65536)
def _grouped_pairs(outputs: int, inputs: int, groups: int, rows: int, cols: int) -> int:
    cut = tiles(outputs, inputs, groups, rows=rows, cols=cols)
    return sum(tile.blocks * tile.input_blocks for tile in cut)


def used_lanes(layer: MacLayer | PoolLayer, channels: int, *, rows: int) -> dict[int, int]:
    """By number of lanes with a weight: input blocks of all outputs that have so many.

    A group's channels need not begin at a block's first lane; 16 channels on 4 rows beginning at
    lane 2 are in five blocks: 2, 4, 4, 4 and 2 lanes.
    """
    if isinstance(layer, PoolLayer):
        return {1: channels}
    groups, per_in = layer.groups, layer.in_channels // layer.groups
    return _used_lanes(layer.out_channels // groups, per_in, groups, rows)


@lru_cache(maxsize=65536)
def _used_lanes(per_out: int, per_in: int, groups: int, rows: int) -> dict[int, int]:
    counts: Counter[int] = Counter()
    for group in range(groups):
        first = min(per_in, rows - group * per_in % rows)
        full, rest = divmod(per_in - first, rows)
        counts.update({first: per_out})
        counts.update({rows: full * per_out})
        counts.update({rest: per_out if rest else 0})
    return {lanes: blocks for lanes, blocks in counts.items() if blocks}


def tile_fields(tile: Tile, fields: Int64Array, groups: int, *, rows: int, cols: int) -> Int64Array:
    """(blocks, kh*kw, input_blocks, cols, rows) weight fields of a tile.

    fields: (Cout, Cin/groups, kh, kw). Lanes without a weight are 0, which gates them.
    """
    outputs, per_in, kernel_h, kernel_w = fields.shape
    per_out = outputs // groups
    dense = np.zeros((tile.blocks * cols, kernel_h, kernel_w, tile.input_blocks * rows), np.int64)
    for column in range(min(tile.blocks * cols, outputs - tile.first)):
        output = tile.first + column
        low = tile.input_block + column // cols * tile.block_step
        start = output // per_out * per_in - low * rows
        dense[column, :, :, start : start + per_in] = fields[output].transpose(1, 2, 0)
    shape = (tile.blocks, cols, kernel_h * kernel_w, tile.input_blocks, rows)
    return np.ascontiguousarray(dense.reshape(shape).transpose(0, 2, 3, 1, 4))
