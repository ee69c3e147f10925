"""A program drawn from operations of a file that quantizes affinely.

Tensors of the file have codes with a zero point; the program's codes are unsigned where possible,
shifted by an offset. The draft moves what the shifts make into the output stages, so an importer
says only what its engine computes: functions of the file's sums to the file's codes.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from adqhw.spec.activation import Threshold
from adqhw.spec.errors import InputError
from adqhw.spec.formats import Int64Array, IntArray, IntFormat
from adqhw.spec.host.text import shown
from adqhw.spec.layers import (
    ConcatLayer,
    Layer,
    LayerKind,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
)
from adqhw.spec.program import INPUT, Program, Shape
from adqhw.spec.requant import Requant

from .addition import Pairs, Summed, exact_addition, exact_line
from .imported import Imported, Origin, Quantization, Rounding, provenance
from .stages import stage
from .tables import table_layers

FileFunction = Callable[[Int64Array], Int64Array]
"""The file's sums, or codes, (C, K), one row per channel, to the file's codes (C, K)."""

_MAX_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Codes:
    """A tensor of a draft: `file code = program code + offset`."""

    name: str
    shape: Shape
    format: IntFormat
    """Of the program's codes."""
    offset: int
    quantization: Quantization
    """Of the file's codes."""

    @property
    def zero(self) -> int:
        """The program's code of real zero."""
        return self.quantization.zero_point - self.offset


@dataclass(kw_only=True, eq=False)
class Draft:
    """Layers so far, and where each tensor of the file is.

    channels_last: the file's layout, for flattening and for the origins. signed: programs keep
    signed codes signed (offset 0), so that every stage must be a requant; otherwise a signed code
    c becomes the unsigned c - format.min.
    """

    dialect: str
    channels_last: bool
    rounding: Rounding
    signed: bool = False
    layers: list[Layer] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    _shapes: dict[str, Codes] = field(default_factory=dict)

    # -- tensors ---------------------------------------------------------------------------------

    def input(self, shape: Shape, quantization: Quantization) -> Codes:
        """The program's input, (C, H, W)."""
        return self._made(INPUT, shape, quantization)

    def is_file_tensor(self, codes: Codes, name: str, shape: tuple[int, ...]) -> None:
        """Say that `codes` are the file's tensor `name`; shape: the file's, without the batch.

        A tensor may be several of the file's (a reshape changes nothing).
        """
        self.origins.append(
            Origin(
                tensor=codes.name,
                file_tensor=name,
                shape=shape,
                channels_last=self.channels_last,
                offset=codes.offset,
                quantization=codes.quantization,
            )
        )

    def finish(self, result: Codes, dropped: tuple[str, ...] = ()) -> Imported:
        """The program, `result` its result; refuses a program without layers."""
        if not self.layers:
            raise InputError("File must have an operator that computes, not none")
        if self.layers[-1].name != result.name:
            result = self._copied(result)
        last = [origin for origin in self.origins if origin.tensor == result.name]
        rest = [origin for origin in self.origins if origin.tensor != result.name]
        origins = (*rest, *last)
        program = Program(
            layers=tuple(self.layers),
            input_shape=self._shapes[INPUT].shape,
            input_format=self._shapes[INPUT].format,
            provenance=provenance(self.dialect, origins, self.rounding, dropped),
        )
        return Imported(
            program=program,
            dialect=self.dialect,
            origins=origins,
            rounding=self.rounding,
            dropped=dropped,
        )

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
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        groups: int = 1,
    ) -> Codes:
        """A convolution: function of `sum(level * (code - zero_point))`, the file's sum.

        levels: (Cout, Cin/groups, kh, kw) integers, the weights minus their zero points. padding:
        (top, left, bottom, right), of real zero. function: monotone in each channel.
        """
        made = self._target(out)
        shift = source.zero * levels.reshape(len(levels), -1).sum(axis=1, dtype=np.int64)
        low, high = sum_bounds(levels, source.format)
        chosen = stage(
            lambda sums: function(sums - shift[:, None]) - made.offset,
            low,
            high,
            made.format,
            self._where(name),
        )
        return self._mac(name, source, levels, chosen, out, stride, padding, groups)

    def sums(
        self, name: str, source: Codes, levels: IntArray, bias: Int64Array, out: Quantization
    ) -> Codes:
        """A linear layer on a (C, 1, 1) map whose codes are the file's sums plus `bias` (Cout,).

        out: its format is s32 or narrower and signed; its zero point 0.
        """
        shift = source.zero * levels.reshape(len(levels), -1).sum(axis=1, dtype=np.int64)
        requant = Requant(
            multiplier=np.ones(len(levels), np.int64), bias=bias - shift, shift=0, out=out.format
        )
        padding, stride = (0, 0, 0, 0), (1, 1)
        return self._mac(name, source, levels, requant, out, stride, padding, 1, offset=0)

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
                f"{self._where(name)}: weights must have {channels * height * width} columns, "
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
        made, count = self._target(out), kernel[0] * kernel[1]
        chosen = stage(
            lambda sums: function(sums + count * source.offset) - made.offset,
            np.array([source.format.min * count]),
            np.array([source.format.max * count]),
            made.format,
            self._where(name),
        )
        if isinstance(chosen, Threshold):  # a pool has no thresholds: ones as levels
            ones = np.ones((source.shape[0], 1, *kernel), np.int64)
            groups, padding = source.shape[0], (0, 0, 0, 0)
            return self._mac(name, source, ones, chosen, out, stride, padding, groups)
        layer = PoolLayer(
            name=self._name(name),
            input=source.name,
            kind=LayerKind.AVG_POOL,
            kernel=kernel,
            stride=stride,
            output=chosen,
        )
        return self._add(layer, _pooled(source.shape, kernel, stride), out)

    def max_pool(
        self,
        name: str,
        source: Codes,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
    ) -> Codes:
        """Max pooling; positions outside the map do not take part."""
        layer = PoolLayer(
            name=self._name(name),
            input=source.name,
            kind=LayerKind.MAX_POOL,
            kernel=kernel,
            stride=stride,
            padding=padding,
        )
        return self._add(layer, _pooled(source.shape, kernel, stride, padding), source.quantization)

    def elementwise(
        self, name: str, source: Codes, function: FileFunction, out: Quantization
    ) -> Codes:
        """Any function of the file's codes, one row for all channels or one each.

        Monotone ones are a pool of 1 x 1 or thresholds; others are what rises minus what falls.
        """
        made, where = self._target(out), self._where(name)
        values = np.arange(source.format.min, source.format.max + 1)[None] + source.offset
        table = np.asarray(function(values), np.int64) - made.offset
        steps = np.diff(table, axis=1)
        if len(table) == 1 and ((steps >= 0).all() or (steps <= 0).all()):
            low, high = np.array([source.format.min]), np.array([source.format.max])
            chosen = stage(lambda sums: table[0][sums - low[0]], low, high, made.format, where)
            if isinstance(chosen, Requant):
                return self._add(self._unit_pool(name, source, chosen), source.shape, out)
        parts = table_layers(table, source.format, made.format, where)
        if parts.falling is None:
            layer = ThresholdLayer(name=self._name(name), input=source.name, output=parts.rising)
            return self._add(layer, source.shape, out)
        rising = ThresholdLayer(
            name=self._name(f"{name}.rising"), input=source.name, output=parts.rising
        )
        falling = ThresholdLayer(
            name=self._name(f"{name}.falling"), input=source.name, output=parts.falling
        )
        self.layers += [rising, falling]
        joined = Requant(
            multiplier=np.array([1]),
            skip_multiplier=-1,
            bias=np.array([parts.bias]),
            shift=0,
            out=made.format,
        )
        return self._added(name, rising.name, falling.name, source.shape, joined, out)

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
        where = self._where(name)
        if first.shape != second.shape:
            raise InputError(
                f"{where}: operands must have one shape, not {first.shape} and {second.shape}"
            )
        made = self._target(out)
        found = exact_addition(
            lambda a, b: function(a + first.offset, b + second.offset) - made.offset,
            first.format,
            second.format,
            made.format,
        )
        if found is not None:
            return self._added(name, first.name, second.name, first.shape, found, out)
        if isinstance(function, Summed):
            return self._wide_addition(name, first, second, function, out)
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
                    f"{self._where(name)}: inputs must have one format and map size, "
                    f"not {first.format.name} {first.shape} and {other.format.name} {other.shape}"
                )
        layer = ConcatLayer(name=self._name(name), inputs=tuple(source.name for source in sources))
        channels = sum(source.shape[0] for source in sources)
        return self._add(layer, (channels, *first.shape[1:]), first.quantization)

    def upsample(self, name: str, source: Codes, factor: tuple[int, int]) -> Codes:
        """Nearest neighbour, each code repeated."""
        layer = UpsampleLayer(name=self._name(name), input=source.name, factor=factor)
        channels, height, width = source.shape
        shape = (channels, height * factor[0], width * factor[1])
        return self._add(layer, shape, source.quantization)

    def pad(self, name: str, source: Codes, padding: tuple[int, int, int, int]) -> Codes:
        """A border of real zero (top, left, bottom, right), as a layer of its own."""
        ones = np.ones((source.shape[0], 1, 1, 1), np.int64)
        same = Requant(multiplier=np.array([1]), bias=np.array([0]), shift=0, out=source.format)
        out, groups = source.quantization, source.shape[0]
        return self._mac(name, source, ones, same, out, (1, 1), padding, groups)

    # -- parts -----------------------------------------------------------------------------------

    def _mac(
        self,
        name: str,
        source: Codes,
        levels: IntArray,
        output: Threshold | Requant,
        out: Quantization,
        stride: tuple[int, int],
        padding: tuple[int, int, int, int],
        groups: int,
        offset: int | None = None,
    ) -> Codes:
        kernel = (int(levels.shape[2]), int(levels.shape[3]))
        linear = kernel == (1, 1) == source.shape[1:] and not any(padding) and groups == 1
        layer = MacLayer(
            name=self._name(name),
            input=source.name,
            weights=levels,
            weight_width=level_width(levels),
            output=output,
            kind=LayerKind.LINEAR if linear else LayerKind.CONV,
            stride=stride,
            padding=padding,
            groups=groups,
            pad_codes=np.full(source.shape[0], source.zero if any(padding) else 0, np.int64),
        )
        _, *size = _pooled(source.shape, kernel, stride, padding)
        return self._add(layer, (len(levels), size[0], size[1]), out, offset)

    def _unit_pool(self, name: str, source: Codes, output: Requant) -> PoolLayer:
        return PoolLayer(
            name=self._name(name),
            input=source.name,
            kind=LayerKind.AVG_POOL,
            kernel=(1, 1),
            stride=(1, 1),
            output=output,
        )

    def _added(
        self,
        name: str,
        first: str,
        second: str,
        shape: Shape,
        output: Requant,
        out: Quantization,
        offset: int | None = None,
    ) -> Codes:
        layer = PoolLayer(
            name=self._name(name),
            input=first,
            kind=LayerKind.AVG_POOL,
            kernel=(1, 1),
            stride=(1, 1),
            output=output,
            skip=Skip(tensor=second),
        )
        return self._add(layer, shape, out, offset)

    def _wide_addition(
        self, name: str, first: Codes, second: Codes, function: Summed, out: Quantization
    ) -> Codes:
        """Both operands as wide codes, their sum, and its stage."""
        where, wide = self._where(name), []
        for codes, operand, part in (
            (first, function.first, "first"),
            (second, function.second, "second"),
        ):
            line = exact_line(operand, codes.format, codes.offset)
            if line is None:
                raise InputError(f"{where}: operands must be rescaled by a line, not a curve")
            layer = self._unit_pool(f"{name}.{part}", codes, line)
            self.layers.append(layer)
            wide.append((layer.name, line.out))
        low, high = (sum(edges) for edges in zip(*((f.min, f.max) for _, f in wide), strict=True))
        fmt = IntFormat.holding(low, high)
        joined = Requant(
            multiplier=np.array([1]), skip_multiplier=1, bias=np.array([0]), shift=0, out=fmt
        )
        plain = Quantization(format=fmt, scale=1.0, zero_point=0)
        total = self._added(
            f"{name}.sum", wide[0][0], wide[1][0], first.shape, joined, plain, offset=0
        )
        ones = np.ones((first.shape[0], 1, 1, 1), np.int64)
        return self.mac(name, total, ones, function.total, out, groups=first.shape[0])

    def _copied(self, codes: Codes) -> Codes:
        """A layer more that changes nothing: the result must be the last layer's."""
        same = Requant(multiplier=np.array([1]), bias=np.array([0]), shift=0, out=codes.format)
        layer = self._unit_pool(f"{codes.name}.result", codes, same)
        self.layers.append(layer)
        for origin in [o for o in self.origins if o.tensor == codes.name]:
            self.origins.append(
                replace(origin, tensor=layer.name)  # the same tensor of the file
            )
        return replace(codes, name=layer.name)

    def _add(
        self, layer: Layer, shape: Shape, out: Quantization, offset: int | None = None
    ) -> Codes:
        self.layers.append(layer)
        return self._made(layer.name, shape, out, offset)

    def _made(self, name: str, shape: Shape, out: Quantization, offset: int | None = None) -> Codes:
        target = self._target(out)
        made = Codes(
            name=name,
            shape=shape,
            format=target.format if offset is None else out.format,
            offset=target.offset if offset is None else offset,
            quantization=out,
        )
        self._shapes[name] = made
        return made

    def _target(self, out: Quantization) -> "_Target":
        """Format and offset of the program's codes for the file's."""
        if self.signed or not out.format.signed:
            return _Target(format=out.format, offset=0)
        return _Target(format=IntFormat(width=out.format.width), offset=out.format.min)

    def _name(self, name: str) -> str:
        """A legal name that no tensor has: `name` with other signs replaced, numbered if needed."""
        taken = {INPUT, *(layer.name for layer in self.layers)}
        bare = legal_name(name)
        tries = (bare if k == 0 else f"{bare}_{k}" for k in range(len(taken) + 1))
        return next(found for found in tries if found not in taken)

    def _where(self, name: str) -> str:
        return f"Layer {shown(name)}"


@dataclass(frozen=True, kw_only=True)
class _Target:
    format: IntFormat
    offset: int


def legal_name(name: str) -> str:
    """`name` of a file as a layer's: its last parts, other signs replaced.

    >>> legal_name("net/block_1/conv 2/BiasAdd;net/bn/Fused")
    'block_1.conv_2.BiasAdd'
    """
    parts = re.split(r"[/:]+|\.\.+", name.split(";")[0])
    clean = [re.sub(r"[^A-Za-z0-9_]+", "_", part.strip(" .-")) for part in parts[-3:]]
    text = ".".join(part for part in clean if part)[-_MAX_NAME:].strip(".")
    return text or "layer"


def sum_bounds(levels: IntArray, codes: IntFormat) -> tuple[Int64Array, Int64Array]:
    """(Cout,) smallest and largest sums of levels (Cout, ...) times codes of a format."""
    flat = levels.reshape(len(levels), -1).astype(np.int64)
    up, down = np.maximum(flat, 0).sum(axis=1), np.minimum(flat, 0).sum(axis=1)
    return up * codes.min + down * codes.max, up * codes.max + down * codes.min


def level_width(levels: IntArray) -> int:
    """Bits of the smallest signed format of the levels."""
    low, high = min(int(levels.min()), -1), max(int(levels.max()), 0)
    return IntFormat.holding(low, high).width


def _pooled(
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int] = (0, 0, 0, 0),
) -> Shape:
    top, left, bottom, right = padding
    channels, height, width = shape
    return (
        channels,
        (height + top + bottom - kernel[0]) // stride[0] + 1,
        (width + left + right - kernel[1]) // stride[1] + 1,
    )
