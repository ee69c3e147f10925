"""Tiling: how a layer with sums is cut into column blocks, each reading a range of input blocks."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np

from ..spec.formats import Int64Array
from ..spec.layers import MacLayer, PoolLayer


@dataclass(frozen=True, kw_only=True, slots=True)
class Tile:
    """`blocks` column blocks from output channel `first`, over the same input channel blocks."""

    first: int
    blocks: int
    input_block: int
    input_blocks: int


def tiles(outputs: int, inputs: int, groups: int, *, rows: int, cols: int) -> list[Tile]:
    """Tiles of a layer: one where every output reads every input, several with groups.

    A column block reads the input blocks that hold the channels of its outputs' groups.
    """
    per_out, per_in = outputs // groups, inputs // groups
    ranges = []
    for first in range(0, outputs, cols):
        last = min(first + cols, outputs) - 1
        low = first // per_out * per_in
        high = (last // per_out + 1) * per_in - 1
        ranges.append((first, low // rows, high // rows - low // rows + 1))
    found = []
    for (block, count), members in groupby(ranges, key=lambda entry: entry[1:]):
        firsts = [first for first, _, _ in members]
        found.append(
            Tile(first=firsts[0], blocks=len(firsts), input_block=block, input_blocks=count)
        )
    return found


def layer_tiles(layer: MacLayer | PoolLayer, channels: int, *, rows: int, cols: int) -> list[Tile]:
    """Tiles of a layer on the array; average pooling sums every channel on its own."""
    if isinstance(layer, PoolLayer):
        return tiles(channels, channels, channels, rows=rows, cols=cols)
    return tiles(layer.out_channels, layer.in_channels, layer.groups, rows=rows, cols=cols)


def tile_fields(tile: Tile, fields: Int64Array, groups: int, *, rows: int, cols: int) -> Int64Array:
    """(blocks, kh*kw, input_blocks, cols, rows) weight fields of a tile.

    fields: (Cout, Cin/groups, kh, kw). Lanes without a weight are 0, which gates them.
    """
    outputs, per_in, kernel_h, kernel_w = fields.shape
    per_out = outputs // groups
    low = tile.input_block * rows
    dense = np.zeros((tile.blocks * cols, kernel_h, kernel_w, tile.input_blocks * rows), np.int64)
    for column in range(min(tile.blocks * cols, outputs - tile.first)):
        output = tile.first + column
        start = output // per_out * per_in - low
        dense[column, :, :, start : start + per_in] = fields[output].transpose(1, 2, 0)
    shape = (tile.blocks, cols, kernel_h * kernel_w, tile.input_blocks, rows)
    return np.ascontiguousarray(dense.reshape(shape).transpose(0, 2, 3, 1, 4))
