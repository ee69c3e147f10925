"""Selections as trees of two-way choices and as masked sums: small and quick in every library."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Mux, Value


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
