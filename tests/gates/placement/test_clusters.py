"""Groups of neighbours along a curve through the core."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.gates.placement.clusters import DIAMETER_UM, MOST_SINKS, _along, clusters


def test_the_curve_goes_through_neighbouring_squares():
    """Of a grid of 16 x 16 the order is a closed way whose steps are as long as a square's side."""
    at = (np.arange(16) + 0.5) / 16
    x, y = (some.ravel() for some in np.meshgrid(at, at))
    order = np.argsort(_along(x, y))
    steps = np.hypot(np.diff(x[order]), np.diff(y[order])) * 16
    assert steps.max() < 2.3
    assert np.hypot(x[order[0]] - x[order[-1]], y[order[0]] - y[order[-1]]) * 16 < 2.3


def test_heaps_stay_together():
    x = np.array([0.0] * 10 + [500.0] * 10 + [0.0] * 10)
    y = np.array([0.0] * 10 + [500.0] * 10 + [500.0] * 10)
    found = {frozenset(group.tolist()) for group in clusters(x, y)}
    assert found == {frozenset(range(10)), frozenset(range(10, 20)), frozenset(range(20, 30))}


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    sinks=st.integers(1, 120),
    side=st.sampled_from([0.0, 20.0, 300.0]),
)
def test_every_sink_is_in_one_group_within_the_limits(seed, sinks, side):
    rng = np.random.default_rng(seed)
    x, y = rng.random(sinks) * side, rng.random(sinks) * side / 3
    found = clusters(x, y)
    assert sorted(np.concatenate(found).tolist()) == list(range(sinks))
    for group in found:
        assert 1 <= len(group) <= MOST_SINKS
        apart = abs(x[group][:, None] - x[group]) + abs(y[group][:, None] - y[group])
        assert apart.max() <= DIAMETER_UM
    if side == 0:
        assert len(found) == -(-sinks // MOST_SINKS)


def test_nothing():
    assert clusters(np.zeros(0), np.zeros(0)) == []
