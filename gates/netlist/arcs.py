"""Which Liberty energies a gate's change of state is charged: a weight per arc, before and after.

Zero-delay simulation gives a gate's state before and after a cycle, not the order in which its
pins moved. The rules, for n pins that moved at once:

* an output edge costs the mean over the arcs whose related pin moved;
* a condition (`when`) that holds in one of the two states only counts one half;
* arcs of an input pin are charged for its edges, whether or not an output moves;
* a flip-flop's order is known: clock rise with the old data, the output, the new data while the
  clock is high, clock fall with the new data. The clock makes both edges in every cycle.

For single changes, which is what a Liberty describes, this is exact.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ..liberty.cells import Cell, PowerArc
from ..liberty.function import Function
from ..liberty.table import Floats, Table
from .netlist import clock_pin

CLOCK, INTERNAL = "clock", "internal"

Values = Mapping[str, Any]
"""0 or 1 by pin, as arrays over the states."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArcUse:
    """One table of one pin for one edge; weights: (2^n, 2^n) times per [before, after]."""

    pin: str
    part: str
    table: Table
    weights: Floats


def arc_uses(cell: Cell, pins: Sequence[str]) -> list[ArcUse]:
    """All energies of `cell`, whose state is made of `pins`, low bit first."""
    _check_powers(cell)
    values = state_values(cell, pins)
    before = {pin: v[:, None] for pin, v in values.items()}
    after = {pin: v[None, :] for pin, v in values.items()}
    with _known_signals(cell):
        if cell.ff is not None:
            return _flip_flop(cell, before, after)
        pairs = before, after, before, after
        return [use for pin in cell.pins for use in _pin_uses(cell, pin, *pairs)]


@contextmanager
def _known_signals(cell: Cell) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise InputError(
            f"Cell {cell.name!r}: conditions must be of its signal pins, not of {error}"
        ) from None


def _check_powers(cell: Cell) -> None:
    """Outputs that can change, and clocks, must have an energy."""
    needed = [n for n in cell.outputs if (f := cell.pins[n].function) is not None and f.pins]
    if cell.ff is not None:
        needed.append(clock_pin(cell))
    for name in needed:
        if not cell.pins[name].powers:
            raise InputError(
                f"Cell {cell.name!r}, pin {name!r} must have internal_power, not none: "
                "the library says no energy"
            )


def leakage_nw(cell: Cell, pins: Sequence[str]) -> Floats:
    """(2^n,) leakage by state; a clock is half of the time high."""
    values = state_values(cell, pins)
    with _known_signals(cell):
        if cell.ff is None:
            return _leakage(cell, values, 1 << len(pins))
        clock = clock_pin(cell)
        high, low = (_leakage(cell, {**values, clock: level}, 1 << len(pins)) for level in (1, 0))
        return (high + low) / 2


def state_values(cell: Cell, pins: Sequence[str]) -> dict[str, npt.NDArray[np.int64]]:
    """(2^n,) of every pin that the state determines."""
    states = np.arange(1 << len(pins))
    values: dict[str, Any] = {pin: states >> bit & 1 for bit, pin in enumerate(pins)}
    if cell.ff is not None:
        shown = cell.pins[pins[-1]].function
        assert shown is not None
        inverted = shown.tree == ("pin", cell.ff.inverse)
        stored = 1 - values[pins[-1]] if inverted else values[pins[-1]]
        values |= {cell.ff.state: stored, cell.ff.inverse: 1 - stored}
    for name in cell.outputs:
        function = cell.pins[name].function
        if function is not None:
            values[name] = np.broadcast_to(function.evaluate(values), states.shape)
    return values


def _flip_flop(cell: Cell, before: Values, after: Values) -> list[ArcUse]:
    """Clock rise, output, data with the clock high, clock fall."""
    assert cell.ff is not None
    clock = clock_pin(cell)
    uses = []
    for arc in cell.pins[clock].powers:
        # Shape (2^n, 2^n): a table of one state alone is the same for every other state.
        every = np.ones(
            np.broadcast_shapes(*(np.shape(v) for v in (*before.values(), *after.values())))
        )
        rise, fall = (every * _holds(arc.when, state) for state in (before, after))
        uses += [
            ArcUse(pin=clock, part=CLOCK, table=arc.rise, weights=rise),
            ArcUse(pin=clock, part=CLOCK, table=arc.fall, weights=fall),
        ]
    stored = {n: after[n] for n in (cell.ff.state, cell.ff.inverse, *cell.outputs) if n in after}
    early, late = {**before, clock: 1}, {**before, **stored, clock: 1}
    for pin in cell.pins:
        if pin in cell.outputs:
            uses += _pin_uses(cell, pin, before, after, early, early)
        elif pin != clock:
            uses += _pin_uses(cell, pin, before, after, late, {**after, clock: 1})
    return uses


def _pin_uses(
    cell: Cell, name: str, before: Values, after: Values, first: Values, last: Values
) -> list[ArcUse]:
    """The arcs of one pin; `first` and `last` are where conditions are looked at."""
    pin = cell.pins[name]
    if not pin.powers or name not in before:
        return []
    rises, falls = (1 - before[name]) * after[name], before[name] * (1 - after[name])
    shares = [(_holds(arc.when, first) + _holds(arc.when, last)) / 2 for arc in pin.powers]
    if name in cell.outputs:
        shares = _shared(pin.powers, shares, before, after)
    uses = []
    for arc, share in zip(pin.powers, shares, strict=True):
        uses += [
            ArcUse(pin=name, part=INTERNAL, table=arc.rise, weights=rises * share),
            ArcUse(pin=name, part=INTERNAL, table=arc.fall, weights=falls * share),
        ]
    return uses


def _shared(
    arcs: Sequence[PowerArc], shares: list[Any], before: Values, after: Values
) -> list[Any]:
    """An output's edge is one edge: shares of the arcs with a related pin are made to sum to 1."""
    related = [i for i, arc in enumerate(arcs) if arc.related]
    if not related:
        return shares
    moved = [_moved(arcs[i].related, before, after) for i in related]
    held = [m * shares[i] for m, i in zip(moved, related, strict=True)]
    # No condition holds, or no related pin moved: the next best set of arcs.
    best = held
    for candidate in (moved, [np.ones_like(m) for m in moved]):
        none = sum(best) == 0
        best = [np.where(none, c, b) for c, b in zip(candidate, best, strict=True)]
    total = sum(best)
    found = list(shares)
    for i, weight in zip(related, best, strict=True):
        found[i] = weight / total
    return found


def _moved(pins: Sequence[str], before: Values, after: Values) -> Floats:
    """1 where one of the pins changes; a clock, which no state has, always does."""
    changes = [np.abs(after[pin] - before[pin]) if pin in before else 1 for pin in pins]
    shape = np.broadcast_shapes(*(np.shape(v) for v in (*before.values(), *after.values())))
    return np.broadcast_to(np.minimum(1, sum(changes)), shape).astype(float)


def _holds(when: Function | None, values: Values) -> Any:
    return 1.0 if when is None else 1.0 * when.evaluate(values)


def _leakage(cell: Cell, values: Values, states: int) -> Floats:
    found = np.full(states, np.nan)
    for when, nw in cell.leakage:
        holds = np.broadcast_to(_holds(when, values), found.shape)
        found = np.where(np.isnan(found) & (holds == 1), nw, found)
    if np.isnan(found).any():
        raise InputError(
            f"Cell {cell.name!r} must have leakage_power in every state, not without state "
            f"{int(np.flatnonzero(np.isnan(found))[0])}: the library says no leakage"
        )
    return found
