"""Codebooks: tables of signed integer levels selected by weight codes (contract section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .errors import ContractError
from .formats import Int64Array, IntArray, IntFormat
from .host.text import shown

MIN_WEIGHT_WIDTH, MAX_WEIGHT_WIDTH = 2, 8
MIN_LEVEL_WIDTH, MAX_LEVEL_WIDTH = 2, 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Codebook:
    """Levels of one layer: code k selects `levels[k]`; code 0 is always level 0 (real zero)."""

    levels: tuple[int, ...]
    width: int
    """Bits of a stored code (`weight_width`)."""

    def __post_init__(self) -> None:
        fits = type(self.width) is int and MIN_WEIGHT_WIDTH <= self.width <= MAX_WEIGHT_WIDTH
        if not fits:
            raise ContractError(
                f"Codebook width must be in {MIN_WEIGHT_WIDTH}..{MAX_WEIGHT_WIDTH}, "
                f"not {shown(self.width)}"
            )
        if not 1 <= len(self.levels) <= 1 << self.width:
            raise ContractError(
                f"Codebook must have 1..{1 << self.width} levels at width {self.width}, "
                f"not {len(self.levels)}"
            )
        if self.levels[0] != 0:
            raise ContractError(f"Codebook level of code 0 must be 0, not {shown(self.levels[0])}")
        limit = IntFormat(width=MAX_LEVEL_WIDTH, signed=True)
        for code, level in enumerate(self.levels):
            if type(level) is not int or not limit.min <= level <= limit.max:
                raise ContractError(
                    f"Codebook level must be an integer in {limit.min}..{limit.max}, "
                    f"not {shown(level)} at code {code}"
                )

    @property
    def level_format(self) -> IntFormat:
        """Smallest signed format of the levels, at least 2 bits."""
        return _level_format(self.levels)

    def decode(self, codes: IntArray, what: str = "Weight code") -> Int64Array:
        """int64 levels of `codes`, same shape; refuses a code outside the codebook."""
        values = np.asarray(codes)
        outside = (values < 0) | (values >= len(self.levels))
        if outside.any():
            index = tuple(int(i) for i in np.argwhere(outside)[0])
            raise ContractError(
                f"{what} must be in 0..{len(self.levels) - 1} (its codebook), "
                f"not {values[index]} at index {index}"
            )
        return np.asarray(self.levels, dtype=np.int64)[values]


@lru_cache(maxsize=1024)
def _level_format(levels: tuple[int, ...]) -> IntFormat:
    low, high = min(*levels, -1), max(*levels, 0)
    return IntFormat(width=max(2, IntFormat.holding(low, high).width), signed=True)


def shift_factor(levels: tuple[int, ...]) -> int | None:
    """The odd C such that every level is 0, +-2^s or +-C*2^s (contract section 2.4), else None.

    1 when all are powers of two. Levels of that form need no multiplier: sums of shifted codes,
    those of the C-levels kept apart and multiplied by C once per output.
    """
    odd_parts = {abs(level) // (level & -level) for level in levels if level}
    odd_parts.discard(1)
    return None if len(odd_parts) > 1 else max(odd_parts, default=1)


def encode(
    ranks: IntArray, levels: Sequence[int], zero: int, width: int
) -> tuple[Int64Array, Codebook]:
    """Codes of weights in sign-magnitude order, and their codebook (contract section 2.2).

    levels: ascending, at position `zero` real zero. ranks: positions in them, one per weight. The
    outer one of 2^(width-1) levels of a sign takes the code of "minus zero"; codes without a level
    decode to 0.

    >>> codes, codebook = encode(np.array([0, 1, 2, 3]), (-5, 0, 3, 7), zero=1, width=3)
    >>> codes.tolist(), codebook.levels
    ([5, 0, 1, 2], (0, 3, 7, 0, 0, -5, 0, 0))
    """
    half, above = 1 << (width - 1), len(levels) - zero - 1
    if max(above, zero) > half or min(above, zero) == half:
        raise ContractError(
            f"Codebook of width {width} must have at most {half - 1} levels of one sign and {half} "
            f"of the other, not {above} positive and {zero} negative"
        )
    offset = np.arange(len(levels)) - zero
    code_of = np.where(offset >= 0, offset, half - offset)
    code_of[offset == -half] = half
    table = np.zeros(2 * half, np.int64)
    table[code_of] = levels
    return code_of[ranks], Codebook(levels=tuple(table.tolist()), width=width)
