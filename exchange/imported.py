"""A program made from another system's file, and how its codes are the file's codes."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..spec.errors import InputError
from ..spec.formats import Int64Array, IntArray, IntFormat
from ..spec.program import INPUT, Program

Rounding = Literal["away", "even"]
"""How the engine rounds an input that lies between two codes, halves: from zero, or to even."""


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """`real = scale * (code - zero_point)` with codes of `format`, as the file has them."""

    format: IntFormat
    scale: float
    zero_point: int

    def quantize(self, values: npt.NDArray[Any], rounding: Rounding) -> Int64Array:
        """Codes of real values, in float32 as engines do it."""
        scaled = np.asarray(values, np.float32) / np.float32(self.scale)
        if not np.isfinite(scaled).all():
            raise InputError("Input must be finite, not NaN or infinite")
        even, away = np.rint(scaled), np.trunc(scaled + np.copysign(np.float32(0.5), scaled))
        half = np.abs(scaled - np.trunc(scaled)) == np.float32(0.5)
        rounded = np.where(half & (rounding == "away"), away, even).astype(np.float64)
        codes = np.clip(rounded + self.zero_point, self.format.min, self.format.max)
        return np.asarray(codes, np.int64)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A tensor of the file and the program's tensor that holds its codes.

    `file code = program code + offset`. shape: the file's, without the batch; channels_last: its
    last axis is the program's channel.
    """

    tensor: str
    file_tensor: str
    shape: tuple[int, ...]
    channels_last: bool
    offset: int
    quantization: Quantization

    def file_codes(self, codes: IntArray) -> Int64Array:
        """The file's codes (N, *shape) of the program's codes (N, C, H, W)."""
        return self.arranged(np.asarray(codes, np.int64) + self.offset)

    def arranged(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Elements (N, C, H, W) of the program's tensor in the file's layout (N, *shape)."""
        values = values.transpose(0, 2, 3, 1) if self.channels_last else values
        return values.reshape(len(values), *self.shape)

    def program_codes(self, codes: IntArray, shape: tuple[int, int, int]) -> Int64Array:
        """The program's codes (N, C, H, W), `shape` (C, H, W), of the file's (N, *self.shape)."""
        values = np.asarray(codes, np.int64) - self.offset
        channels, height, width = shape
        if self.channels_last:
            return values.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
        return values.reshape(-1, channels, height, width)


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoder:
    """How real values become the file's input codes where one scale does not say it all.

    codes: (N, *shape of the file's input) float32 to the file's codes, same shape. text: the same
    in words.
    """

    codes: Callable[[npt.NDArray[Any]], IntArray]
    text: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Scaling:
    """`real = min(max(scale * code + offset, low), high)` of the result, per channel, (C,) float64.

    low, high: of a last activation that limits; infinite without one.
    """

    scale: npt.NDArray[np.float64]
    offset: npt.NDArray[np.float64]
    low: npt.NDArray[np.float64]
    high: npt.NDArray[np.float64]

    def real(self, codes: IntArray) -> npt.NDArray[np.float32]:
        """Real values of program codes (N, C, H, W), same shape."""
        columns = (x[:, None, None] for x in (self.scale, self.offset, self.low, self.high))
        scale, offset, low, high = columns
        return np.clip(scale * codes + offset, low, high).astype(np.float32)

    def record(self) -> dict[str, Any]:
        """As JSON data: one number where all channels have it, null where there is no limit."""
        limits = {"low": self.low, "high": self.high}
        return {
            "scale": _fewest(self.scale),
            "offset": _fewest(self.offset),
            **{k: _fewest(x) if np.isfinite(x).any() else None for k, x in limits.items()},
        }


def _fewest(values: npt.NDArray[np.float64]) -> Any:
    numbers = [float(x) if np.isfinite(x) else None for x in values]
    return numbers[0] if len(set(numbers)) == 1 else numbers


@dataclass(frozen=True, kw_only=True, eq=False)
class Imported:
    """A program that computes, bit for bit, what the engine `dialect` computes on a file.

    origins: for each tensor of the file that the program has, where it is; the first is the input,
    the last the result. dropped: operators of the file that are not in the program, in words.
    encoder, scaling: where the input's or the result's reals are not those of its quantization.
    """

    program: Program
    dialect: str
    origins: tuple[Origin, ...]
    rounding: Rounding
    dropped: tuple[str, ...] = ()
    encoder: Encoder | None = None
    scaling: Scaling | None = None

    @property
    def tensors(self) -> dict[str, Origin]:
        """Origin of each program tensor that is one of the file's (its first one)."""
        return {origin.tensor: origin for origin in reversed(self.origins)}

    def encode(self, values: npt.NDArray[Any]) -> IntArray:
        """Program input codes (N, C, H, W) of inputs (N, *shape of the file's input).

        Floating point values are quantized as the engine does; integers are the file's codes.
        """
        origin = self.tensors[INPUT]
        array = np.asarray(values)
        if array.shape[1:] != origin.shape or array.ndim < 1:
            raise InputError(
                f"Input must be (N, {', '.join(map(str, origin.shape))}), not {array.shape}"
            )
        if np.issubdtype(array.dtype, np.floating) and self.encoder is not None:
            codes: IntArray = self.encoder.codes(array.astype(np.float32))
        elif np.issubdtype(array.dtype, np.floating):
            codes = origin.quantization.quantize(array, self.rounding)
        else:
            codes = origin.quantization.format.check(array, "Input code")
        shape, fmt = self.program.input_shape, self.program.input_format
        return origin.program_codes(codes, shape).astype(fmt.dtype)

    def codes(self, tensors: Mapping[str, IntArray]) -> dict[str, Int64Array]:
        """The file's tensors, by the file's names and layout, of program tensors (N, C, H, W).

        tensors: what an engine kept (`Result.tensors`); tensors that the file has not are left
        out. Result codes alone: `result`.
        """
        return {
            origin.file_tensor: origin.file_codes(tensors[origin.tensor])
            for origin in self.origins
            if origin.tensor in tensors
        }

    def result(self, logits: IntArray) -> Int64Array:
        """The codes of the file's result of `Result.logits` (N, classes)."""
        origin = self.origins[-1]
        shape = self.program.tensor_shape(origin.tensor)
        return origin.file_codes(np.asarray(logits).reshape(len(logits), *shape))

    def real(self, logits: IntArray) -> npt.NDArray[np.float32]:
        """The real values of the result, float32."""
        if self.scaling is not None:
            shape = self.program.tensor_shape(self.origins[-1].tensor)
            values = self.scaling.real(np.asarray(logits, np.int64).reshape(len(logits), *shape))
            return self.origins[-1].arranged(values)
        quantization = self.origins[-1].quantization
        centred = (self.result(logits) - quantization.zero_point).astype(np.float32)
        return centred * np.float32(quantization.scale)


def provenance(
    dialect: str, origins: tuple[Origin, ...], rounding: Rounding, dropped: tuple[str, ...]
) -> dict[str, Any]:
    """What a program file says of its import: JSON data."""
    entries = []
    for origin in origins:
        entry = asdict(origin)
        entry["quantization"]["format"] = origin.quantization.format.name
        entries.append(entry | {"shape": list(origin.shape)})
    return {
        "import": {
            "dialect": dialect,
            "tensors": entries,
            "rounding": rounding,
            "dropped": list(dropped),
        }
    }
