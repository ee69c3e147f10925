"""Budgets in energy and cycles: tables from the cost model, and their linearity."""

import json
from dataclasses import replace

import pytest
import tomli_w
import torch
from networks import tiny_images, tiny_network

from adqhw.adq.allocation import sensitivity
from adqhw.adq.allocation.allocation import allocate, sizes, ties
from adqhw.adq.recipes import recipes
from adqhw.flows import cost_tables
from adqhw.flows.arrays import ArraySize
from adqhw.flows.cost_tables import (
    Machine,
    common_arch,
    costs_of,
    estimate_on,
    machine_of,
    parse_budget,
    program_at,
    quantized_programs,
    with_budget,
)
from adqhw.spec.errors import InputError
from adqhw.studies.allocation.run import within

MACHINE = Machine(size=ArraySize(rows=4, cols=4), resident=True)
HOLDING = ArraySize(rows=4, cols=4, hold=4, fill=2, out_lanes=2)


@pytest.fixture(scope="module")
def parts():
    torch.manual_seed(0)
    model, images = tiny_network(), tiny_images(4)
    programs = quantized_programs(model, [images], (2, 3, 4))
    return model, images, costs_of(programs, images.numpy(), MACHINE)


def test_composed_programs_cost_what_the_estimate_of_one_says(parts):
    model, images, costs = parts
    for width in (2, 3, 4):
        program = program_at(model, [images], dict.fromkeys(costs.hidden, width))
        found = estimate_on(program, images.numpy(), costs.arch, MACHINE)
        widths = dict.fromkeys(costs.hidden, width)
        # layers without a choice are taken from the widest program: their constants are packed
        # in a bit more or less than this program's
        energy = found.energy.total.expected / 1e3
        assert costs.total("energy", widths) == pytest.approx(energy, rel=1e-4)
        assert costs.total("cycles", widths) == found.cycles + found.input_cycles
    assert common_arch(list(costs.programs.values()), MACHINE) == costs.arch


def test_a_table_of_an_array_that_holds_weights_is_its_own(parts, tmp_path):
    model, images, plain = parts
    machine = replace(machine_of(None, HOLDING), resident=True)
    costs = costs_of(plain.programs, images.numpy(), machine)
    assert costs.arch.hold == 4
    widths = {name: 2 + place % 3 for place, name in enumerate(costs.hidden)}
    found = estimate_on(program_at(model, [images], widths), images.numpy(), costs.arch, machine)
    energy = costs.total("chip", widths)
    # as in the test above; other widths beside a layer move its scales a little
    assert energy == pytest.approx(found.energy.total.expected / 1e3, rel=0.02)
    assert costs.total("cycles", widths) == found.cycles + found.input_cycles
    assert energy != pytest.approx(plain.total("chip", widths), rel=0.05)
    file = tmp_path / "array.toml"
    file.write_text(tomli_w.dumps(costs.arch.to_dict()))
    from_file = machine_of(file, ArraySize())
    assert common_arch(list(costs.programs.values()), from_file) == costs.arch
    costs.write(tmp_path / "costs_cycles.json", "cycles")
    sources = {"data": None, "init": None, "folder": tmp_path}
    recipe = recipes.get("digits_resnet8_adq")
    for same in (from_file, machine):
        chosen = with_budget(recipe, "cycles=1e9", machine=same, **sources)
        assert chosen.allocation.cost_budget > 0
    with pytest.raises(InputError, match="must be of 16x16 decode, not of 4x4 decode, hold 4, fil"):
        with_budget(recipe, "cycles=1e9", **sources)


def test_an_array_that_a_network_does_not_fit_has_no_costs(parts):
    _, images, costs = parts
    narrow = Machine(arch=replace(costs.arch, acc_width=4))
    with pytest.raises(InputError, match="acc_width must be at least"):
        costs_of(costs.programs, images.numpy(), narrow)
    with pytest.raises(InputError, match="--fill must go with --hold"):
        machine_of(None, ArraySize(fill=2))


def test_a_table_is_exact_for_one_change_and_close_for_all(parts):
    *_, costs = parts
    reference = dict.fromkeys(costs.hidden, 3)
    rows, fixed = costs.table("energy", reference)
    first = costs.hidden[0]
    changed = {**reference, first: 2}
    assert fixed + sum(rows[n][w] for n, w in changed.items()) == pytest.approx(
        costs.total("energy", changed)
    )
    lowest = dict.fromkeys(costs.hidden, 2)
    predicted = fixed + sum(rows[n][w] for n, w in lowest.items())
    assert predicted == pytest.approx(costs.total("energy", lowest), rel=0.02)
    assert all(min(row.values()) == 0 for row in rows.values())


def test_an_energy_budget_is_kept_and_is_no_worse_in_predicted_loss(parts):
    model, images, costs = parts
    labels = torch.tensor([0, 1, 2, 3]) % model.config.classes
    table = sensitivity.sensitivities(model, images, labels, (2, 3, 4), "error")
    by_bits = allocate(table, sizes(model), 3.0, ties(model))
    energy = costs.total("energy", by_bits.widths)
    same = within(table, sizes(model), ties(model), costs, (energy, by_bits.widths))
    assert costs.total("energy", same.widths) <= energy
    assert same.loss <= by_bits.loss + 1e-12
    less = within(table, sizes(model), ties(model), costs, (0.97 * energy, by_bits.widths))
    assert costs.total("energy", less.widths) <= 0.97 * energy
    with pytest.raises(InputError, match="Budget must be at least"):
        within(table, sizes(model), ties(model), costs, (0.1 * energy, by_bits.widths))


def test_budgets_become_fields_of_the_recipe(tmp_path):
    recipe = recipes.get("digits_resnet8_adq")
    nothing = {"data": None, "init": None, "folder": tmp_path}
    assert with_budget(recipe, "bits=2.81", **nothing).quant.average_weight_bits == 2.81
    assert with_budget(recipe, "size=9000", **nothing).allocation.model_bytes == 9000
    with pytest.raises(InputError, match="pass --init FILE"):
        with_budget(recipe, "energy=100", **nothing)
    arch = '{"rows": 16, "cols": 16, "micro": "decode", "level_width": 8}'
    text = f'{{"fixed": 500, "unit": "cycles", "costs": {{}}, "arch": {arch}}}'
    (tmp_path / "costs_cycles.json").write_text(text)
    chosen = with_budget(recipe, "cycles=1500", **nothing).allocation
    assert (chosen.cost_budget, chosen.cost_table) == (1000, str(tmp_path / "costs_cycles.json"))
    with pytest.raises(InputError, match="must be more than the 500 cycles of the layers"):
        with_budget(recipe, "cycles=400", **nothing)


def test_a_budget_on_the_chip_is_of_a_resident_network(tmp_path, monkeypatch):
    asked = []

    class Table:
        def write(self, path, kind):
            arch = {"rows": 16, "cols": 16, "micro": "decode", "level_width": 8}
            path.write_text(json.dumps({"fixed": 10, "arch": arch}))
            asked.append(kind)

    def costs(recipe, *, data, init, machine):
        asked.append(machine.options.weights_from_dram)
        return Table()

    monkeypatch.setattr(cost_tables, "recipe_costs", costs)
    recipe = recipes.get("digits_resnet8_adq")
    for kind, dram in (("chip", False), ("energy", True)):
        asked.clear()
        chosen = with_budget(recipe, f"{kind}=30", data=None, init=None, folder=tmp_path)
        assert asked == [dram, kind]
        assert chosen.allocation.cost_budget == 20
        assert chosen.allocation.cost_table == str(tmp_path / f"costs_{kind}.json")


@pytest.mark.parametrize("text", ["energy", "power=3", "bits=-1", "bits=x", "size=inf"])
def test_bad_budgets_are_refused(text):
    with pytest.raises(InputError, match="Budget must be KIND=NUMBER with KIND one of bits, size"):
        parse_budget(text)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"fixed": "x"}', '{"fixed": null}', '{"fixed": NaN}', '{"fixed": -Infinity}',
     '{"fixed": 1' + "0" * 400 + "}", '{"fixed": ' + "9" * 5000 + "}", "[" * 50_000, "\xff"],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_cost_table_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "costs_cycles.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError, match="Cost table must have a fixed part") as caught:
        with_budget(
            recipes.get("digits_resnet8_adq"), "cycles=900", data=None, init=None, folder=tmp_path
        )
    assert str(caught.value).isprintable()
