"""Columns without a multiplier per lane: every stage against its specification, for any digits.

What the array's schedule sends (each digit of a beat once) makes of these stages a sum of
level x activation: `columns.digit_sum`, tests/verify/proofs; for bins, distributivity.
What the specifications of `product`, `shift` and `binned` share is here.
"""

from functools import reduce
from operator import or_
from typing import Any

from amaranth.hdl import Assume, Module, Mux, Signal


def latched(m: Module, unit, wanted: list, shape, name: str) -> list[Signal]:
    """The value that `take` stores of each row: `wanted`, or 0 without a beat."""
    kept = [Signal(shape, name=f"spec_{name}_{r}") for r in range(len(wanted))]
    with m.If(unit.take):
        m.d.sync += [k.eq(Mux(unit.load, w, 0)) for k, w in zip(kept, wanted, strict=True)]
    return kept


def port_list(unit, arrays: tuple[str, ...], controls: tuple[str, ...]) -> list:
    return [getattr(unit, n).as_value() for n in arrays] + [getattr(unit, n) for n in controls]


def picked(choices: list, index) -> Any:
    """`choices[index]` as a sum of masked choices: another selector than the unit's."""
    return reduce(or_, [Mux(index == i, c, 0) for i, c in enumerate(choices)])


def steady(m: Module, value: Signal) -> None:
    """`value` is free, but the same for ever: the array changes it only when it is empty."""
    before, started = Signal.like(value, name="steady"), Signal(name="started")
    m.d.sync += [started.eq(1), before.eq(value)]
    m.d.comb += Assume(~started | (value == before))
