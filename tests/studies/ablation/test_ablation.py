"""`bench ablation`: the cases, one small run of each kind, and the page it rewrites."""

import pytest
from networks import frozen_network

from adqhw.adq.export.export import export
from adqhw.adq.recipes import recipes
from adqhw.adq.recipes.config_text import override
from adqhw.commands.bench import ablation as bench_ablation
from adqhw.commands.bench.ablation import run, select
from adqhw.spec.errors import InputError
from adqhw.spec.program_file import save
from adqhw.studies.ablation.cases import cases
from adqhw.studies.ablation.page import (
    BEGIN,
    BUDGETS,
    END,
    RECIPES,
    Budget,
    Row,
    describe,
    table,
    write,
)

SMALL = (
    "data.limit=64",
    "train.epochs=1",
    "quant.calibration_images=64",
    "train.batch_size=32",
)


def test_every_case_is_a_recipe_and_has_its_own_name():
    names = [(case.group, case.name) for case in cases()]
    assert len(set(names)) == len(names)
    for case in cases():
        for recipe in RECIPES.values():
            override(recipes.get(recipe), list(case.changes))
    assert {case.group for case in cases()} == {
        "start",
        "adaptation",
        "mixed precision",
        "activations",
        "distillation",
        "weights",
        "two bits",
    }


def test_cases_are_chosen_by_group_and_by_part_of_their_name():
    select = bench_ablation.select
    assert select(()) == cases()
    two = select(("weights",), ("W2/A4",))
    assert {case.group for case in two} == {"weights"}
    assert len(two) == 7
    assert all("W2/A4" in case.name for case in two)
    both = [case.name for case in select(("weights",), ("POST, W2", "LSQ, W3"))]
    assert both == ["POST, W2/A4", "LSQ, W3/A4"]  # in the order of the table
    with pytest.raises(InputError, match=r"Group must be one of start, .*, not 'wieghts'"):
        select(("wieghts",))
    with pytest.raises(InputError, match=r"name of one of: .*W4/A4; not 'W5'"):
        select(("weights",), ("W2", "W5"))


def test_a_field_that_is_changed_twice_is_told_once():
    (first, *_) = BUDGETS["digits"]
    name = first.split("=")[0]
    text = describe(Budget(seeds=1, changes=(f"{name}=1", f"{name}=2", "optim.lr=0.5")))
    assert text.count(f"{name}=") == 1
    assert f"{name}=2" in text
    assert "optim.lr=0.5" in text


def test_cases_run_and_equal_runs_are_made_once(monkeypatch):
    wanted = [
        case
        for case in cases()
        if (case.group, case.name)
        in {
            ("adaptation", "the recipe, 3 bits"),
            ("mixed precision", "uniform, 3 bits"),
            ("activations", "ASQ adaptive step, 3 bits, POST weights"),
            ("distillation", "soft CE only, 3 bits"),
        }
    ]
    monkeypatch.setattr(bench_ablation, "select", lambda groups, names: wanted)
    monkeypatch.setattr(bench_ablation, "_float_run", small_float_run(bench_ablation._float_run))
    said = []
    rows = run(Budget(seeds=1, changes=SMALL), tell=said.append)
    assert [(row.group, row.name) for row in rows] == [(c.group, c.name) for c in wanted]
    plain, uniform, asq, taught = rows
    assert plain.integer == uniform.integer
    assert sum("/4 " in text for text in said) == 3  # the equal one was not trained again
    assert asq.integer is None
    assert taught.integer is not None
    assert taught.graph != plain.graph or taught.integer != plain.integer
    for row in (plain, taught):
        assert row.average_weight_bits == 3.0
        assert row.graph[0] == pytest.approx(row.integer[0], abs=0.6)  # 2 of 360 images


def small_float_run(original):
    def make(folder, changes, tell):
        return original(folder, (*changes, "data.limit=64", "train.epochs=2"), tell)

    return make


def test_a_program_teaches(monkeypatch, tmp_path):
    teacher = tmp_path / "teacher.safetensors"
    save(export(frozen_network(classes=10, mean=(0.3,), std=(0.2,))), teacher)
    wanted = [c for c in cases() if (c.group, c.name) == ("two bits", "LSQ, W2/A2")]
    monkeypatch.setattr(bench_ablation, "select", lambda groups, names: wanted)
    monkeypatch.setattr(bench_ablation, "_float_run", small_float_run(bench_ablation._float_run))
    (row,) = run(Budget(seeds=1, changes=SMALL, teacher=teacher))
    assert row.integer is not None
    assert row.average_weight_bits == 2.0


def example() -> list[Row]:
    shared = {"group": "start", "changes": (), "average_weight_bits": 3.0, "graph": (90.0, 92.0)}
    return [
        Row(name="first", integer=(91.0, 92.0), **shared),
        Row(name="second", integer=None, **shared),
    ]


def test_the_table_replaces_only_what_is_between_the_markers(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\nbefore\n{BEGIN}\nold\n{END}\nafter\n")
    write(page, Budget(seeds=2), example())
    text = page.read_text()
    assert text.startswith("# Title\n\nbefore\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert "| first | 3.00 | 91.50 (91.00 to 92.00) | 91.00 (90.00 to 92.00) |" in text
    assert "| second | 3.00 | none (a step per image) | 91.00 (90.00 to 92.00) |" in text
    assert describe(Budget(seeds=2)) in text
    assert table(example()) in text


def test_bad_requests_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"Group must be one of start, .* not 'weight'"):
        select(("weight",))
    with pytest.raises(InputError, match="pass --init FILE"):
        run(Budget(data=tmp_path))
    with pytest.raises(InputError, match="pass --teacher FILE"):
        run(Budget(data=tmp_path, init=tmp_path / "x"), ("distillation",))
    (tmp_path / "page.md").write_text("no markers")
    with pytest.raises(InputError, match="must hold the lines"):
        write(tmp_path / "page.md", Budget(), example())
