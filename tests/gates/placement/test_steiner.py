"""Lengths of Steiner trees beside the shortest ones and published ratios."""

import numpy as np
import pytest

from adqhw.gates.placement.steiner import half_perimeters, steiner_lengths


def length(points: list[tuple[float, float]]) -> float:
    x, y = (np.array(values, float) for values in zip(*points, strict=True))
    return float(steiner_lengths(x, y, np.array([0, len(points)]))[0])


def shortest(points: list[tuple[float, float]]) -> float:
    """The shortest tree over Hanan's grid, which has one (Dreyfus and Wagner, 1971)."""
    grid = [(x, y) for x in {p[0] for p in points} for y in {p[1] for p in points}]
    at = np.array(grid, float)
    far = np.abs(at[:, None] - at[None]).sum(axis=2)
    ends = [grid.index(point) for point in points]
    root, leaves = ends[0], ends[1:]
    best = {1 << number: far[leaf] for number, leaf in enumerate(leaves)}
    for some in range(1, 1 << len(leaves)):
        if some in best:
            continue
        joined = np.full(len(grid), np.inf)
        part = (some - 1) & some
        while part:
            joined = np.minimum(joined, best[part] + best[some ^ part])
            part = (part - 1) & some
        best[some] = (joined[:, None] + far).min(axis=0)
    return float(best[(1 << len(leaves)) - 1][root])


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(3, 4)], 0.0),
        ([(0, 0), (3, 4)], 7.0),
        ([(0, 0), (4, 0), (2, 5)], 9.0),
        ([(0, 1), (4, 1), (2, 0), (2, 3)], 7.0),  # a cross with a point that is no pin
        ([(0, 0)] * 5, 0.0),
        ([(float(x), 0.0) for x in range(9)], 8.0),
    ],
)
def test_lengths_known_by_hand(points, expected):
    assert length(points) == pytest.approx(expected)


def test_trees_are_near_the_shortest_ones():
    random = np.random.default_rng(1)
    ratios = []
    for pins in (4, 5, 6):
        for _ in range(15):
            points = [tuple(point) for point in random.integers(0, 50, (pins, 2)).tolist()]
            ratios.append(length(points) / shortest(points))
    assert min(ratios) >= 1 - 1e-12
    assert np.mean(ratios) < 1.015
    assert max(ratios) < 1.15


def test_lengths_over_half_perimeters_are_the_published_ones():
    """Means over random nets of Cheng, "RISA", ICCAD 1994, table 1: 1.0828, 1.4493, 1.8924."""
    random = np.random.default_rng(2)
    for pins, published in ((4, 1.0828), (10, 1.4493), (20, 1.8924)):
        x, y = random.random((2, 300 * pins))
        starts = np.arange(0, 300 * pins + 1, pins)
        ratio = steiner_lengths(x, y, starts).sum() / half_perimeters(x, y, starts).sum()
        assert ratio == pytest.approx(published, rel=0.03)


def test_nets_are_independent_and_may_be_empty():
    x, y = np.array([0.0, 3, 9, 9, 1]), np.array([0.0, 4, 9, 8, 1])
    starts = np.array([0, 2, 2, 4, 5])
    np.testing.assert_allclose(steiner_lengths(x, y, starts), [7, 0, 1, 0])
    np.testing.assert_allclose(half_perimeters(x, y, starts), [7, 0, 1, 0])
