"""Sinks of a large clock net in groups of neighbours, as OpenROAD's TritonCTS makes them.

Sinks are walked along a closed curve that fills the core (`src/cts/src/SinkClustering.cpp`:
computeTheta); a group ends where it has `MOST_SINKS` or the next sink is farther than `DIAMETER_UM`
from one of it. Of the places to begin at, the one is taken whose groups are least wide in sum.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MOST_SINKS, DIAMETER_UM = 30, 100.0
"""What OpenROAD-flow-scripts gave it in 2023 (CTS-0029 in its logs)."""
STEPS = 24
"""Halvings of the core on the curve: to below a millionth of it."""


def clusters(x: Floats, y: Floats) -> list[Ints]:
    """Groups of sinks; x, y: (sinks,) um."""
    order = np.argsort(_along(_unit(x), _unit(y)), kind="stable")
    best: tuple[float, list[Ints]] | None = None
    for start in range(min(MOST_SINKS, len(order))):
        found = _walk(x, y, np.roll(order, -start))
        if best is None or found[0] < best[0]:
            best = found
    return [] if best is None else best[1]


def _walk(x: Floats, y: Floats, order: Ints) -> tuple[float, list[Ints]]:
    """Sum of widths, and the groups, of a walk from the first sink on."""
    begin, width, total, groups = 0, 0.0, 0.0, []
    for end in range(len(order)):
        there, group = order[end], order[begin:end]
        far = float((abs(x[group] - x[there]) + abs(y[group] - y[there])).max(initial=0.0))
        if len(group) == MOST_SINKS or far > DIAMETER_UM:
            groups.append(group)
            total += width
            begin, width = end, 0.0
        else:
            width = max(width, far)
    return total + width, [*groups, order[begin:]]


def _unit(values: Floats) -> Floats:
    span = float(np.ptp(values)) if len(values) else 0.0
    return (values - values.min()) / span if span else np.zeros_like(values)


def _along(x: Floats, y: Floats) -> Floats:
    """Place on the curve, 0 to 1, of points of the unit square."""
    odd, quads = [], []
    for _ in range(STEPS):
        right, above = x >= 0.5, y >= 0.5
        quads.append(np.where(right, np.where(above, 2, 3), np.where(above, 1, 0)))
        odd.append(right != above)
        x, y = 2 * np.abs(x - 0.5), 2 * np.abs(y - 0.5)
    place = np.full(len(x), 0.5)
    for quad, turned in zip(reversed(quads), reversed(odd), strict=True):
        place = np.modf((quad + np.where(turned, 1 - place, place)) / 4 + 7 / 8)[0]
    return place
