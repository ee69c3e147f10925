"""Layers of a program in the making, their names, and where the file's tensors are."""

import re
from dataclasses import dataclass, field, replace

import numpy as np

from ..spec.activation import Threshold
from ..spec.errors import InputError
from ..spec.formats import Int64Array, IntArray, IntFormat
from ..spec.host.text import shown
from ..spec.layers import Layer, LayerKind, MacLayer, PoolLayer, Skip
from ..spec.program import INPUT, Program, Shape
from ..spec.requant import Requant
from .imported import Imported, Origin, Quantization, Rounding, provenance

Sides = tuple[int, int, int, int]
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
class Builder:
    """Layers so far, and where each tensor of the file is.

    channels_last: the file's layout, for flattening and for the origins. A signed code c of the
    file becomes the unsigned c - format.min.
    """

    dialect: str
    channels_last: bool
    rounding: Rounding
    layers: list[Layer] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    _shapes: dict[str, Codes] = field(default_factory=dict)

    # -- tensors ---------------------------------------------------------------------------------

    def input(self, shape: Shape, quantization: Quantization) -> Codes:
        """The program's input, (C, H, W)."""
        return self.register(INPUT, shape, quantization)

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

    # -- parts -----------------------------------------------------------------------------------

    def mac_layer(
        self,
        name: str,
        source: Codes,
        levels: IntArray,
        output: Threshold | Requant,
        out: Quantization,
        stride: tuple[int, int],
        padding: Sides,
        groups: int,
        offset: int | None = None,
    ) -> Codes:
        kernel = (int(levels.shape[2]), int(levels.shape[3]))
        linear = kernel == (1, 1) == source.shape[1:] and not any(padding) and groups == 1
        layer = MacLayer(
            name=self.free_name(name),
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
        _, *size = pooled(source.shape, kernel, stride, padding)
        return self.append(layer, (len(levels), size[0], size[1]), out, offset)

    def unit_pool(self, name: str, source: Codes, output: Requant) -> PoolLayer:
        return PoolLayer(
            name=self.free_name(name),
            input=source.name,
            kind=LayerKind.AVG_POOL,
            kernel=(1, 1),
            stride=(1, 1),
            output=output,
        )

    def joined(
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
            name=self.free_name(name),
            input=first,
            kind=LayerKind.AVG_POOL,
            kernel=(1, 1),
            stride=(1, 1),
            output=output,
            skip=Skip(tensor=second),
        )
        return self.append(layer, shape, out, offset)

    def _copied(self, codes: Codes) -> Codes:
        """A layer more that changes nothing: the result must be the last layer's."""
        same = Requant(multiplier=np.array([1]), bias=np.array([0]), shift=0, out=codes.format)
        layer = self.unit_pool(f"{codes.name}.result", codes, same)
        self.layers.append(layer)
        for origin in [o for o in self.origins if o.tensor == codes.name]:
            self.origins.append(
                replace(origin, tensor=layer.name)  # the same tensor of the file
            )
        return replace(codes, name=layer.name)

    def append(
        self, layer: Layer, shape: Shape, out: Quantization, offset: int | None = None
    ) -> Codes:
        self.layers.append(layer)
        return self.register(layer.name, shape, out, offset)

    def register(
        self, name: str, shape: Shape, out: Quantization, offset: int | None = None
    ) -> Codes:
        target = self.target(out)
        made = Codes(
            name=name,
            shape=shape,
            format=target.format if offset is None else out.format,
            offset=target.offset if offset is None else offset,
            quantization=out,
        )
        self._shapes[name] = made
        return made

    def target(self, out: Quantization) -> "_Target":
        """Format and offset of the program's codes for the file's."""
        if not out.format.signed:
            return _Target(format=out.format, offset=0)
        return _Target(format=IntFormat(width=out.format.width), offset=out.format.min)

    def free_name(self, name: str) -> str:
        """A legal name that no tensor has: `name` with other signs replaced, numbered if needed."""
        taken = {INPUT, *(layer.name for layer in self.layers)}
        bare = legal_name(name)
        tries = (bare if k == 0 else f"{bare}_{k}" for k in range(len(taken) + 1))
        return next(found for found in tries if found not in taken)

    def where(self, name: str) -> str:
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


def pooled(
    shape: Shape,
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: Sides = (0, 0, 0, 0),
) -> Shape:
    top, left, bottom, right = padding
    channels, height, width = shape
    return (
        channels,
        (height + top + bottom - kernel[0]) // stride[0] + 1,
        (width + left + right - kernel[1]) // stride[1] + 1,
    )
