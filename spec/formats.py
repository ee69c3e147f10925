"""Integer formats: width, sign, range (contract section 1)."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ContractError
from .host.text import shown

IntArray = npt.NDArray[np.integer[Any]]
Int64Array = npt.NDArray[np.int64]

_NAME = re.compile(r"([us])([1-9][0-9]?)")


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class IntFormat:
    """A two's complement (`s`) or plain binary (`u`) integer of `width` bits, 1..64.

    >>> IntFormat.parse("s8").min, IntFormat.holding(-3, 5).name
    (-128, 's4')
    """

    width: int
    signed: bool = False

    def __post_init__(self) -> None:
        limit = 64 if self.signed else 63  # every value must fit int64
        if not (type(self.width) is int and 1 <= self.width <= limit):
            raise ContractError(f"Format width must be in 1..{limit}, not {shown(self.width)}")

    @property
    def min(self) -> int:
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        return (1 << (self.width - int(self.signed))) - 1

    @property
    def name(self) -> str:
        """`u4`, `s8`, ..."""
        return f"{'s' if self.signed else 'u'}{self.width}"

    @property
    def dtype(self) -> np.dtype[Any]:
        """Smallest NumPy integer type that holds every value of the format."""
        for bits in (8, 16, 32, 64):
            if self.width <= bits:
                return np.dtype(f"{'int' if self.signed else 'uint'}{bits}")
        raise ContractError(f"Format {self.name} must fit 64 bits")

    @classmethod
    def parse(cls, name: str) -> "IntFormat":
        """The format called `name`, the inverse of `.name`."""
        match = _NAME.fullmatch(name) if isinstance(name, str) else None
        if match is None:
            raise ContractError(f"Format name must look like 'u4' or 's8', not {shown(name)}")
        return cls(width=int(match[2]), signed=match[1] == "s")

    @classmethod
    def holding(cls, low: int, high: int) -> "IntFormat":
        """Smallest format that holds `low..high`; unsigned when `low >= 0`."""
        if low > high:
            raise ContractError(f"Range must have low <= high, not {low}..{high}")
        if low >= 0:
            return cls(width=max(1, high.bit_length()), signed=False)
        return cls(width=max(-low - 1, high, 0).bit_length() + 1, signed=True)

    def contains(self, low: int, high: int) -> bool:
        """True when the whole range `low..high` can be represented."""
        return self.min <= low and high <= self.max

    def check(self, array: IntArray, what: str) -> IntArray:
        """Return `array` if it is integer and in range; else name value, range and index."""
        values = np.asarray(array)
        if not np.issubdtype(values.dtype, np.integer):
            raise ContractError(f"{what} must be an integer array, not dtype {values.dtype}")
        if values.size and not self.contains(int(values.min()), int(values.max())):
            wrong = (values < self.min) | (values > self.max)
            index = tuple(int(i) for i in np.argwhere(wrong)[0])
            raise ContractError(
                f"{what} must be in {self.min}..{self.max} ({self.name}), "
                f"not {values[index]} at index {index}"
            )
        return values


CODE_FORMAT = IntFormat(width=32, signed=True)
"""Format that holds the codes of every tensor: maps and logits are int32 in every engine."""


def check_tensor_format(fmt: IntFormat, what: str) -> IntFormat:
    """`fmt` if it may be the format of a tensor (contract section 1): u1..u31 or s1..s32."""
    if not CODE_FORMAT.contains(fmt.min, fmt.max):
        raise ContractError(
            f"{what} must fit {CODE_FORMAT.name} (u1..u31, s1..s32), not {fmt.name}"
        )
    return fmt


def twos_complement(bits: npt.ArrayLike, width: int) -> Int64Array:
    """Value of the low `width` bits, at most 63, as an `s` format (contract section 1)."""
    half = 1 << (width - 1)
    return ((np.asarray(bits, np.int64) & (2 * half - 1)) ^ half) - half


def freeze(array: npt.ArrayLike, dtype: npt.DTypeLike, what: str) -> npt.NDArray[Any]:
    """Read-only, C-ordered copy of an integer `array` as `dtype`; refuses other kinds."""
    values = np.asarray(array)
    if values.dtype == object or not np.issubdtype(values.dtype, np.integer):
        raise ContractError(f"{what} must be an integer array, not dtype {values.dtype}")
    info = np.iinfo(dtype)
    if values.size and not (info.min <= int(values.min()) and int(values.max()) <= info.max):
        raise ContractError(
            f"{what} must fit {np.dtype(dtype)}, not range {values.min()}..{values.max()}"
        )
    copy = np.array(values, dtype=dtype, order="C")
    copy.setflags(write=False)
    return copy
