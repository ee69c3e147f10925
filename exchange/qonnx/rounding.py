"""Where QONNX's quantizers step, as exact rational numbers.

`u` is `value / scale + zero_point`. A quantizer gives a code of at least k from a boundary on,
which belongs to the upper code (inclusive) or to the lower one; which of them is what a rounding
mode decides, so every mode is exact, half-even included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

HALF = Fraction(1, 2)


@dataclass(frozen=True, kw_only=True, slots=True)
class Boundary:
    """Codes of at least k are those with `u >= at` (inclusive) or `u > at`."""

    at: Fraction
    inclusive: bool


def _at(at: Fraction | int, inclusive: bool) -> Boundary:
    return Boundary(at=Fraction(at), inclusive=inclusive)


MODES: dict[str, Callable[[int], Boundary]] = {
    "ROUND": lambda k: _at(k - HALF, k % 2 == 0),
    "HALF_EVEN": lambda k: _at(k - HALF, k % 2 == 0),
    "CEIL": lambda k: _at(k - 1, False),
    "FLOOR": lambda k: _at(k, True),
    "UP": lambda k: _at(k - 1, False) if k > 0 else _at(k, True),
    "DOWN": lambda k: _at(k, True) if k > 0 else _at(k - 1, False),
    "ROUND_TO_ZERO": lambda k: _at(k, True) if k > 0 else _at(k - 1, False),
    "HALF_UP": lambda k: _at(k - HALF, k > 0),
    "HALF_DOWN": lambda k: _at(k - HALF, k <= 0),
}
"""Rounding mode to the boundary of each integer; HALF_UP and HALF_DOWN mean away from zero and
toward it, as in QONNX."""


@dataclass(frozen=True, kw_only=True)
class Quantizer:
    """Codes lowest..highest with a step at `boundary(k)` for each k above the lowest.

    Steps may coincide: the codes between them do not occur.
    """

    lowest: int
    highest: int
    boundary: Callable[[int], Boundary]
    two_valued: bool = False
    """Only the lowest and the highest code occur: -1 below zero, 1 from zero on."""


def quant(mode: str, bits: int, signed: bool, narrow: bool) -> Quantizer:
    """QONNX's Quant of `bits` bits. A signed one of 1 bit is bipolar: -1 below zero, else +1."""
    if bits == 1 and signed:
        return bipolar()
    lowest = -(1 << (bits - 1)) + narrow if signed else 0
    highest = (1 << (bits - 1)) - 1 if signed else (1 << bits) - 1 - narrow
    return Quantizer(lowest=lowest, highest=highest, boundary=MODES[mode])


def bipolar() -> Quantizer:
    """Codes -1 and 1; 0 does not occur, but is the code of real zero."""
    return Quantizer(lowest=-1, highest=1, boundary=lambda k: _at(0, True), two_valued=True)


def trunc(mode: str, lowest: int, highest: int, step: int) -> Quantizer:
    """QONNX's Trunc: half-even to an integer y, then `y / step` rounded by `mode`."""

    def boundary(k: int) -> Boundary:
        inner = MODES[mode](k)
        y = inner.at * step  # the smallest integer from which on codes are at least k
        least = y.numerator // y.denominator
        if least != y or not inner.inclusive:
            least += 1
        return MODES["ROUND"](least)

    return Quantizer(lowest=lowest, highest=highest, boundary=boundary)
