"""A clock tree as OpenROAD's TritonCTS makes them: a root, an H of branches, a buffer at every end.

A tree of fewer buffers serves as well (`clock_tree.py`); this one is what a chip of that flow has.
Sinks are halved until fewer than `LEAF_SINKS` are left in a part, once at least, so that even two
sinks get a root and two leaves (`src/cts/src/HTreeBuilder.cpp`: run, isNumberOfSinksTooSmall;
`CtsOptions.h`: numMaxLeafSinks). A branch has a buffer where the root's or the last one's load
would slow its output (there: a table of characterized segments). Behind a leaf sinks may have
further buffers in a row, so that paths through clock gates and paths without have equally many
(`evened.py`). Sinks of large nets are gathered before (`clusters.py`). Left out: branches moved
for skew.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .buffers import Buffer
from .clock_tree import NO_TREE, ClockTree
from .clusters import clusters
from .steiner import steiner_lengths

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
LEAF_SINKS, FEW_SINKS = 15, 200
"""Sinks of a leaf, and of a net that is not gathered first (there: min_clustering_sinks_)."""


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
    further: Ints | None = None,
) -> ClockTree:
    """x, y, pin_ff: (sinks,) positions in um and capacitances; root: where the clock comes in.

    further: (sinks,) buffers in a row before each, behind its leaf.
    """
    if not len(x):
        return NO_TREE
    found = _Sum()
    many = np.zeros(len(x), np.int64) if further is None else further
    tree = _Tree(x, y, pin_ff, ff_per_um, buffer, many, found)
    upper = tree.gathered() if len(x) > FEW_SINKS else tree
    load, deep = upper.branches(np.arange(len(upper.x)), levels_of(len(upper.x)))
    tree.drive(load)
    top = tree.middle(np.arange(len(x)))
    found.um += abs(top[0] - root[0]) + abs(top[1] - root[1])
    return ClockTree(
        buffers=found.buffers,
        levels=1 + deep + (upper is not tree) + int(many.max()),
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
        self, x: Floats, y: Floats, pin_ff: Floats, ff_per_um: float, buffer: Buffer,
        further: Ints, found: _Sum,
    ) -> None:  # fmt: skip
        self.x, self.y, self.pin_ff = x, y, pin_ff
        self.ff_per_um, self.buffer, self.further, self.found = ff_per_um, buffer, further, found

    def middle(self, sinks: Ints) -> tuple[float, float]:
        return float(self.x[sinks].mean()), float(self.y[sinks].mean())

    def drive(self, load_ff: float) -> None:
        """A buffer for a load; several in a row for one that is too much."""
        count = max(1, int(np.ceil(load_ff / self.buffer.limit_ff)))
        self.found.buffers += count
        self.found.fj += 2 * count * self.buffer.edge_fj(load_ff / count)

    def gathered(self) -> "_Tree":
        """With a buffer in the middle of every group of neighbours, which are its sinks."""
        x, y, pin_ff, further = [], [], [], []
        for group in clusters(self.x, self.y):
            alone = len(group) == 1
            if not alone:
                self._leaf(group)
            middle = self.middle(group)
            x.append(middle[0])
            y.append(middle[1])
            pin_ff.append(float(self.pin_ff[group[0]]) if alone else self.buffer.input_ff)
            further.append(int(self.further[group[0]]) if alone else 0)
        return _Tree(
            np.array(x), np.array(y), np.array(pin_ff), self.ff_per_um, self.buffer,
            np.array(further, np.int64), self.found,
        )  # fmt: skip

    def branches(self, sinks: Ints, levels: int) -> tuple[float, int]:
        """fF that the point in the middle of the sinks drives; buffers in a row to the leaves."""
        if not levels:
            self._leaf(sinks)
            return self.buffer.input_ff, 1
        here, load, deepest = self.middle(sinks), 0.0, 0
        for part in self._halves(sinks):
            below, deep = self.branches(part, levels - 1)
            there = self.middle(part)
            um = abs(there[0] - here[0]) + abs(there[1] - here[1])
            self.found.um += um
            wire = um * self.ff_per_um
            if levels > 1 and below + wire > self.buffer.limit_ff:
                self.drive(below)
                below, deep = self.buffer.input_ff, deep + 1
            load += below + wire
            deepest = max(deepest, deep)
        return load, deepest

    def _halves(self, sinks: Ints) -> list[Ints]:
        """By the median of the longer side; of a single sink one half."""
        x, y = self.x[sinks], self.y[sinks]
        order = sinks[np.lexsort((sinks, x if np.ptp(x) >= np.ptp(y) else y))]
        half = len(order) // 2
        return [part for part in (order[:half], order[half:]) if len(part)]

    def _leaf(self, sinks: Ints) -> None:
        """A buffer in the middle of its sinks."""
        middle, further = self.middle(sinks), self.further[sinks]
        kinds = np.unique(further).tolist()
        self.drive(sum(self._row(sinks[further == many], middle, many) for many in kinds))

    def _row(self, sinks: Ints, start: tuple[float, float], many: int) -> float:
        """Buffers at equal distances from the leaf's to the sinks' middle; fF the leaf drives."""
        end, share = self.middle(sinks), many / (many + 1)
        last = start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])
        xs, ys = np.append(self.x[sinks], last[0]), np.append(self.y[sinks], last[1])
        um = float(steiner_lengths(xs, ys, np.array([0, len(xs)]))[0])
        self.found.um += um
        load = float(self.pin_ff[sinks].sum()) + um * self.ff_per_um
        between = (abs(end[0] - start[0]) + abs(end[1] - start[1])) / (many + 1)
        for _ in range(many):
            self.drive(load)
            self.found.um += between
            load = self.buffer.input_ff + between * self.ff_per_um
        return load
