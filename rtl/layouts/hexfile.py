"""Words of many fields as the hex lines that `$readmemh` reads."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Fields = Sequence[tuple[npt.NDArray[Any], int]]
"""(values (words,) or (words, fields), width in bits), from the least significant field up."""


def hex_lines(fields: Fields) -> str:
    """One line per word; negative values as two's complement, later fields above earlier ones."""
    bits = np.concatenate([field_bits(values, width) for values, width in fields], axis=1)
    little = np.packbits(bits, axis=1, bitorder="little")
    big = np.ascontiguousarray(little[:, ::-1])
    if not big.size:
        return ""
    text = big.tobytes().hex("\n", big.shape[1]) + "\n"
    if -(-bits.shape[1] // 4) % 2 == 0:
        return text
    # The first digit of a line is above the word: simulators warn of it.
    return text[1:].replace("\n0", "\n")


def write_hex(path: Path, fields: Fields) -> None:
    """`hex_lines` as a file."""
    path.write_text(hex_lines(fields), encoding="ascii")


def field_bits(values: npt.NDArray[Any], width: int) -> npt.NDArray[np.uint8]:
    """(words, fields * width) bits of values (words, ...), least significant first."""
    if not 1 <= width <= 64:
        raise ValueError(f"Field width must be in 1..64, not {width}")
    words = np.asarray(values, dtype=np.int64)
    words = words.reshape(len(words), int(np.prod(words.shape[1:])))
    low, high = -(1 << (width - 1)), 1 << width
    if width < 64 and words.size and (words.min() < low or words.max() >= high):
        raise ValueError(f"Field must fit {width} bits, not {words.min()}..{words.max()}")
    raw = np.ascontiguousarray(words).astype("<i8").view(np.uint8).reshape(*words.shape, 8)
    spread = np.unpackbits(raw, axis=2, bitorder="little")[:, :, :width]
    return spread.reshape(len(words), words.shape[1] * width)
