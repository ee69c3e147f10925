"""Geometry of stored maps: the addresses of a tensor's pixels, of the windows on it."""

from dataclasses import dataclass

from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import Program
from ...spec.windows import Pair
from ..layouts.descriptor import COUNT_WIDTH, EXTENT_WIDTH, KERNEL_WIDTH, limit
from ..layouts.words import Word
from .regions import Placement, Region


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """What slides over a map: kernel, stride, first padding (top, left), positions."""

    kernel: Pair
    stride: Pair
    padding: Pair
    positions: Pair


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """Addresses in a program that is placed in the memories of an array with so many rows."""

    rows: int
    program: Program
    placement: Placement

    def blocks(self, tensor: str) -> int:
        """Words of a pixel."""
        return -(-self.program.tensor_shape(tensor)[0] // self.rows)

    def window(self, layer: MacLayer | PoolLayer) -> Window:
        """The windows of a layer on its input; refused are those that a descriptor cannot name."""
        top, left, _, _ = layer.padding
        for what, value, width in (
            ("kernel", max(layer.kernel), KERNEL_WIDTH),
            ("padding", max(top, left), KERNEL_WIDTH),
            ("stride", max(layer.stride), EXTENT_WIDTH),
        ):
            limit(f"Layer {layer.name!r} {what}", value, width)
        _, height, width = self.program.tensor_shape(layer.name)
        return Window(
            kernel=layer.kernel,
            stride=layer.stride,
            padding=(top, left),
            positions=(height, width),
        )

    def words(self, tensor: str) -> Window:
        """Every pixel of a tensor, as windows of one position."""
        _, height, width = self.program.tensor_shape(tensor)
        return Window(kernel=(1, 1), stride=(1, 1), padding=(0, 0), positions=(height, width))

    def feed(self, tensor: str, window: Window) -> Word:
        """Addresses and extents of windows on a stored tensor."""
        region, blocks = self.placement.tensors[tensor], self.blocks(tensor)
        _, height, width = self.program.tensor_shape(tensor)
        line, (down, right), (top, left) = width * blocks, window.stride, window.padding
        return {
            "start": region.base - top * line - left * blocks,
            "row_step": line,
            "cell_step": blocks,
            "down_step": line * down,
            "right_step": blocks * right,
            "height": height,
            "width": width,
            "out_width": window.positions[1],
            "kernel_height": window.kernel[0],
            "kernel_width": window.kernel[1],
        }

    def place(self, region: Region, tensor: str, stride: int = 1) -> Word:
        """Addresses of every pixel of a tensor (of every stride-th line and column)."""
        channels, height, width = self.program.tensor_shape(tensor)
        for what, extent in (("height", height), ("width", width)):
            limit(f"Tensor {tensor!r} {what}", extent, EXTENT_WIDTH)
        limit(f"Tensor {tensor!r} channels", channels, COUNT_WIDTH)
        blocks = self.blocks(tensor)
        return {
            "start": region.base,
            "row_step": width * blocks * stride,
            "pixel_step": blocks * stride,
        }
