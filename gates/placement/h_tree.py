"""A clock tree as OpenROAD's TritonCTS makes them: a root, an H of branches, a buffer at every end.

A tree of fewer buffers serves as well (`clock_tree.py`); this one is what a chip of that flow has.
Sinks are halved until fewer than `LEAF_SINKS` are left in a part, once at least, so that even two
sinks get a root and two leaves (`src/cts/src/HTreeBuilder.cpp`: run, isNumberOfSinksTooSmall;
`CtsOptions.h`: numMaxLeafSinks). A branch has a buffer where the root's or the last one's load
would slow its output (there: a table of characterized segments). Left out: sinks of large nets
clustered before, branches moved for skew, delays made equal by further buffers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .buffers import Buffer
from .clock_tree import NO_TREE, ClockTree
from .steiner import steiner_lengths

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEAF_SINKS = 15


@dataclass(slots=True)
class _Sum:
    """What is counted on the way through the tree."""

    buffers: int = 0
    um: float = 0.0
    fj: float = 0.0


def h_tree(
    x: Floats,
    y: Floats,
    pin_ff: Floats,
    root: tuple[float, float],
    ff_per_um: float,
    buffer: Buffer,
) -> ClockTree:
    """x, y, pin_ff: (sinks,) positions in um and capacitances; root: where the clock comes in."""
    if not len(x):
        return NO_TREE
    levels = levels_of(len(x))
    tree = _Tree(x, y, pin_ff, ff_per_um, buffer)
    load = tree.branches(np.arange(len(x)), levels)
    tree.drive(load)
    top = tree.middle(np.arange(len(x)))
    found = tree.found
    found.um += abs(top[0] - root[0]) + abs(top[1] - root[1])
    return ClockTree(
        buffers=found.buffers,
        levels=levels + 1,
        wire_um=found.um,
        wire_ff=found.um * ff_per_um,
        pins_ff=found.buffers * buffer.input_ff,
        internal_fj=found.fj,
        leakage_nw=found.buffers * buffer.leakage_nw,
    )


def levels_of(sinks: int) -> int:
    """Halvings of so many sinks."""
    levels = 1
    while -(-sinks // 2**levels) >= LEAF_SINKS:
        levels += 1
    return levels


class _Tree:
    """Sinks of one net, and the sums of its tree."""

    def __init__(
        self, x: Floats, y: Floats, pin_ff: Floats, ff_per_um: float, buffer: Buffer
    ) -> None:
        self.x, self.y, self.pin_ff = x, y, pin_ff
        self.ff_per_um, self.buffer = ff_per_um, buffer
        self.found = _Sum()

    def middle(self, sinks: Ints) -> tuple[float, float]:
        return float(self.x[sinks].mean()), float(self.y[sinks].mean())

    def drive(self, load_ff: float) -> None:
        """A buffer for a load; several in a row for one that is too much."""
        count = max(1, int(np.ceil(load_ff / self.buffer.limit_ff)))
        self.found.buffers += count
        self.found.fj += 2 * count * self.buffer.edge_fj(load_ff / count)

    def branches(self, sinks: Ints, levels: int) -> float:
        """fF that the point in the middle of the sinks drives, with its buffers below counted."""
        if not levels:
            self._leaf(sinks)
            return self.buffer.input_ff
        here, load = self.middle(sinks), 0.0
        for part in self._halves(sinks):
            below = self.branches(part, levels - 1)
            there = self.middle(part)
            um = abs(there[0] - here[0]) + abs(there[1] - here[1])
            self.found.um += um
            wire = um * self.ff_per_um
            if levels > 1 and below + wire > self.buffer.limit_ff:
                self.drive(below)
                below = self.buffer.input_ff
            load += below + wire
        return load

    def _halves(self, sinks: Ints) -> list[Ints]:
        """By the median of the longer side; of a single sink one half."""
        x, y = self.x[sinks], self.y[sinks]
        order = sinks[np.lexsort((sinks, x if np.ptp(x) >= np.ptp(y) else y))]
        half = len(order) // 2
        return [part for part in (order[:half], order[half:]) if len(part)]

    def _leaf(self, sinks: Ints) -> None:
        middle = self.middle(sinks)
        xs, ys = np.append(self.x[sinks], middle[0]), np.append(self.y[sinks], middle[1])
        um = float(steiner_lengths(xs, ys, np.array([0, len(xs)]))[0])
        self.found.um += um
        self.drive(float(self.pin_ff[sinks].sum()) + um * self.ff_per_um)
