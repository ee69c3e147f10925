"""Layers of an integer program: plain data, validated on their own (contract section 6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from math import prod
from typing import Any, ClassVar

import numpy as np

from .activation import Threshold
from .codebook import MAX_LEVEL_WIDTH, Codebook
from .errors import ContractError
from .formats import Int64Array, IntArray, IntFormat, freeze
from .host.text import shown
from .requant import Requant
from .windows import MAX_EXTENT, MAX_SIZE, Pair, Sides, spread

MAX_NAME = 200
MAX_LAYERS = 1 << 12

_NAME = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*")


def check_name(name: object) -> None:
    """Refuse an illegal layer name: names are used in file names, tables and other languages."""
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.fullmatch(name):
        raise ContractError(
            f"Layer name must be letters, digits and '_', joined by single '.' or '-', at most "
            f"{MAX_NAME} characters, not {shown(name)}"
        )


def _set_window(layer: Any, where: str, least: Mapping[str, tuple[int, int]]) -> None:
    """Check fields of a frozen layer, and write those given as one integer as tuples.

    least: by field, how many integers it has and the smallest one allowed.
    """
    for key, (count, lowest) in least.items():
        object.__setattr__(layer, key, spread(getattr(layer, key), count, where, key, lowest))


class LayerKind(StrEnum):
    """Operation of a layer; every engine handles every member."""

    CONV = "conv"
    LINEAR = "linear"
    THRESHOLD = "threshold"
    AVG_POOL = "avg_pool"
    MAX_POOL = "max_pool"
    CONCAT = "concat"
    UPSAMPLE = "upsample"


@dataclass(frozen=True, kw_only=True, slots=True)
class Skip:
    """The residual operand: `skip[n,c,y,x] = tensor[n, c - channel_offset, y*stride, x*stride]`.

    Channels outside the tensor read code 0 (real zero): the option-A shortcut.
    """

    tensor: str
    stride: int = 1
    channel_offset: int = 0

    def __post_init__(self) -> None:
        spread((self.stride,), 1, "Skip", "stride", 1)
        if type(self.channel_offset) is not int or not 0 <= self.channel_offset < MAX_SIZE:
            raise ContractError(
                f"Skip: channel_offset must be an integer in 0..{MAX_SIZE - 1}, "
                f"not {shown(self.channel_offset)}"
            )

    def read(self, codes: IntArray, channels: int) -> Int64Array:
        """(N, channels, H', W') int64 residual codes taken from `codes` (N, C, H, W)."""
        taken = np.asarray(codes, dtype=np.int64)[:, :, :: self.stride, :: self.stride]
        out = np.zeros((taken.shape[0], channels, *taken.shape[2:]), dtype=np.int64)
        out[:, self.channel_offset : self.channel_offset + taken.shape[1]] = taken
        return out


@dataclass(frozen=True, kw_only=True, eq=False)
class MacLayer:
    """Convolution or fully connected layer: `acc = sum(level * code)`, then the output stage.

    weights: (Cout, Cin/groups, kh, kw). With a codebook they are its codes; without, they are
    signed levels of `weight_width` bits themselves. pad_codes: (Cin,) codes of real zero that
    padding inserts. LINEAR is a 1x1 convolution on a (C, 1, 1) map.
    """

    name: str
    input: str
    weights: IntArray
    weight_width: int
    output: Threshold | Requant
    codebook: Codebook | None = None
    kind: LayerKind = LayerKind.CONV
    stride: Pair = (1, 1)
    """(vertical, horizontal); one integer n is taken as (n, n)."""
    padding: Sides = (0, 0, 0, 0)
    """(top, left, bottom, right); one integer n is taken as n on every side."""
    groups: int = 1
    pad_codes: Int64Array = None  # type: ignore[assignment]  # None: zeros, after construction
    skip: Skip | None = None
    levels: Int64Array = field(init=False)
    """Decoded weights, int64, same shape."""

    sums: ClassVar[bool] = True
    """Whether outputs are sums that an array of lanes accumulates; average pooling's are too."""

    def __post_init__(self) -> None:
        check_name(self.name)
        where = f"Layer {self.name!r}"
        if self.kind not in (LayerKind.CONV, LayerKind.LINEAR):
            raise ContractError(f"{where}: kind must be conv or linear, not {shown(self.kind)}")
        self._check_shape(where)
        levels = self._decode(where)
        levels.setflags(write=False)
        pads = np.zeros(self.in_channels, np.int64) if self.pad_codes is None else self.pad_codes
        pads = freeze(pads, np.int64, f"{where}: pad_codes")
        if pads.shape != (self.in_channels,):
            raise ContractError(
                f"{where}: pad_codes must be ({self.in_channels},), not {pads.shape}"
            )
        if isinstance(self.output, Requant):
            if bool(self.output.skip_multiplier) and self.skip is None:
                raise ContractError(f"{where}: skip_multiplier must be 0 without a skip")
        elif self.skip is not None:
            raise ContractError(f"{where}: a skip must end in a requant, not a threshold")
        object.__setattr__(self, "levels", levels)
        object.__setattr__(self, "pad_codes", pads)

    def _check_shape(self, where: str) -> None:
        shape = np.shape(self.weights)
        if len(shape) != 4 or 0 in shape or (self.kind is LayerKind.LINEAR and shape[2:] != (1, 1)):
            raise ContractError(
                f"{where}: weights must be (Cout, Cin/groups, kh, kw), 1x1 for linear, not {shape}"
            )
        if max(shape[2:]) > MAX_EXTENT or max(shape[0], shape[1]) > MAX_SIZE:
            raise ContractError(
                f"{where}: kernel must be at most {MAX_EXTENT} and channels {MAX_SIZE}, not {shape}"
            )
        _set_window(self, where, {"stride": (2, 1), "padding": (4, 0)})
        groups = self.groups
        if type(groups) is not int or not 1 <= groups <= MAX_SIZE or shape[0] % groups:
            raise ContractError(
                f"{where}: groups must be >= 1 and divide {shape[0]} outputs, not {shown(groups)}"
            )
        if shape[1] * groups > MAX_SIZE:
            raise ContractError(
                f"{where}: input must have at most {MAX_SIZE} channels, not {shape[1] * groups}"
            )

    def _decode(self, where: str) -> Int64Array:
        what = f"{where}: weight code"
        if self.codebook is None:
            if type(self.weight_width) is not int or not 1 <= self.weight_width <= MAX_LEVEL_WIDTH:
                raise ContractError(
                    f"{where}: weight_width must be an integer in 1..{MAX_LEVEL_WIDTH}, "
                    f"not {shown(self.weight_width)}"
                )
            stored = IntFormat(width=self.weight_width, signed=True)
            weights = freeze(self.weights, stored.dtype, what)
            stored.check(weights, f"{where}: weight level")
            object.__setattr__(self, "weights", weights)
            return weights.astype(np.int64)
        if self.codebook.width != self.weight_width:
            raise ContractError(
                f"{where}: weight_width must equal its codebook's {self.codebook.width}, "
                f"not {self.weight_width}"
            )
        weights = np.asarray(self.weights)
        levels = self.codebook.decode(IntFormat(width=8).check(weights, what), what)
        object.__setattr__(self, "weights", freeze(weights, np.uint8, what))
        return levels

    @cached_property
    def has_pad_codes(self) -> bool:
        """Whether a position of padding has another code than 0."""
        return bool(np.any(self.pad_codes))

    @property
    def out_channels(self) -> int:
        return int(self.weights.shape[0])

    @property
    def in_channels(self) -> int:
        return int(self.weights.shape[1]) * self.groups

    @property
    def kernel(self) -> tuple[int, int]:
        return int(self.weights.shape[2]), int(self.weights.shape[3])

    @property
    def taps(self) -> int:
        """Positions of a window."""
        return prod(self.kernel)

    @property
    def depth(self) -> int:
        """Terms per sum: Cin/groups * kh * kw."""
        return prod(self.weights.shape[1:])

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads: its input, and the residual's."""
        return (self.input,) if self.skip is None else (self.input, self.skip.tensor)

    @property
    def requantizes(self) -> bool:
        """Whether the output stage is a requant, not thresholds."""
        return isinstance(self.output, Requant)

    @property
    def level_width(self) -> int:
        """Bits of a decoded level: the codebook's format, or the stored width without one."""
        return self.weight_width if self.codebook is None else self.codebook.level_format.width


class _OfSingleCodes:
    """What layers that compute on single codes answer, as every layer does."""

    codebook: ClassVar[None] = None
    skip: ClassVar[None] = None
    taps: ClassVar[int] = 1
    sums: ClassVar[bool] = False
    requantizes: ClassVar[bool] = False


@dataclass(frozen=True, kw_only=True, eq=False)
class ThresholdLayer(_OfSingleCodes):
    """Read activation of a residual stream: every code goes through thresholds of its own."""

    name: str
    input: str
    output: Threshold
    kind: LayerKind = field(default=LayerKind.THRESHOLD, init=False)

    def __post_init__(self) -> None:
        check_name(self.name)

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.input,)


@dataclass(frozen=True, kw_only=True, eq=False)
class PoolLayer:
    """Average pooling (exact sum, then requant with the divisor folded in) or max pooling on codes.

    Max pooling ignores positions outside the map; average pooling has no padding. With a window of
    1 x 1 average pooling requantizes codes, and with a skip it adds two tensors. kernel, stride:
    (vertical, horizontal), padding: (top, left, bottom, right); one integer stands for all.
    """

    name: str
    input: str
    kind: LayerKind
    kernel: Pair
    stride: Pair
    output: Requant | None = None
    padding: Sides = (0, 0, 0, 0)
    skip: Skip | None = None

    codebook: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_name(self.name)
        where = f"Layer {self.name!r}"
        if self.kind not in (LayerKind.AVG_POOL, LayerKind.MAX_POOL):
            raise ContractError(
                f"{where}: kind must be avg_pool or max_pool, not {shown(self.kind)}"
            )
        _set_window(self, where, {"kernel": (2, 1), "stride": (2, 1), "padding": (4, 0)})
        average = self.kind is LayerKind.AVG_POOL
        if average != (self.output is not None) or (average and any(self.padding)):
            raise ContractError(
                f"{where}: avg_pool must have a requant and no padding, max_pool no requant"
            )
        for side, pad in enumerate(self.padding):
            if pad >= self.kernel[side % 2]:
                raise ContractError(
                    f"{where}: padding must be below the kernel's {self.kernel[side % 2]}, "
                    f"not {pad}"
                )
        if self.skip is not None and not average:
            raise ContractError(f"{where}: a skip must be added by avg_pool, not {self.kind}")
        if self.output is not None and self.output.skip_multiplier and self.skip is None:
            raise ContractError(f"{where}: skip_multiplier must be 0 without a skip")

    @property
    def taps(self) -> int:
        return prod(self.kernel)

    @property
    def reads(self) -> tuple[str, ...]:
        """Names of the tensors that the layer reads: its input, and the residual's."""
        return (self.input,) if self.skip is None else (self.input, self.skip.tensor)

    @property
    def sums(self) -> bool:
        """Average pooling; max pooling compares."""
        return self.kind is LayerKind.AVG_POOL

    @property
    def requantizes(self) -> bool:
        return self.output is not None


@dataclass(frozen=True, kw_only=True, eq=False)
class ConcatLayer(_OfSingleCodes):
    """Channels of several tensors one after the other; their codes stay as they are."""

    name: str
    inputs: tuple[str, ...]
    kind: LayerKind = field(default=LayerKind.CONCAT, init=False)

    output: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_name(self.name)
        count = len(self.inputs)
        if not isinstance(self.inputs, tuple) or not 1 <= count <= MAX_LAYERS:
            raise ContractError(
                f"Layer {self.name!r}: inputs must be 1..{MAX_LAYERS} tensors, not {count}"
            )

    @property
    def input(self) -> str:
        """The tensor whose channels come first."""
        return self.inputs[0]

    @property
    def reads(self) -> tuple[str, ...]:
        return self.inputs


@dataclass(frozen=True, kw_only=True, eq=False)
class UpsampleLayer(_OfSingleCodes):
    """Nearest neighbour: code (y, x) of the map is that of its input at (y // v, x // h)."""

    name: str
    input: str
    factor: Pair
    """(vertical, horizontal); one integer n is taken as (n, n)."""
    kind: LayerKind = field(default=LayerKind.UPSAMPLE, init=False)

    output: ClassVar[None] = None

    def __post_init__(self) -> None:
        check_name(self.name)
        _set_window(self, f"Layer {self.name!r}", {"factor": (2, 1)})

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.input,)


Layer = MacLayer | ThresholdLayer | PoolLayer | ConcatLayer | UpsampleLayer
