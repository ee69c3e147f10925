"""Selections as trees of two-way choices and as masked sums: small and quick in every library."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Cat, Mux, Value


def selected(values: Sequence[Value], index: Value) -> Value:
    """`values[index]`, a level of two-way choices per bit; anything where there is none."""
    values, bit = list(values), 0
    while len(values) > 1:
        pairs = zip(values[::2], values[1::2], strict=False)
        odd = [values[-1]] if len(values) % 2 else []
        values = [Mux(index[bit], high, low) for low, high in pairs] + odd
        bit += 1
    return values[0]


def masked(values: Sequence[Value], mask: Value) -> Value:
    """The value whose bit of `mask` is 1; 0 where none is. Unsigned."""
    return reduce(or_, (Mux(mask[i], value.as_unsigned(), 0) for i, value in enumerate(values)))


def above(value: Value, limit: int) -> Value:
    """Whether an unsigned value is above a small constant, without a carry chain."""
    low = max(1, limit.bit_length())
    beyond = (value[:low] == other for other in range(limit + 1, 1 << low))
    return Cat(value[low:].any(), *beyond).any()


def position(flags: Sequence[Value], levels: int) -> tuple[list[Value], list[Value]]:
    """The highest `levels` bits of the number of flags, and the flags that give the other bits.

    flags: 2^n - 1 of them, of which the first ones are 1 and the others 0.
    """
    bits: list[Value] = []
    flags = list(flags)
    for _ in range(levels):
        half = len(flags) // 2
        bits.insert(0, flags[half])
        flags = [
            Mux(flags[half], high, low)
            for low, high in zip(flags[:half], flags[half + 1 :], strict=True)
        ]
    return bits, flags
