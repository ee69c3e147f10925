"""A clock tree over placed flip-flops, of one buffer of the library, level by level.

Sinks are halved at the median of their longer side until a buffer drives each part, its pins and
its wires (Jackson, Srinivasan and Kuh, "Clock routing for high-performance ICs", DAC 1990: means
and medians). The buffer is in the middle of its part; the buffers are the sinks of the next level,
up to one that the clock's port drives. Wires to flip-flops are Steiner trees; above them each
buffer has a wire of its own from the one before, as in an H-tree, whose branches are equally long.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .buffers import Buffer
from .steiner import steiner_lengths

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockTree:
    """Per cycle, that is two edges, without the sinks' own pins."""

    buffers: int
    levels: int
    wire_um: float
    wire_ff: float
    pins_ff: float
    """Inputs of the buffers."""
    internal_fj: float
    """Of the buffers, per cycle."""
    leakage_nw: float

    def cycle_fj(self, voltage: float) -> float:
        """Wires, buffers and their pins."""
        return self.internal_fj + (self.wire_ff + self.pins_ff) * voltage**2


NO_TREE = ClockTree(
    buffers=0, levels=0, wire_um=0.0, wire_ff=0.0, pins_ff=0.0, internal_fj=0.0, leakage_nw=0.0
)


def clock_tree(
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
    total = {"buffers": 0, "levels": 0, "um": 0.0, "fj": 0.0}
    leaves = True
    while True:
        groups = _groups(x, y, pin_ff, ff_per_um, buffer.limit_ff, leaves)
        middles = np.array([(x[g].mean(), y[g].mean()) for g in groups])
        for group, middle in zip(groups, middles, strict=True):
            um = _wire_um(x[group], y[group], middle, leaves)
            load = float(pin_ff[group].sum()) + um * ff_per_um
            count = max(1, int(np.ceil(load / buffer.limit_ff)))  # in a row on a wire too long
            total["buffers"] += count
            total["um"] += um
            total["fj"] += 2 * count * buffer.edge_fj(load / count)
        total["levels"] += 1
        x, y = middles[:, 0], middles[:, 1]
        pin_ff = np.full(len(groups), buffer.input_ff)
        leaves = False
        if len(groups) == 1:
            break
    total["um"] += abs(x[0] - root[0]) + abs(y[0] - root[1])
    buffers = int(total["buffers"])
    return ClockTree(
        buffers=buffers,
        levels=int(total["levels"]),
        wire_um=total["um"],
        wire_ff=total["um"] * ff_per_um,
        pins_ff=buffers * buffer.input_ff,
        internal_fj=total["fj"],
        leakage_nw=buffers * buffer.leakage_nw,
    )


def _groups(
    x: Floats, y: Floats, pin_ff: Floats, ff_per_um: float, limit_ff: float, leaves: bool
) -> list[Ints]:
    """Parts of the sinks that one buffer drives; of two or more sinks, unless there is one only."""
    found, waiting = [], [np.arange(len(x))]
    while waiting:
        group = waiting.pop()
        if len(group) < 4 or _fits(x[group], y[group], pin_ff[group], ff_per_um, limit_ff, leaves):
            found.append(group)
            continue
        wide = np.ptp(x[group]) >= np.ptp(y[group])
        order = group[np.lexsort((group, (x if wide else y)[group]))]
        half = len(order) // 2
        waiting += [order[half:], order[:half]]
    return found


def _fits(
    x: Floats, y: Floats, pin_ff: Floats, ff_per_um: float, limit_ff: float, leaves: bool
) -> bool:
    load = float(pin_ff.sum())
    if load > limit_ff:
        return False
    middle = np.array([x.mean(), y.mean()])
    return load + ff_per_um * _wire_um(x, y, middle, leaves) <= limit_ff


def _wire_um(x: Floats, y: Floats, middle: Floats, leaves: bool) -> float:
    """From a buffer in the middle to its sinks."""
    if not leaves:
        return float((np.abs(x - middle[0]) + np.abs(y - middle[1])).sum())
    xs, ys = np.append(x, middle[0]), np.append(y, middle[1])
    return float(steiner_lengths(xs, ys, np.array([0, len(xs)]))[0])
