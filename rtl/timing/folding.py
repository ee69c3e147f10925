"""Folding: kernel columns of a first layer as channels, where its input has few of them."""

from dataclasses import dataclass

from ...spec.layers import LayerKind, MacLayer
from ...spec.program import INPUT, SizedNetwork

FOLD_WORDS = 8
"""Most words of a stored pixel of an image that is folded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fold:
    """The input as layer `layer` reads it: every stored pixel has `columns` pixels of the image.

    Stored pixel (y, x) holds the image's pixels (y, x * stride - padding + i), i below columns.
    """

    layer: str
    columns: int
    stride: int
    padding: int
    channels: int
    height: int
    width: int
    out_width: int

    @property
    def reach(self) -> int:
        """Columns of a line, those of padding included, up to the last one that is stored."""
        return (self.out_width - 1) * self.stride + self.columns

    @property
    def stored_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the input as it is stored."""
        return self.columns * self.channels, self.height, self.out_width

    @property
    def is_padded(self) -> bool:
        """Whether stored pixels have columns outside the image."""
        return self.padding > 0 or self.reach > self.width


def fold_of(program: SizedNetwork, rows: int) -> Fold | None:
    """How the input is folded on arrays of `rows` rows; None: it is stored as it is.

    It is folded where only the first layer reads it, without groups, and has fewer beats then:
    kernel_height * ceil(kernel_width * channels / rows) instead of one per kernel position.
    """
    layer = program.layers[0]
    if not isinstance(layer, MacLayer) or layer.kind is LayerKind.LINEAR or layer.groups > 1:
        return None
    if layer.input != INPUT:
        return None
    readers = [name for entry in program.layers for name in entry.reads].count(INPUT)
    channels, height, width = program.tensor_shape(INPUT)
    columns = layer.kernel[1]
    words = -(-columns * channels // rows)
    if readers > 1 or channels > rows or words > FOLD_WORDS or words >= columns:
        return None
    return Fold(
        layer=layer.name,
        columns=columns,
        stride=layer.stride[1],
        padding=layer.padding[1],
        channels=channels,
        height=height,
        width=width,
        out_width=program.tensor_shape(layer.name)[2],
    )
