"""Lengths of nets as rectilinear Steiner trees.

Up to three pins the half perimeter is the length of the shortest tree. Of more a tree is grown pin
by pin: the pin nearest to the tree joins it at the nearest point of an edge, where an edge is any
monotone path between its ends, so that each of its points within their box may be taken (Ho,
Vijayan and Wong, "New algorithms for the rectilinear Steiner tree problem", IEEE Trans. CAD 9,
1990: flexible edges). On random pins the trees are some 2 % longer than the shortest ones
(`tests/gates/placement/test_steiner.py`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.host.kernel_cache import cached_kernel

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def steiner_lengths(x: Floats, y: Floats, starts: Ints) -> Floats:
    """(nets,) in the unit of the positions.

    x, y: (pins,) positions, net by net; starts: (nets + 1,) first pin of each net, and their end.
    """
    return np.asarray(_lengths(x, y, starts), float)


def half_perimeters(x: Floats, y: Floats, starts: Ints) -> Floats:
    """(nets,) half of the perimeter of the box around the pins; 0 without pins."""
    sizes = np.diff(starts)
    found = np.zeros(len(sizes))
    some = sizes > 0
    if some.any():
        at = starts[:-1][some]
        for values in (x, y):
            found[some] += np.maximum.reduceat(values, at) - np.minimum.reduceat(values, at)
    return found


@cached_kernel()
def _lengths(x: Any, y: Any, starts: Any) -> Any:
    nets = len(starts) - 1
    found = np.zeros(nets)
    for net in range(nets):
        begin, end = starts[net], starts[net + 1]
        if end - begin > 3:
            found[net] = _tree(x[begin:end], y[begin:end])
        elif end - begin > 1:
            xs, ys = x[begin:end], y[begin:end]
            found[net] = xs.max() - xs.min() + ys.max() - ys.min()
    return found


@cached_kernel()
def _far(x: float, y: float, ax: Any, ay: Any, bx: Any, by: Any, edge: int) -> float:
    """Distance of a point to the box of an edge."""
    left, right = min(ax[edge], bx[edge]), max(ax[edge], bx[edge])
    low, high = min(ay[edge], by[edge]), max(ay[edge], by[edge])
    return max(left - x, x - right, 0.0) + max(low - y, y - high, 0.0)


@cached_kernel()
def _tree(x: Any, y: Any) -> float:
    pins = len(x)
    most = 2 * pins
    ax, ay, bx, by = np.empty(most), np.empty(most), np.empty(most), np.empty(most)
    first = 0
    middle_x, middle_y = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
    for pin in range(pins):
        now = abs(x[pin] - middle_x) + abs(y[pin] - middle_y)
        if now < abs(x[first] - middle_x) + abs(y[first] - middle_y):
            first = pin
    # an edge without extent stands for the first pin
    ax[0], ay[0], bx[0], by[0] = x[first], y[first], x[first], y[first]
    edges, total = 1, 0.0
    nearest = np.zeros(pins, np.int64)
    distance = np.empty(pins)
    for pin in range(pins):
        distance[pin] = abs(x[pin] - x[first]) + abs(y[pin] - y[first])
    distance[first] = np.inf
    for _ in range(pins - 1):
        pin = 0
        for other in range(1, pins):
            if distance[other] < distance[pin]:
                pin = other
        edge = nearest[pin]
        total += distance[pin]
        distance[pin] = np.inf
        sx = min(max(x[pin], min(ax[edge], bx[edge])), max(ax[edge], bx[edge]))
        sy = min(max(y[pin], min(ay[edge], by[edge])), max(ay[edge], by[edge]))
        began = edges
        ax[edges], ay[edges], bx[edges], by[edges] = sx, sy, bx[edge], by[edge]
        bx[edge], by[edge] = sx, sy
        edges += 1
        ax[edges], ay[edges], bx[edges], by[edges] = sx, sy, x[pin], y[pin]
        edges += 1
        for other in range(pins):
            if distance[other] == np.inf:
                continue
            if nearest[other] == edge:  # its halves cover less than it did
                kept = distance[other]
                distance[other] = _far(x[other], y[other], ax, ay, bx, by, edge)
                half = _far(x[other], y[other], ax, ay, bx, by, began)
                if half < distance[other]:
                    distance[other], nearest[other] = half, began
                if distance[other] > kept:
                    for one in range(edges):
                        far = _far(x[other], y[other], ax, ay, bx, by, one)
                        if far < distance[other]:
                            distance[other], nearest[other] = far, one
            for one in range(began, edges):
                far = _far(x[other], y[other], ax, ay, bx, by, one)
                if far < distance[other]:
                    distance[other], nearest[other] = far, one
    return total
