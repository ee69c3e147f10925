"""Budgets of several kinds, the files they leave, and the estimates behind them."""

import itertools
import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import tiny_images, tiny_network
from tiny_runs import tiny

from adqhw.adq.allocation import report as allocation_report
from adqhw.adq.allocation.allocation import allocate_cost
from adqhw.adq.allocation.hutchinson import hessian_traces
from adqhw.adq.allocation.sensitivity import reconstruct, sensitivities
from adqhw.adq.quantizers.methods import Method
from adqhw.adq.tensors import Mode
from adqhw.adq.training import preparation, trainer
from adqhw.spec.errors import InputError

WIDTHS = (2, 3, 4)
GROUPS = [("a",), ("b", "c"), ("d",), ("e",)]
NAMES = [name for group in GROUPS for name in group]


def random_row(seed: int, scale: float) -> list[float]:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(3, generator=generator).double() * scale).tolist()


def random_tables(seed: int):
    """Losses and costs without any order between widths: a cost may fall with the bits."""
    table = {n: dict(zip(WIDTHS, random_row(seed + i, 1), strict=True))
             for i, n in enumerate(NAMES)}  # fmt: skip
    costs = {n: dict(zip(WIDTHS, random_row(seed + 50 + i, 9), strict=True))
             for i, n in enumerate(NAMES)}  # fmt: skip
    return table, costs


@given(seed=st.integers(0, 10_000), share=st.floats(0.0, 1.2))
@settings(max_examples=60)
def test_any_cost_is_solved_as_brute_force_solves_it(seed, share):
    table, costs = random_tables(seed)
    budget, best = share * sum(max(row.values()) for row in costs.values()), None
    for choice in itertools.product(WIDTHS, repeat=len(GROUPS)):
        widths = {n: w for g, w in zip(GROUPS, choice, strict=True) for n in g}
        cost, loss = (sum(t[n][w] for n, w in widths.items()) for t in (costs, table))
        if cost <= budget and (best is None or loss < best):
            best = loss
    arguments = {"weights": dict.fromkeys(NAMES, 10), "groups": GROUPS, "unit": "pJ"}
    if best is None:
        with pytest.raises(InputError, match=r"Budget must be at least .* pJ"):
            allocate_cost(table, costs, budget, **arguments)
        return
    chosen = allocate_cost(table, costs, budget, **arguments)
    assert chosen.loss == pytest.approx(best)
    assert chosen.cost <= budget * (1 + 1e-9)
    assert chosen.widths["b"] == chosen.widths["c"]


def test_missing_and_impossible_costs_are_named():
    table, costs = random_tables(0)
    del costs["d"][3]
    with pytest.raises(InputError, match="Cost of layer 'd' at 3 bits must be a number >= 0"):
        allocate_cost(table, costs, 9.0, weights=dict.fromkeys(NAMES, 1))


def test_hessian_traces_equal_the_exact_ones():
    model = tiny_network(depth=8, widths=(4, 4, 4), classes=3)
    images, labels = tiny_images(4), torch.tensor([0, 1, 2, 0])
    conv = model.hidden()["layer3.0.conv2"]
    model.set_mode(Mode.FLOAT)
    loss = torch.nn.functional.cross_entropy(model(images), labels)
    (grad,) = torch.autograd.grad(loss, conv.weight, create_graph=True)
    exact = sum(
        float(torch.autograd.grad(g, conv.weight, retain_graph=True)[0].flatten()[i])
        for i, g in enumerate(grad.flatten())
    )
    estimate = hessian_traces(model, images, labels, samples=400)["layer3.0.conv2"]
    # Hutchinson's spread falls as 1/sqrt(samples): 400 leave a few per cent
    assert estimate == pytest.approx(exact, rel=0.2)


@pytest.mark.parametrize("kind", ["fisher", "hessian", "error"])
def test_more_bits_lose_less_by_every_estimate(kind):
    model = tiny_network()
    images, labels = tiny_images(16), torch.arange(16) % 5
    table = sensitivities(model, images, labels, WIDTHS, kind)
    assert list(table) == model.config.hidden_names()
    for row in table.values():
        assert row[2] >= row[3] >= row[4] >= 0
    assert max(row[2] for row in table.values()) > 0


@pytest.mark.parametrize("weights", ["adq", "post", "lsq", "n2uq", "apot"])
def test_reconstruction_is_that_of_the_rule(weights):
    weight = tiny_network().hidden()["layer3.0.conv2"].weight.detach()
    given = reconstruct(weight, 3, Method(weights=weights))
    per_channel = weights in ("post", "n2uq")
    rows = given if per_channel else given[None]
    assert all(len(row.unique()) <= 8 for row in rows)
    centred = weight - weight.mean() if weights == "apot" else weight
    assert (centred - given).square().mean() < 0.6 * weight.square().mean()


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("float")
    trainer.train(tiny("digits_resnet8_float", "train.epochs=1"), folder)
    return folder / "checkpoint.safetensors"


def test_a_budget_leaves_its_decision_in_the_run_folder(tmp_path, weights):
    recipe = tiny("digits_resnet8_adq", "quant.average_weight_bits=3.0", "train.epochs=1")
    trainer.train(recipe, tmp_path, init=weights)
    record = json.loads((tmp_path / "allocation.json").read_text())
    assert record["average"] <= 3.0
    assert record["cost"] <= record["budget"]
    assert {r["width"] for r in record["layers"].values()} <= {2, 3, 4}
    assert (tmp_path / "allocation.png").read_bytes().startswith(b"\x89PNG")


def choose(weights, *changes):
    recipe = tiny("digits_resnet8_adq", *changes)
    model = preparation.build(recipe)
    preparation.load_init(model, weights)
    data = preparation_data()
    return allocation_report.choose(model, recipe, data), model


def preparation_data():
    from adqhw.adq.data import datasets

    return datasets.load("digits", "train").take(40)


def test_model_size_counts_the_8_bit_layers(weights):
    report, model = choose(weights, "allocation.model_bytes=1400")
    fixed = model.conv1.weight.numel() + model.fc.weight.numel()
    assert report.chosen.bits + 8 * fixed <= 8 * 1400
    assert set(report.chosen.widths.values()) - {2}  # there was room for more than the least


def test_cost_tables_are_read_and_kept(weights, tmp_path):
    names = preparation.build(tiny("digits_resnet8_adq")).config.hidden_names()
    costs = {name: {"2": 1.0, "3": 5.0, "4": 6.0} for name in names}
    (tmp_path / "costs.json").write_text(json.dumps({"unit": "pJ", "costs": costs}))
    changes = [f"allocation.cost_table={tmp_path / 'costs.json'}", "allocation.cost_budget=21"]
    report, _ = choose(weights, *changes)
    # six layers: 6 pJ at 2 bits each, three steps of 5 pJ to 4 bits fit into the other 15
    assert sorted(report.chosen.widths.values()) == [2, 2, 2, 4, 4, 4]
    assert report.to_json()["unit"] == "pJ"


def test_bad_budgets_are_refused(weights, tmp_path):
    (tmp_path / "bad.json").write_text('{"costs": []}')
    cases = [
        (["allocation.model_bytes=100", "quant.average_weight_bits=3"], "must have one budget"),
        (["allocation.model_bytes=100"], "Budget must be at least .* bits of hidden weights"),
        (["allocation.cost_budget=5"], "must name a JSON file"),
        (["allocation.cost_budget=5", "allocation.cost_table=/nowhere"], "must be a file"),
        (["allocation.cost_budget=5", f"allocation.cost_table={tmp_path / 'bad.json'}"], "must be"),
        (["allocation.sensitivity=guess"], "fisher, hessian, error or loss, not 'guess'"),
    ]
    for changes, message in cases:
        with pytest.raises(InputError, match=message):
            choose(weights, *changes)
