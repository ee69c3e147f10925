"""The H-tree of OpenROAD's flow: its shape, and the sums of a small one by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from placed_library import placed_library

from adqhw.gates.placement.buffers import choose_buffer
from adqhw.gates.placement.h_tree import FEW_SINKS, h_tree, levels_of


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


def test_rows_behind_a_leaf_by_hand():
    """Two pins 2 um apart, two buffers in a row before the right one; no wire to the root.

    Leaves have one pin each, under them: the left drives 4 fF; the right the first of the row,
    which has no way to go, and the last of it the pin.
    """
    x, y, one = np.array([0.0, 2.0]), np.zeros(2), buffer()
    found = h_tree(x, y, np.full(2, 4.0), (1.0, 0.0), 0.5, one, np.array([0, 2]))
    assert (found.buffers, found.levels) == (3 + 2, 2 + 2)
    assert found.wire_um == pytest.approx(2)
    root_ff = 2 * (one.input_ff + 0.5)
    row = one.edge_fj(4.0) + 2 * one.edge_fj(one.input_ff)
    assert found.internal_fj == pytest.approx(2 * (one.edge_fj(root_ff) + one.edge_fj(4.0) + row))


def test_a_row_goes_from_the_leaf_to_the_middle_of_its_sinks():
    """Of four pins in one place's leaf the two at 6 um have a row of one: 3 um before, 3 after."""
    one, further = buffer(), np.array([0, 0, 1, 1] * 2)
    x, y = np.array([0.0, 0, 6, 6] * 2), np.repeat([0.0, 100.0], 4)
    alone = h_tree(x, y, np.full(8, 1.0), (3.0, 50.0), 0.0, one)
    found = h_tree(x, y, np.full(8, 1.0), (3.0, 50.0), 0.0, one, further)
    assert found.buffers == alone.buffers + 2
    # a leaf at 3 um: trees to both sides, 6 um; with the row 3 + 1.5 + 1.5
    assert found.wire_um == pytest.approx(alone.wire_um)


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
@given(seed=st.integers(0, 2**32 - 1), sinks=st.integers(2, FEW_SINKS))
def test_every_part_has_its_leaf(seed, sinks):
    rng, one = np.random.default_rng(seed), buffer()
    x, y, pins = rng.random(sinks) * 50, rng.random(sinks) * 50, np.full(sinks, 1.0)
    found = h_tree(x, y, pins, (25.0, 0.0), 0.1, one)
    leaves = min(2 ** levels_of(sinks), sinks)
    assert found.buffers >= leaves + 1
    assert found.pins_ff == pytest.approx(found.buffers * one.input_ff)
    assert found.wire_um >= max(np.ptp(x), np.ptp(y)) / 2


def test_sinks_of_a_large_net_are_gathered_first():
    """Nine heaps of 30 pins: nine buffers, an H of two leaves over them, and its root."""
    x = np.repeat([0.0, 1000, 2000], 90)
    y = np.tile(np.repeat([0.0, 1000, 2000], 30), 3)
    one = buffer()
    found = h_tree(x, y, np.full(270, one.limit_ff / 40), (1000.0, 1000.0), 0.0, one)
    assert found.buffers == 9 + 2 + 1
    assert found.levels == 3
    rows = h_tree(x, y, np.full(270, 0.1), (0.0, 0.0), 0.0, one, np.full(270, 2, np.int64))
    assert rows.buffers == found.buffers + 9 * 2
    assert rows.levels == 3 + 2
