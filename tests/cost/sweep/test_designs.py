"""Sweeps: every combination once, a Pareto set equal to brute force, tables that add up."""

import csv
import itertools
import json

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from programs import Builder
from pyarrow import parquet
from typer.testing import CliRunner

from adqhw.commands import sweep as sweep_command
from adqhw.console import guarded
from adqhw.cost.sweep.designs import (
    Grid,
    Workload,
    mark_pareto,
    pareto_mask,
    write_csv,
    write_parquet,
)
from adqhw.cost.sweep.sweeping import sweep
from adqhw.cost.technology.technology import load
from adqhw.spec import InputError, Program
from adqhw.spec.program_file import save


def net(weight_width: int, **provenance) -> Program:
    b = Builder(np.random.default_rng(weight_width), (3, 6, 6))
    b.mac(4, stage="requant", weight_width=8, uniform=True, padding=1)
    b.read(4)
    b.mac(8, weight_width=weight_width, padding=1)
    b.mac(5, kernel=6, stage="requant", weight_width=8, uniform=True, out="s32")
    return b.build(**provenance)


def loads() -> list[Workload]:
    return [
        Workload(name=f"w{w}", program=net(w), accuracy=accuracy, accuracy_source="test")
        for w, accuracy in ((4, 90.0), (3, 91.0), (2, None))
    ]


GRID = Grid(arrays=((2, 2), (4, 4)), technologies=(load("unit"), load("literature45")))
DESIGNS = sweep(loads(), GRID)


def test_every_combination_is_there_once():
    seen = [
        (d.workload.name, d.estimate.arch.rows, str(d.estimate.arch.micro),
         d.estimate.technology.name)
        for d in DESIGNS
    ]  # fmt: skip
    wanted = itertools.product(
        ("w4", "w3", "w2"), (2, 4), ("decode", "uniform"), ("unit", "literature45")
    )
    assert sorted(seen) == sorted(wanted)
    assert len(DESIGNS) == 3 * GRID.size


def test_the_baseline_is_uniform_on_the_same_array_and_technology():
    for d in DESIGNS:
        assert d.baseline.arch.micro == "uniform"
        assert d.baseline.arch.rows == d.estimate.arch.rows
        assert d.baseline.technology is d.estimate.technology
        if d.estimate.arch.micro == "uniform":
            assert d.to_uniform().expected == d.to_uniform("memory").high == 1.0


def test_progress_counts_every_design():
    steps = []
    sweep(loads(), GRID, steps.append)
    assert sum(steps) == 3 * GRID.size


def test_the_front_is_per_technology_and_needs_an_accuracy():
    """w3 is narrower and, here, more accurate: it beats w4 everywhere. w2 has no accuracy."""
    for name in ("unit", "literature45"):
        front = [d for d in DESIGNS if d.estimate.technology.name == name and d.pareto]
        assert {d.workload.name for d in front} == {"w3"}
        cheapest = min(
            (d for d in DESIGNS if d.workload.name == "w3" and d.estimate.technology.name == name),
            key=lambda d: d.estimate.energy.total.expected,
        )
        assert front == [cheapest]
    assert [d.pareto for d in mark_pareto(DESIGNS)] == [d.pareto for d in DESIGNS]


small_ints = st.integers(0, 4)  # few values: ties and duplicates happen


@given(st.lists(st.tuples(small_ints, small_ints, small_ints), max_size=30))
def test_pareto_mask_equals_brute_force(rows):
    points = np.array(rows, dtype=np.float64).reshape(-1, 3)
    expected = [
        not any(
            all(a <= b for a, b in zip(other, row, strict=True)) and other != row for other in rows
        )
        for row in rows
    ]
    assert pareto_mask(points).tolist() == expected


def test_rows_add_up():
    for design in DESIGNS:
        row = design.row()
        parts = row["datapath_pj"] + row["memory_pj"] + row["dram_pj"]
        assert parts == pytest.approx(row["energy_pj_expected"])
        assert row["to_uniform_expected"] == pytest.approx(
            design.estimate.energy.total.expected / design.baseline.energy.total.expected
        )


def test_csv_has_every_row_and_leaves_the_unknown_empty(tmp_path):
    write_csv(tmp_path / "designs.csv", [d.row() for d in DESIGNS])
    with (tmp_path / "designs.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["program"] for row in rows] == [d.workload.name for d in DESIGNS]
    assert {row["accuracy"] for row in rows} == {"90.0", "91.0", ""}


def test_an_empty_grid_is_refused():
    with pytest.raises(InputError, match="at least one array"):
        Grid(technologies=())


app = typer.Typer()
app.command()(guarded(sweep_command.command, "sweep"))


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_the_command_writes_the_report_and_says_where_accuracy_comes_from(tmp_path):
    paths = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    save(net(4, accuracy={"integer": 91.5}), paths[0])
    save(net(2), paths[1])
    result = run(*paths, "--rows-cols", "2x2,4x4", "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert [row["accuracy"] for row in record["rows"]] == [91.5] * 4 + [None] * 4
    assert {row["accuracy_source"] for row in record["rows"]} == {"program's own record", "unknown"}
    names = {"designs.csv", "layers.csv", "pareto.png", "report.html", "points"}
    names |= {"designs.parquet", "layers.parquet"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rows-cols", "8y8"], "Array must be ROWSxCOLS"),
        (["--rows-cols", "8x8,"], "List must be comma separated"),
        (["--rows-cols", "0x8"], "Array must be ROWSxCOLS"),
        (["--micro", "magic"], "Micro must be one of decode, uniform, bit_serial"),
        (["--tech", "literature28"], "Technology must be one of"),
        (["--workers", "0"], "Workers must be a positive number"),
        (["--scheduler", "tcp://127.0.0.1:9"], "Scheduler must be reachable"),
        (["--workers", "2", "--scheduler", "tcp://127.0.0.1:9"], "not both"),
        (["--batch", "0"], "Batch must be a positive number"),
        (["--data", "nowhere"], "Data must be a folder or an .npz file, not the absent 'nowhere'"),
    ],
)
def test_bad_options_are_one_line_exit_2_and_nothing_written(tmp_path, options, message):
    save(net(3), tmp_path / "p.safetensors")
    result = run(tmp_path / "p.safetensors", *options, "-o", tmp_path / "out")
    assert result.exit_code == 2
    line = result.stderr.strip().splitlines()[-1]
    assert message in line
    assert line.startswith("adqhw: ")
    assert not (tmp_path / "out").exists()


def test_a_topology_is_told_where_it_goes(tmp_path):
    for name in ("net.csv", "NET.CSV"):
        (tmp_path / name).write_text("Layer,a,b\n")
        result = run(tmp_path / name, "-o", tmp_path / "out")
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert "Sweep must be given programs (.safetensors), not the topology" in line
        assert f"adqhw estimate {tmp_path / name}" in line
    assert not (tmp_path / "out").exists()


def test_two_technologies_of_one_name_are_refused():
    with pytest.raises(InputError, match="must have different names, not 'unit' twice"):
        Grid(technologies=(load("unit"), load("unit")))


def test_cells_are_no_formulas_and_hold_no_escape_sequences(tmp_path):
    rows = [{"layer": name, "macs": -5} for name in ("=1+1", "@x", "a\x1b[2J", "b\nc", "conv1")]
    write_csv(tmp_path / "t.csv", rows)
    write_parquet(tmp_path / "t.parquet", rows)
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as stream:
        read = list(csv.DictReader(stream))
    cells = [row["layer"] for row in read]
    assert cells == ["'=1+1", "'@x", "a\\x1b[2J", "b\\nc", "conv1"]
    assert {row["macs"] for row in read} == {"-5"}  # a number is a number
    assert parquet.read_table(tmp_path / "t.parquet")["layer"].to_pylist() == cells


def test_the_same_program_twice_is_refused(tmp_path):
    save(net(3), tmp_path / "p.safetensors")
    result = run(tmp_path / "p.safetensors", tmp_path / "p.safetensors", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "Program must be named once" in result.stderr


def test_accuracy_error_is_that_of_a_share():
    """Half of 100 images: sqrt(0.5 * 0.5 / 100) = 5 points; unknown without a number of images."""
    program = net(2)
    known = Workload(name="x", program=program, accuracy=50.0, accuracy_images=100)
    assert known.accuracy_error == pytest.approx(5.0)
    assert Workload(name="x", program=program, accuracy=50.0).accuracy_error is None
