"""The H-tree of OpenROAD's flow: its shape, and the sums of a small one by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placed_library import placed_library

from adqhw.gates.placement.buffers import choose_buffer
from adqhw.gates.placement.h_tree import h_tree, levels_of


def buffer():
    return choose_buffer(placed_library(), 0.25)


@pytest.mark.parametrize(("sinks", "leaves"), [(2, 2), (8, 2), (16, 2), (64, 8), (184, 16)])
def test_leaves_are_those_of_the_flow(sinks, leaves):
    """Of its log of a decoder: nets of 16, 64 and 184 sinks have 2, 8 and 16 leaves."""
    assert 2 ** levels_of(sinks) == leaves


@pytest.mark.parametrize(("sinks", "buffers"), [(2, 3), (8, 3), (28, 3), (29, 5), (64, 9)])
def test_short_branches_have_no_buffers(sinks, buffers):
    x = np.arange(sinks) * 1e-3
    found = h_tree(x, x, np.full(sinks, 1e-3), (0.0, 0.0), 0.5, buffer())
    assert found.buffers == buffers


def test_the_sums_of_two_leaves():
    """Four pins of 4 fF at the corners of 2 x 1 um; the root enters 3 um below their middle."""
    x, y = np.array([0.0, 0, 2, 2]), np.array([0.0, 1, 0, 1])
    one = buffer()
    found = h_tree(x, y, np.full(4, 4.0), (1.0, -2.5), 0.5, one)
    assert (found.buffers, found.levels) == (3, 2)
    # a leaf: 1 um to its pins, 8.5 fF; the root: 1 um to either leaf; 3 um to the root
    assert found.wire_um == pytest.approx(2 * 1 + 2 * 1 + 3)
    assert found.wire_ff == pytest.approx(3.5)
    assert found.pins_ff == pytest.approx(3 * one.input_ff)
    root_ff = 2 * (one.input_ff + 0.5)
    by_hand = 2 * (2 * one.edge_fj(8.5) + one.edge_fj(root_ff))
    assert found.internal_fj == pytest.approx(by_hand)
    assert found.leakage_nw == pytest.approx(3 * one.leakage_nw)


def test_long_branches_and_heavy_leaves_have_buffers():
    one = buffer()
    side = 100 * one.limit_ff
    x = np.array([0.0, side, 0, side] * 15)
    y = np.array([0.0, 0, side, side] * 15)
    found = h_tree(x, y, np.full(60, 1.0), (0.0, 0.0), 1.0, one)
    assert found.buffers >= 9 + 2
    assert found.buffers * one.limit_ff >= found.wire_ff / 4
    heavy = h_tree(x * 0, y * 0, np.full(60, one.limit_ff), (0.0, 0.0), 1.0, one)
    assert heavy.buffers == 60 + 1  # each leaf as many as its pins need


def test_nothing_has_no_tree():
    none = np.zeros(0)
    assert h_tree(none, none, none, (0.0, 0.0), 1.0, buffer()).buffers == 0


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), sinks=st.integers(2, 300))
def test_every_part_has_its_leaf(seed, sinks):
    rng, one = np.random.default_rng(seed), buffer()
    x, y, pins = rng.random(sinks) * 50, rng.random(sinks) * 50, np.full(sinks, 1.0)
    found = h_tree(x, y, pins, (25.0, 0.0), 0.1, one)
    leaves = min(2 ** levels_of(sinks), sinks)
    assert found.buffers >= leaves + 1
    assert found.pins_ff == pytest.approx(found.buffers * one.input_ff)
    assert found.wire_um >= max(np.ptp(x), np.ptp(y)) / 2
