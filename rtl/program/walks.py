"""Walks: the geometry of a pass, as the fields of its descriptor."""

from dataclasses import dataclass

from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import Program
from ...spec.windows import Pair
from ..arch.arch import Arch
from ..layouts.descriptor import COUNT_WIDTH, EXTENT_WIDTH, KERNEL_WIDTH, limit
from ..layouts.words import Word
from ..networks.regions import Placement, Region, bank
from ..timing.tiling import Tile


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """What slides over a map: kernel, stride, first padding (top, left), positions."""

    kernel: Pair
    stride: Pair
    padding: Pair
    positions: Pair


@dataclass(frozen=True, kw_only=True, eq=False)
class Walks:
    """Walks over the tensors of a program that is placed in an array's memories."""

    arch: Arch
    program: Program
    placement: Placement

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
        top, left, _, _ = layer.padding
        for what, value, width in (
            ("kernel", max(layer.kernel), KERNEL_WIDTH),
            ("padding", max(top, left), KERNEL_WIDTH),
            ("stride", max(layer.stride), EXTENT_WIDTH),
        ):
            limit(f"Layer {layer.name!r} {what}", value, width)
        _, height, width = self.program.tensor_shape(layer.name)
        residual = None if layer.skip is None else self.placement.tensors[layer.skip.tensor]
        self._feed(
            word,
            layer.input,
            Window(
                kernel=layer.kernel,
                stride=layer.stride,
                padding=(top, left),
                positions=(height, width),
            ),
            other=1 if residual is None else bank(residual, other=0),
        )

    def words(self, word: Word, tensor: str) -> None:
        """Reading: word by word through a stored tensor, as windows of one position."""
        _, height, width = self.program.tensor_shape(tensor)
        one = Window(kernel=(1, 1), stride=(1, 1), padding=(0, 0), positions=(height, width))
        self._feed(word, tensor, one)

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
        return -(-self.program.tensor_shape(tensor)[0] // self.arch.rows)

    def _walk(self, region: Region, tensor: str, stride: int = 1) -> Word:
        """Every pixel of a stored tensor (of every stride-th line and column), all channels."""
        channels, height, width = self.program.tensor_shape(tensor)
        blocks = self.blocks(tensor)
        for what, extent in (("height", height), ("width", width)):
            limit(f"Tensor {tensor!r} {what}", extent, EXTENT_WIDTH)
        limit(f"Tensor {tensor!r} channels", channels, COUNT_WIDTH)
        return {
            "start": region.base,
            "row_step": width * blocks * stride,
            "pixel_step": blocks * stride,
            "height": -(-height // stride),
            "width": -(-width // stride),
            "group": channels,
            "blocks": 1,
            "channel": 0,
            "channels": channels,
        }

    def _feed(self, word: Word, tensor: str, window: Window, *, other: int = 1) -> None:
        """other: the bank to leave to codes that are read at the same time."""
        region, blocks = self.placement.tensors[tensor], self.blocks(tensor)
        _, height, width = self.program.tensor_shape(tensor)
        line, (down, right), (top, left) = width * blocks, window.stride, window.padding
        word["feed_bank"] = bank(region, other)
        word["feed"] = {
            "start": region.base - top * line - left * blocks,
            "row_step": line,
            "cell_step": blocks,
            "down_step": line * down,
            "right_step": blocks * right,
            "height": height,
            "width": width,
            "out_height": window.positions[0],
            "out_width": window.positions[1],
            "stride": down,
            "padding": top,
            "kernel_height": window.kernel[0],
            "kernel_width": window.kernel[1],
            "channel_blocks": 1,
            "blocks": blocks,
        }
        if self.arch.axes == 2:
            word["feed"] |= {"stride_right": right, "padding_left": left}
