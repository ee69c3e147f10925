"""Walks: the geometry of a pass, as the fields of its descriptor."""

from dataclasses import dataclass

from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import Program
from ..arch.arch import Arch
from ..layouts.words import Word
from ..networks.geometry import Geometry, Window
from ..networks.regions import Placement, Region, bank
from ..timing.tiling import Tile


@dataclass(frozen=True, kw_only=True, eq=False)
class Walks:
    """Walks over the tensors of a program that is placed in an array's memories."""

    arch: Arch
    program: Program
    placement: Placement

    @property
    def geometry(self) -> Geometry:
        return Geometry(rows=self.arch.rows, program=self.program, placement=self.placement)

    def codes(self, word: Word, tensor: str, stride: int = 1) -> None:
        """Reading: code by code through a stored tensor (every stride-th line and column)."""
        region = self.placement.tensors[tensor]
        word["read"] = self._walk(region, tensor, stride)
        word["read_bank"] = bank(region, other=word.get("feed_bank", 1))
        word["codes_signed"] = int(self.program.tensor_format(tensor).signed)

    def write(self, word: Word, tensor: str) -> None:
        """Destination of the codes of `tensor`: its region, or the result."""
        region = self.placement.tensors.get(tensor)
        if region is None:
            word["to_stream"] = 1
            region = Region(banks=0, base=0, words=0)
        word["write_banks"] = region.banks
        word["write"] = self._walk(region, tensor)

    def windows(self, word: Word, layer: MacLayer | PoolLayer) -> None:
        """Reading: the windows of a layer on its input."""
        residual = None if layer.skip is None else self.placement.tensors[layer.skip.tensor]
        other = 1 if residual is None else bank(residual, other=0)
        self._feed(word, layer.input, self.geometry.window(layer), other=other)

    def words(self, word: Word, tensor: str) -> None:
        """Reading: word by word through a stored tensor, as windows of one position."""
        self._feed(word, tensor, self.geometry.words(tensor))

    def whole(self, word: Word, source: str, target: str) -> None:
        """The rest of a pass that reads words of `source`: it writes whole ones, block by block."""
        word["feed"]["block_step"] = 1
        word["codes_signed"] = int(self.program.tensor_format(source).signed)
        self.write(word, target)
        blocks = word["feed"]["blocks"]
        word["write"] |= {"group": 1, "blocks": blocks, "channels": blocks, "whole": 1}

    def columns(self, walk: Word, tile: Tile, first: int) -> None:
        """A walk over the channels of a tile, from channel `first` of the walk's tensor."""
        walk |= {"group": self.arch.cols, "blocks": tile.blocks, "channel": first}
        walk["start"] += max(first, 0) // self.arch.rows
        walk["lane"] = max(first, 0) % self.arch.rows

    def blocks(self, tensor: str) -> int:
        """Words of a pixel."""
        return self.geometry.blocks(tensor)

    def _walk(self, region: Region, tensor: str, stride: int = 1) -> Word:
        """Every pixel of a stored tensor (of every stride-th line and column), all channels."""
        channels, height, width = self.program.tensor_shape(tensor)
        return {
            **self.geometry.place(region, tensor, stride),
            "height": -(-height // stride),
            "width": -(-width // stride),
            "group": channels,
            "blocks": 1,
            "channel": 0,
            "channels": channels,
        }

    def _feed(self, word: Word, tensor: str, window: Window, *, other: int = 1) -> None:
        """other: the bank to leave to codes that are read at the same time."""
        (down, right), (top, left) = window.stride, window.padding
        word["feed_bank"] = bank(self.placement.tensors[tensor], other)
        word["feed"] = {
            **self.geometry.feed(tensor, window),
            "out_height": window.positions[0],
            "stride": down,
            "padding": top,
            "channel_blocks": 1,
            "blocks": self.blocks(tensor),
        }
        if self.arch.axes == 2:
            word["feed"] |= {"stride_right": right, "padding_left": left}
