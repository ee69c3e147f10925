"""Bit allocation: exactness against brute force, budgets, ties between layers."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import tiny_network

from adqhw.adq.allocation.allocation import allocate, bit_costs, sizes, ties
from adqhw.adq.allocation.report import Report
from adqhw.spec.errors import InputError

WIDTHS = (2, 3, 4)


def brute_force(table, weights, average_bits, groups):
    """Least loss within the budget, by trying everything."""
    total, best = sum(weights.values()), None
    for choice in itertools.product(WIDTHS, repeat=len(groups)):
        widths = {n: w for g, w in zip(groups, choice, strict=True) for n in g}
        bits = sum(weights[n] * w for n, w in widths.items())
        loss = sum(table[n][w] for n, w in widths.items())
        if bits <= average_bits * total + 1e-9 and (best is None or loss < best):
            best = loss
    return best


@st.composite
def problems(draw):
    count = draw(st.integers(1, 6))
    names = [f"l{i}" for i in range(count)]
    weights = {n: draw(st.integers(1, 50)) for n in names}
    loss = st.integers(0, 40).map(float)  # integers: sums are exact, ties frequent
    table = {n: {w: draw(loss) for w in WIDTHS} for n in names}
    return table, weights, draw(st.sampled_from([2.0, 2.3, 2.81, 3.0, 3.5, 4.0]))


@given(problem=problems(), tied=st.booleans())
@settings(max_examples=150)
def test_allocation_equals_brute_force(problem, tied):
    table, weights, average_bits = problem
    names = list(table)
    groups = [tuple(names[:2]), *((n,) for n in names[2:])] if tied else [(n,) for n in names]
    result = allocate(table, weights, average_bits, groups)
    assert result.loss == brute_force(table, weights, average_bits, groups)
    assert result.bits == sum(weights[n] * w for n, w in result.widths.items())
    assert result.average <= average_bits + 1e-9
    assert list(result.widths) == names


def test_hand_counted_case():
    # 30 weights, budget 2.5 * 30 = 75 bits, least is 60: the gain of "a" (10 weights, +10 bits)
    # and then only 5 bits are left, too few for "b" (20 weights)
    table = {"a": {2: 5.0, 3: 1.0, 4: 0.9}, "b": {2: 3.0, 3: 0.5, 4: 0.1}}
    weights = {"a": 10, "b": 20}
    result = allocate(table, weights, 2.5)
    assert (result.widths, result.loss, result.bits) == ({"a": 3, "b": 2}, 4.0, 70)
    costs = bit_costs(table, weights)
    report = Report(chosen=result, sensitivity="error", table=table, costs=costs, weights=weights)
    assert report.to_json() == {
        "sensitivity": "error",
        "widths": {"a": 3, "b": 2},
        "loss": 4.0,
        "bits": 70,
        "average": 70 / 30,
        "cost": 70,
        "budget": 75,
        "unit": "bits",
        "layers": {
            "a": {
                "weights": 10,
                "width": 3,
                "predicted_loss": {"2": 5.0, "3": 1.0, "4": 0.9},
                "cost": {"2": 20, "3": 30, "4": 40},
            },
            "b": {
                "weights": 20,
                "width": 2,
                "predicted_loss": {"2": 3.0, "3": 0.5, "4": 0.1},
                "cost": {"2": 40, "3": 60, "4": 80},
            },
        },
    }


def test_tied_layers_share_a_width():
    table = {"a": {2: 9.0, 4: 0.0}, "b": {2: 9.0, 4: 0.0}, "c": {2: 9.0, 4: 0.0}}
    result = allocate(table, dict.fromkeys(table, 5), 3.4, [("a", "b"), ("c",)])
    assert result.widths == {"a": 4, "b": 4, "c": 2}


def test_a_budget_below_the_least_width_is_refused():
    with pytest.raises(InputError, match=r"must be at least 2\.000 for these layers, not 1\.9"):
        allocate({"a": {2: 1.0}}, {"a": 4}, 1.9)


def test_groups_must_cover_the_table():
    with pytest.raises(InputError, match="every layer of the table once"):
        allocate({"a": {2: 1.0}, "b": {2: 1.0}}, {"a": 4, "b": 4}, 3.0, [("a",)])


def test_projection_goes_with_the_first_convolution_of_its_block():
    model = tiny_network(shortcut="B")
    groups = ties(model)
    assert ("layer2.0.conv1", "layer2.0.downsample") in groups
    assert sorted(n for g in groups for n in g) == sorted(sizes(model))
    assert sizes(model)["layer2.0.downsample"] == 4 * 8
