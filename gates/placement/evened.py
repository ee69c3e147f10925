"""Buffers that clock trees behind clock gates leave to the paths without, so that all are as long.

As OpenROAD's TritonCTS does it (`src/cts/src/LevelBalancer.cpp`): a tree is as deep as the buffers
on its way and, behind its deepest gate, that gate and its tree; every sink that ends before gets a
row of buffers behind its leaf. It counts buffers, not picoseconds.
"""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError

Ints = npt.NDArray[np.int64]
PLAIN = -1
"""A sink that ends the clock's way."""


def further_buffers(
    depths: Mapping[int, int], gated: Mapping[int, Sequence[int]]
) -> dict[int, Ints]:
    """Of every tree, by the number of its net, (sinks,) buffers to add before each sink.

    depths: buffers in a row in each tree; gated: of each of its sinks the net of the tree that is
    behind it, or `PLAIN`. A tree is behind one sink at most.
    """
    order = _from_the_roots(gated)
    below = dict(depths)
    for net in reversed(order):
        below[net] += max((1 + below[child] for child in gated[net] if child != PLAIN), default=0)
    above, found = dict.fromkeys(order, 0), {}
    most: dict[int, int] = {}
    for net in order:
        whole = most.setdefault(net, below[net])
        here = above[net] + depths[net]
        rows = []
        for child in gated[net]:
            rows.append(whole - here - (0 if child == PLAIN else 1 + below[child]))
            if child != PLAIN:
                above[child], most[child] = here + rows[-1] + 1, whole
        found[net] = np.array(rows, np.int64)
    return found


def _from_the_roots(gated: Mapping[int, Sequence[int]]) -> list[int]:
    sorter: TopologicalSorter[int] = TopologicalSorter(dict.fromkeys(gated, ()))
    for net, children in gated.items():
        for child in children:
            if child != PLAIN:
                sorter.add(child, net)
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise InputError(
            f"Clock gates must be no loop, not one through net {error.args[1][0]}"
        ) from error
