"""Lookup tables of a Liberty: energy or time over input slew and output load."""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from .text import Group

Floats = npt.NDArray[np.float64]

LARGEST = 1e30
"""Of any number of a library, in its own unit: products of several stay finite."""

SLEW, LOAD = "slew", "load"
VARIABLES = {
    "input_transition_time": SLEW,
    "input_net_transition": SLEW,
    "total_output_net_capacitance": LOAD,
}
"""Liberty's names of the indices of tables."""

DATA_SLEW, CLOCK_SLEW = "data slew", "clock slew"
CONSTRAINTS = {
    "constrained_pin_transition": DATA_SLEW,
    "related_pin_transition": CLOCK_SLEW,
}
"""The same of set-up times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """values: one axis per entry of `axes`, at most two; a scalar has no axis."""

    axes: tuple[tuple[str, Floats], ...]
    """(variable, increasing points): slews in ns, load in fF."""
    values: Floats
    lists: tuple[list[list[float]], Any] = field(init=False, repr=False, compare=False)
    """Points and values as plain numbers, for `number_at`."""

    def __post_init__(self) -> None:
        axes = [points.tolist() for _, points in self.axes]
        object.__setattr__(self, "lists", (axes, self.values.tolist()))

    def number_at(self, slew_ns: float, load_ff: float) -> float:
        """`at` of two numbers, the same to the last bit and many times sooner."""
        axes, values = self.lists
        if len(axes) == 2 and len(axes[0]) > 1 and len(axes[1]) > 1:
            (one, _), (two, _) = self.axes
            first = slew_ns if one == SLEW else load_ff
            second = slew_ns if two == SLEW else load_ff
            return _in_plane(axes, values, first, second)
        found = [(1.0, values)]
        for (variable, _), points in zip(self.axes, axes, strict=True):
            if len(points) == 1:
                found = [(weight, inner[0]) for weight, inner in found]
                continue
            at = slew_ns if variable == SLEW else load_ff
            low = min(max(bisect_right(points, at) - 1, 0), len(points) - 2)
            share = (at - points[low]) / (points[low + 1] - points[low])
            found = [
                (weight * part, inner[low + step])
                for weight, inner in found
                for step, part in ((0, 1 - share), (1, share))
            ]
        total = 0.0
        for weight, value in found:
            total += weight * value
        return total

    def at(self, slew_ns: float | Floats, load_ff: float | Floats) -> Floats:
        """Interpolated linearly along each axis; beyond its ends on the last segment's line.

        slew_ns and load_ff: numbers, or arrays of one shape, which is the result's.
        """
        return self._over({SLEW: np.asarray(slew_ns, float), LOAD: np.asarray(load_ff, float)})

    def setup(self, data_ns: float | Floats, clock_ns: float | Floats) -> Floats:
        """The same over the transition times of data and clock, for a table of set-up times."""
        slews = np.asarray(data_ns, float), np.asarray(clock_ns, float)
        return self._over(dict(zip((DATA_SLEW, CLOCK_SLEW), slews, strict=True)))

    def setup_number(self, data_ns: float, clock_ns: float) -> float:
        """`setup` of two numbers, many times sooner."""
        axes, values = self.lists
        if len(axes) == 2 and len(axes[0]) > 1 and len(axes[1]) > 1:
            given = {DATA_SLEW: data_ns, CLOCK_SLEW: clock_ns}
            (one, _), (two, _) = self.axes
            return _in_plane(axes, values, given[one], given[two])
        return float(self.setup(data_ns, clock_ns))

    def _over(self, given: Mapping[str, Floats]) -> Floats:
        shape = np.broadcast_shapes(*(points.shape for points in given.values()))
        corners: list[tuple[tuple[Any, ...], Any]] = [((), np.ones(shape))]
        for variable, points in self.axes:
            low, share = _segment(points, given[variable])
            corners = [
                ((*index, low + step), weight * (share if step else 1 - share))
                for index, weight in corners
                for step in ((0, 1) if len(points) > 1 else (0,))
            ]
        total = np.zeros(shape)
        for index, weight in corners:
            total = total + weight * self.values[index]
        return total


def together(one: Table, other: Table) -> Callable[[float, float], tuple[float, float]]:
    """`number_at` of two tables at one slew and load; of one place if their points are the same."""
    axes, variables = one.lists[0], [variable for variable, _ in one.axes]
    plane = len(axes) == 2 and all(len(points) > 1 for points in axes)
    same = axes == other.lists[0] and variables == [variable for variable, _ in other.axes]
    if not (plane and same):
        return lambda slew, load: (one.number_at(slew, load), other.number_at(slew, load))
    first, second = one.lists[1], other.lists[1]
    slew_first = variables == [SLEW, LOAD]
    if not slew_first and variables != [LOAD, SLEW]:
        return lambda slew, load: (one.number_at(slew, load), other.number_at(slew, load))

    def at(slew: float, load: float) -> tuple[float, float]:
        place = _place(axes, slew, load) if slew_first else _place(axes, load, slew)
        return _blend(first, place), _blend(second, place)

    return at


_Place = tuple[int, int, float, float]


def _in_plane(axes: list[list[float]], values: Any, first: float, second: float) -> float:
    """Of two axes; sums and products in the order of `Table.number_at`."""
    return _blend(values, _place(axes, first, second))


def _place(axes: list[list[float]], first: float, second: float) -> _Place:
    """Row and column of the lower corner, and how far along both."""
    rows, columns = axes
    row = min(max(bisect_right(rows, first) - 1, 0), len(rows) - 2)
    down = (first - rows[row]) / (rows[row + 1] - rows[row])
    column = min(max(bisect_right(columns, second) - 1, 0), len(columns) - 2)
    right = (second - columns[column]) / (columns[column + 1] - columns[column])
    return row, column, down, right


def _blend(values: Any, place: _Place) -> float:
    row, column, down, right = place
    up, left = 1 - down, 1 - right
    upper, lower = values[row], values[row + 1]
    total = up * left * upper[column] + up * right * upper[column + 1]
    total = total + down * left * lower[column]
    return float(total + down * right * lower[column + 1])


def read_table(
    group: Group,
    templates: Mapping[str, Group],
    where: str,
    *,
    time_ns: float,
    load_ff: float,
    unit: float,
    variables: Mapping[str, str] = VARIABLES,
) -> Table:
    """The table of `group`; units: of time, load and the values. variables: its indices may be."""
    template = templates.get(group.label)
    if template is None and group.label != "scalar":
        raise InputError(f"{where} must use a declared template, not {group.label!r}")
    units = {SLEW: time_ns, LOAD: load_ff, DATA_SLEW: time_ns, CLOCK_SLEW: time_ns}
    axes = []
    for number in range(1, 4):
        name = template.values.get(f"variable_{number}") if template else None
        if name is None:
            break
        if name not in variables:
            over = "slew and load" if variables is VARIABLES else "the slews of data and clock"
            raise InputError(f"{where} must be over {over}, not {name!r}")
        index = f"index_{number}"
        texts = group.lists.get(index) or (template.lists.get(index) if template else None)
        points = _numbers(texts, f"{where}, {index}") * units[variables[name]]
        if not np.all(np.diff(points) > 0):
            raise InputError(f"{where}, {index} must increase, not {points.tolist()}")
        axes.append((variables[name], points))
    values = _numbers(group.lists.get("values"), f"{where}, values") * unit
    sizes = tuple(len(points) for _, points in axes)
    if values.size != int(np.prod(sizes)):
        raise InputError(f"{where} must have {int(np.prod(sizes))} values, not {values.size}")
    return Table(axes=tuple(axes), values=values.reshape(sizes))


def _segment(points: Floats, at: Floats) -> tuple[npt.NDArray[np.int64], Floats]:
    """Index of the segment's lower point, and how far along it (beyond 0..1 outside)."""
    if len(points) == 1:
        return np.zeros(at.shape, np.int64), np.zeros(at.shape)
    low = np.clip(np.searchsorted(points, at, side="right") - 1, 0, len(points) - 2)
    return low, (at - points[low]) / (points[low + 1] - points[low])


def _numbers(texts: tuple[str, ...] | None, what: str) -> Floats:
    words = " ".join(texts or ()).replace(",", " ").split()
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError as error:
        raise InputError(f"{what} must be numbers, not {error}") from None
    if not numbers.size or not np.all(np.abs(numbers) <= LARGEST):
        raise InputError(f"{what} must be finite numbers, not {' '.join(words)[:40]!r}")
    return numbers
