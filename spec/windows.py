"""Geometry of a window that slides over a map (contract section 6): kernel, stride, padding."""

from typing import Any

from .errors import ContractError
from .host.text import shown

Pair = tuple[int, int]
"""(vertical, horizontal)."""
Sides = tuple[int, int, int, int]
"""(top, left, bottom, right)."""

MAX_EXTENT = (1 << 16) - 1
"""Largest kernel, stride and padding."""
MAX_SIZE = 1 << 24
"""Most channels, and largest height and width of a map."""
_NAMES = {2: "(vertical, horizontal)", 4: "(top, left, bottom, right)"}


def pair(value: int | Pair) -> Pair:
    """Height and width; one number stands for both."""
    return (value, value) if isinstance(value, int) else value


def spread(value: Any, count: int, where: str, name: str, least: int) -> Any:
    """`value`, one integer for all or `count` of them, as a tuple of integers least..MAX_EXTENT.

    >>> spread(2, 2, "Layer 'a'", "stride", 1)
    (2, 2)
    """
    values = tuple(value) if isinstance(value, tuple | list) else (value,) * count
    if len(values) != count:
        raise ContractError(f"{where}: {name} must be one integer or {_NAMES[count]}, not {value}")
    for single in values:
        if type(single) is not int or not least <= single <= MAX_EXTENT:
            raise ContractError(
                f"{where}: {name} must be an integer in {least}..{MAX_EXTENT}, not {shown(single)}"
            )
    return values


def plain(values: tuple[int, ...]) -> int | None:
    """The one integer that a square geometry is written with; None if it is not square."""
    return values[0] if len(set(values)) == 1 else None


def positions(where: str, size: Pair, kernel: Pair, stride: Pair, padding: Sides) -> Pair:
    """Windows (down, across) on a map of `size`: `(size + pads - kernel) // stride + 1`."""
    pads = padding[0] + padding[2], padding[1] + padding[3]
    out = []
    for extent, pad, window, step in zip(size, pads, kernel, stride, strict=True):
        if extent + pad < window:
            raise ContractError(
                f"{where}: kernel must fit the padded map of {extent + pad}, not {window}"
            )
        count = (extent + pad - window) // step + 1
        if count > MAX_SIZE:
            raise ContractError(f"{where}: map must be at most {MAX_SIZE} wide, not {count}")
        out.append(count)
    return out[0], out[1]
