"""Fast reading of the harness's recording: lines of hex fields whose widths never change."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ...spec.errors import SimulationError

Bytes = npt.NDArray[np.uint8]
_UNDEFINED = 255


def _digit_values() -> Bytes:
    values = np.full(256, _UNDEFINED, np.uint8)
    for base, text in ((0, b"0123456789"), (10, b"abcdef")):
        values[list(text)] = base + np.arange(len(text))
    return values


_DIGITS = _digit_values()


@dataclass(frozen=True, kw_only=True, eq=False)
class Lines:
    """The text of a recording and where its lines start, by their first character."""

    text: Bytes = field(repr=False)
    starts: npt.NDArray[np.int64] = field(repr=False)

    @classmethod
    def of(cls, data: bytes) -> "Lines":
        text = np.frombuffer(data, np.uint8)
        ends = np.flatnonzero(text == ord("\n"))
        return cls(text=text, starts=np.concatenate([[0], ends[:-1] + 1]))

    def hexes(self, kind: str, widths: Sequence[int]) -> list[Bytes]:
        """Of all lines `kind field field ...`: the digits (lines, digits) of each field.

        widths: bits of the fields. Refuses a digit that is x or z.

        >>> Lines.of(b"o 3f 1\\nc 0\\n").hexes("o", [7, 2])[0].tolist()
        [[3, 15]]
        """
        starts = self.starts[self.text[self.starts] == ord(kind)]
        lengths = [-(-width // 4) for width in widths]
        size = 2 + sum(lengths) + len(lengths)  # kind and blank; a blank or the end after a field
        if not len(starts):
            return [np.zeros((0, length), np.uint8) for length in lengths]
        if starts[-1] + size > len(self.text):
            raise SimulationError(f"a line must have {size} characters, not fewer")
        rows = np.lib.stride_tricks.sliding_window_view(self.text, size)[starts]
        values, at = [], 2
        for length in lengths:
            digits = _DIGITS[rows[:, at : at + length]]
            if digits.size and digits.max() == _UNDEFINED:
                row = int(np.argmax((digits == _UNDEFINED).any(axis=1)))
                raise SimulationError(f"an output is undefined: {rows[row].tobytes().decode()!r}")
            values.append(digits)
            at += length + 1
        return values

    def decimals(self, kind: str) -> list[list[int]]:
        """Numbers of the lines whose first character is `kind`, for the few of them."""
        values = []
        for start in self.starts[self.text[self.starts] == ord(kind)]:
            line = self.text[start : start + 200].tobytes().split(b"\n", 1)[0].decode("ascii")
            if any(char in "xXzZ" for char in line):
                raise SimulationError(f"an output is undefined: {line!r}")
            values.append([int(value) for value in line.split()[1:]])
        return values


def number(digits: Bytes) -> npt.NDArray[np.int64]:
    """(lines,) values of at most 63 bits."""
    value = np.zeros(len(digits), np.int64)
    for column in digits.T:
        value = value << 4 | column
    return value


def lanes_set(digits: Bytes, count: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """(line, lane) of every bit that is set in masks of `count` bits, line by line."""
    bits = digits[:, ::-1, None] >> np.arange(4, dtype=np.uint8) & 1
    line, lane = np.nonzero(bits.reshape(len(digits), 4 * digits.shape[1])[:, :count])
    return line, lane


def fields(
    digits: Bytes, width: int, line: npt.NDArray[np.int64], lane: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Field `lane` of `width` bits, at most 32, of the word in each `line`; lane 0 is low."""
    if width > 32:
        raise ValueError(f"Lane width must be at most 32, not {width}")
    # bytes from the lowest up, and as many more as a field may touch from its first on
    reach = (width + 14) // 8
    size = -(-digits.shape[1] // 2) + reach
    little = np.zeros((len(digits), 2 * size), np.uint8)
    little[:, : digits.shape[1]] = digits[:, ::-1]
    octets = (little[:, ::2] | little[:, 1::2] << 4).ravel()
    bit = lane * width
    at, shift = line * size + (bit >> 3), bit & 7
    touched = sum(octets[at + part].astype(np.int64) << 8 * part for part in range(reach))
    return touched >> shift & (1 << width) - 1
