"""Ways through clock trees made equally many buffers long."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.gates.placement.evened import PLAIN, further_buffers
from adqhw.spec import InputError


def test_flip_flops_beside_a_gate_get_what_its_tree_has():
    """A tree of 2 drives two flip-flops and a gate (1) with a tree of 3: 4 buffers are missing."""
    found = further_buffers({5: 2, 9: 3}, {5: [PLAIN, 9, PLAIN], 9: [PLAIN]})
    assert found[5].tolist() == [4, 0, 4]
    assert found[9].tolist() == [0]


def test_the_shallow_gate_gets_the_rest_before_it():
    """Behind 1 are a tree of 2 and one of 5: three buffers before the former, none in it."""
    found = further_buffers({1: 1, 2: 2, 3: 5}, {1: [2, 3], 2: [PLAIN] * 2, 3: [PLAIN] * 2})
    assert found[1].tolist() == [3, 0]
    assert not found[2].any()
    assert not found[3].any()


def test_roots_know_nothing_of_each_other():
    found = further_buffers({1: 1, 2: 7}, {1: [PLAIN], 2: [PLAIN]})
    assert not found[1].any()
    assert not found[2].any()


def test_a_loop_is_refused():
    with pytest.raises(InputError, match="Clock gates must be no loop"):
        further_buffers({1: 1, 2: 1}, {1: [2], 2: [1]})


@st.composite
def forests(draw):
    """Depths, and what is behind the sinks; a child has a higher number than its parent."""
    nets = draw(st.integers(1, 12))
    depths = {net: draw(st.integers(1, 4)) for net in range(nets)}
    gated = {net: [PLAIN] * draw(st.integers(0, 3)) for net in range(nets)}
    for child in range(1, nets):
        parent = draw(st.integers(-1, child - 1))
        if parent >= 0:
            gated[parent].append(child)
    return depths, gated


def lengths(net, before, depths, gated, found):
    """Buffers and gates on every way that ends."""
    here = before + depths[net]
    for child, further in zip(gated[net], found[net].tolist(), strict=True):
        if child == PLAIN:
            yield here + further
        else:
            yield from lengths(child, here + further + 1, depths, gated, found)


@given(forests())
def test_all_ways_of_a_root_are_equally_long(forest):
    depths, gated = forest
    found = further_buffers(depths, gated)
    assert all((row >= 0).all() for row in found.values())
    roots = set(depths) - {child for children in gated.values() for child in children}
    nothing = {net: np.zeros(len(some), int) for net, some in gated.items()}
    for root in roots:
        before = [*lengths(root, 0, depths, gated, nothing)]
        after = {*lengths(root, 0, depths, gated, found)}
        assert len(after) <= 1
        if gated[root] and all(gated[net] for net in gated):
            assert after == {max(before)}
