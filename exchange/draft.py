"""A program drawn from operations of a file that quantizes affinely.

Tensors of the file have codes with a zero point; the program's codes are unsigned where possible,
shifted by an offset. The draft moves what the shifts make into the output stages, so an importer
says only what its engine computes: functions of the file's sums to the file's codes.
"""

from collections.abc import Callable

import numpy as np

from ..spec.activation import Threshold
from ..spec.errors import InputError
from ..spec.formats import Int64Array, IntArray
from ..spec.layers import ConcatLayer, LayerKind, PoolLayer, ThresholdLayer, UpsampleLayer
from ..spec.requant import Requant
from .addition import Pairs, Summed, exact_addition
from .builder import Builder, Codes, Sides, pooled, sum_bounds
from .imported import Quantization
from .stages import stage
from .tables import table_layers
from .wide_addition import wide_addition

FileFunction = Callable[[Int64Array], Int64Array]
"""The file's sums, or codes, (C, K), one row per channel, to the file's codes (C, K)."""


class Draft(Builder):
    """What an importer calls: one method per operation."""

    # -- operations ------------------------------------------------------------------------------

    def mac(
        self,
        name: str,
        source: Codes,
        levels: IntArray,
        function: FileFunction,
        out: Quantization,
        *,
        stride: tuple[int, int] = (1, 1),
        padding: Sides = (0, 0, 0, 0),
        groups: int = 1,
    ) -> Codes:
        """A convolution: function of `sum(level * (code - zero_point))`, the file's sum.

        levels: (Cout, Cin/groups, kh, kw) integers, the weights minus their zero points. padding:
        (top, left, bottom, right), of real zero. function: monotone in each channel.
        """
        made = self.target(out)
        shift = source.zero * levels.reshape(len(levels), -1).sum(axis=1, dtype=np.int64)
        low, high = sum_bounds(levels, source.format)
        chosen = stage(
            lambda sums: function(sums - shift[:, None]) - made.offset,
            low,
            high,
            made.format,
            self.where(name),
        )
        return self.mac_layer(name, source, levels, chosen, out, stride, padding, groups)

    def linear(
        self,
        name: str,
        source: Codes,
        levels: IntArray,
        function: FileFunction,
        out: Quantization,
    ) -> Codes:
        """A fully connected layer, levels (Cout, Cin), on the flattened map of `source`.

        On a map that is not 1 x 1 it is a convolution with a kernel of the map's size; the order
        of the flattening is the file's layout.
        """
        return self.mac(name, source, self.flat_kernel(name, source, levels), function, out)

    def flat_kernel(self, name: str, source: Codes, levels: IntArray) -> IntArray:
        """Levels (Cout, Cin) of a flattened (C, H, W) map as a kernel (Cout, C, H, W)."""
        channels, height, width = source.shape
        if levels.shape[1] != channels * height * width:
            raise InputError(
                f"{self.where(name)}: weights must have {channels * height * width} columns, "
                f"not {levels.shape[1]}"
            )
        if self.channels_last:
            return levels.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
        return levels.reshape(-1, channels, height, width)

    def avg_pool(
        self,
        name: str,
        source: Codes,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        function: FileFunction,
        out: Quantization,
    ) -> Codes:
        """Average pooling: function of the plain sum of the file's codes in a window."""
        made, count = self.target(out), kernel[0] * kernel[1]
        chosen = stage(
            lambda sums: function(sums + count * source.offset) - made.offset,
            np.array([source.format.min * count]),
            np.array([source.format.max * count]),
            made.format,
            self.where(name),
        )
        if isinstance(chosen, Threshold):  # a pool has no thresholds: ones as levels
            ones = np.ones((source.shape[0], 1, *kernel), np.int64)
            groups, padding = source.shape[0], (0, 0, 0, 0)
            return self.mac_layer(name, source, ones, chosen, out, stride, padding, groups)
        layer = PoolLayer(
            name=self.free_name(name),
            input=source.name,
            kind=LayerKind.AVG_POOL,
            kernel=kernel,
            stride=stride,
            output=chosen,
        )
        return self.append(layer, pooled(source.shape, kernel, stride), out)

    def max_pool(
        self,
        name: str,
        source: Codes,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: Sides = (0, 0, 0, 0),
    ) -> Codes:
        """Max pooling; positions outside the map do not take part."""
        layer = PoolLayer(
            name=self.free_name(name),
            input=source.name,
            kind=LayerKind.MAX_POOL,
            kernel=kernel,
            stride=stride,
            padding=padding,
        )
        return self.append(
            layer, pooled(source.shape, kernel, stride, padding), source.quantization
        )

    def elementwise(
        self, name: str, source: Codes, function: FileFunction, out: Quantization
    ) -> Codes:
        """Any function of the file's codes, one row for all channels or one each.

        Monotone ones are a pool of 1 x 1 or thresholds; others are what rises minus what falls.
        """
        made, where = self.target(out), self.where(name)
        values = np.arange(source.format.min, source.format.max + 1)[None] + source.offset
        table = np.asarray(function(values), np.int64) - made.offset
        steps = np.diff(table, axis=1)
        if len(table) == 1 and ((steps >= 0).all() or (steps <= 0).all()):
            low, high = np.array([source.format.min]), np.array([source.format.max])
            chosen = stage(lambda sums: table[0][sums - low[0]], low, high, made.format, where)
            if isinstance(chosen, Requant):
                return self.append(self.unit_pool(name, source, chosen), source.shape, out)
        parts = table_layers(table, source.format, made.format, where)
        if parts.falling is None:
            layer = ThresholdLayer(
                name=self.free_name(name), input=source.name, output=parts.rising
            )
            return self.append(layer, source.shape, out)
        rising = ThresholdLayer(
            name=self.free_name(f"{name}.rising"), input=source.name, output=parts.rising
        )
        falling = ThresholdLayer(
            name=self.free_name(f"{name}.falling"), input=source.name, output=parts.falling
        )
        self.layers += [rising, falling]
        joined = Requant(
            multiplier=np.array([1]),
            skip_multiplier=-1,
            bias=np.array([parts.bias]),
            shift=0,
            out=made.format,
        )
        return self.joined(name, rising.name, falling.name, source.shape, joined, out)

    def add(
        self,
        name: str,
        first: Codes,
        second: Codes,
        function: Pairs,
        out: Quantization,
    ) -> Codes:
        """The addition of two maps of one shape: function of two codes of the file to its code.

        One layer where a plane with saturation, halves going up, is the function. Else, for a
        `Summed` function, what the engine computes itself: both operands rescaled to wide codes,
        their sum, and thresholds.
        """
        where = self.where(name)
        if first.shape != second.shape:
            raise InputError(
                f"{where}: operands must have one shape, not {first.shape} and {second.shape}"
            )
        made = self.target(out)
        found = exact_addition(
            lambda a, b: function(a + first.offset, b + second.offset) - made.offset,
            first.format,
            second.format,
            made.format,
        )
        if found is not None:
            return self.joined(name, first.name, second.name, first.shape, found, out)
        if isinstance(function, Summed):
            return wide_addition(self, name, first, second, function, out)
        raise InputError(
            f"{where}: addition must be a plane with saturation, halves going up, "
            "not a table without one"
        )

    def concat(self, name: str, sources: list[Codes]) -> Codes:
        """Channels one after the other; all tensors of one size, format and quantization."""
        first = sources[0]
        for other in sources[1:]:
            same = other.format == first.format and other.offset == first.offset
            if not same or other.shape[1:] != first.shape[1:]:
                raise InputError(
                    f"{self.where(name)}: inputs must have one format and map size, "
                    f"not {first.format.name} {first.shape} and {other.format.name} {other.shape}"
                )
        layer = ConcatLayer(
            name=self.free_name(name), inputs=tuple(source.name for source in sources)
        )
        channels = sum(source.shape[0] for source in sources)
        return self.append(layer, (channels, *first.shape[1:]), first.quantization)

    def upsample(self, name: str, source: Codes, factor: tuple[int, int]) -> Codes:
        """Nearest neighbour, each code repeated."""
        layer = UpsampleLayer(name=self.free_name(name), input=source.name, factor=factor)
        channels, height, width = source.shape
        shape = (channels, height * factor[0], width * factor[1])
        return self.append(layer, shape, source.quantization)

    def pad(self, name: str, source: Codes, padding: Sides) -> Codes:
        """A border of real zero (top, left, bottom, right), as a layer of its own."""
        ones = np.ones((source.shape[0], 1, 1, 1), np.int64)
        same = Requant(multiplier=np.array([1]), bias=np.array([0]), shift=0, out=source.format)
        out, groups = source.quantization, source.shape[0]
        return self.mac_layer(name, source, ones, same, out, (1, 1), padding, groups)
