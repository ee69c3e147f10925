"""Sweeps that resume: killed, continued, on processes or a Dask cluster - the same table."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import typer
from cost_nets import small_net
from programs import random_images
from pyarrow import parquet
from typer.testing import CliRunner

from adqhw.commands import sweep as sweep_command
from adqhw.console import guarded
from adqhw.cost.estimate.estimate import estimate, measure
from adqhw.cost.estimate.records import activity_of, activity_record, estimate_of, estimate_record
from adqhw.cost.sweep import sweeping
from adqhw.cost.sweep.designs import Grid, Workload
from adqhw.cost.sweep.store import Store, key_of
from adqhw.cost.sweep.sweeping import plan_sweep, run_plan
from adqhw.cost.sweep.workers import LocalPool
from adqhw.cost.technology.technology import load
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError
from adqhw.spec.program_file import save

GRID = Grid(arrays=((2, 2), (4, 4)), technologies=(load("unit"), load("literature45")))
ARRAYS = "1x1,1x2,1x4,2x1,2x2,2x4,4x1,4x2,4x4,8x8"
POINTS = 2 * 10 * 2 * 2
"""Of the command below: programs x arrays x micro-architectures x technologies."""

app = typer.Typer()
app.command()(guarded(sweep_command.command, "sweep"))


@pytest.fixture
def programs(tmp_path: Path) -> list[str]:
    paths = [tmp_path / f"net{seed}.safetensors" for seed in range(2)]
    for seed, path in enumerate(paths):
        save(small_net(seed), path)
    return [str(path) for path in paths]


def arguments(programs: list[str], out: Path, *more: str) -> list[str]:
    grid = ["--rows-cols", ARRAYS, "--tech", "unit,literature45"]
    return [*programs, *grid, "-o", str(out), "--no-report", "--json", *more]


def run(programs: list[str], out: Path, *more: str) -> dict:
    result = CliRunner().invoke(app, arguments(programs, out, *more))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def points(folder: Path) -> list[Path]:
    """Finished ones; a file that is being written has a dot in front."""
    return list((folder / "points").glob("[!.]*.json"))


def tables(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("designs.csv", "layers.csv")]


def test_an_estimate_survives_json_to_the_last_bit():
    net = small_net()
    measured = measure(net, random_images(net, 2))
    assert activity_of(json.loads(json.dumps(activity_record(measured)))) == measured
    for name in ("unit", "literature45"):
        technology = load(name)
        arch = narrowest(net, rows=3, cols=5)
        result = estimate(net, arch, technology, activity=measured)
        record = json.loads(json.dumps(estimate_record(result)))
        assert estimate_of(record, technology) == result


def test_killed_in_the_middle_nothing_is_computed_again(tmp_path, programs):
    """SIGKILL after the first points: the next run computes exactly those that are not there."""
    out = tmp_path / "killed"
    code = "from adqhw.cli import main; main()"
    command = [sys.executable, "-c", code, "sweep", *arguments(programs, out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while len(points(out)) < 3 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    kept = {path: path.stat().st_mtime_ns for path in points(out)}
    assert 0 < len(kept) < POINTS
    again = run(programs, out)
    assert (again["computed"], again["reused"]) == (POINTS - len(kept), len(kept))
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in kept.items())
    assert run(programs, out)["computed"] == 0
    assert run(programs, tmp_path / "fresh")["computed"] == POINTS
    assert tables(out) == tables(tmp_path / "fresh")


def test_a_finished_point_is_never_computed_again(monkeypatch):
    """The task itself is forbidden on the second run; a further array computes only its own."""
    store = Store()
    load_ = [Workload(name="net", program=small_net())]
    first = run_plan(plan_sweep(load_, GRID, store), store)
    assert (first.computed, first.reused) == (8, 0)
    wider = Grid(arrays=(*GRID.arrays, (8, 8)), technologies=GRID.technologies)
    assert len(plan_sweep(load_, wider, store).missing) == 4

    def forbidden(shared, own):
        raise AssertionError("computed again")

    monkeypatch.setattr(sweeping, "cost", forbidden)
    second = run_plan(plan_sweep(load_, GRID, store), store)
    assert (second.computed, second.reused) == (0, 8)
    assert [d.row() for d in second.designs] == [d.row() for d in first.designs]


def test_other_inputs_have_other_names():
    """Program, activity, technology, options and version each make another point."""
    net = small_net()
    plain = Workload(name="net", program=net)
    measured = Workload(name="net", program=net, activity=measure(net, random_images(net, 1)))
    other = Workload(name="net", program=small_net(1))
    keys = [
        {point.key for point in plan_sweep([load_], GRID, Store()).points}
        for load_ in (plain, measured, other)
    ]
    assert all(len(found) == 8 for found in keys)
    assert len(set.union(*keys)) == 24
    assert key_of("estimate", a=1) != key_of("estimate", a=2) != key_of("activity", a=2)


def test_local_processes_give_the_same_table(tmp_path, programs):
    run(programs, tmp_path / "here")
    run(programs, tmp_path / "pool", "--workers", "2")
    assert tables(tmp_path / "here") == tables(tmp_path / "pool")


def test_workers_are_a_positive_number():
    with pytest.raises(InputError, match="Workers must be a positive number"):
        LocalPool(count=0)


@pytest.mark.filterwarnings("ignore")  # of the cluster itself, which lives in this process
def test_a_dask_cluster_of_two_workers_gives_the_identical_table(tmp_path, programs):
    import distributed

    run(programs, tmp_path / "here")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        record = run(programs, tmp_path / "dask", "--scheduler", cluster.scheduler_address)
    assert record["computed"] == POINTS
    assert tables(tmp_path / "here") == tables(tmp_path / "dask")


def test_parquet_and_csv_hold_the_same_table(tmp_path, programs):
    run(programs, tmp_path / "out")
    for name in ("designs", "layers"):
        rows = parquet.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        with (tmp_path / "out" / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
            texts = list(csv.DictReader(stream))
        assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows] == texts


def torn(text: str) -> str:
    return text[: len(text) // 2]


def changed(text: str) -> str:
    return text.replace("3.14", "3.15")


def unsealed(text: str) -> str:
    """A record without a digest."""
    return json.dumps(json.loads(text)["record"])


DAMAGE = {
    "torn": torn,
    "changed": changed,
    "unsealed": unsealed,
    "empty": lambda text: "",
    "garbage": lambda text: "\x00\x01{",
    "other JSON": lambda text: "[1, 2, 3]",
    "a number": lambda text: "7",
    "no record": lambda text: '{"key": "key", "sha256": "0", "record": 3}',
    "deep": lambda text: "[" * 100_000,
    "not a number": lambda text: text.replace("3.14", "NaN"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_a_damaged_record_is_as_good_as_absent(tmp_path, damage):
    Store(tmp_path).put("key", {"value": 3.14})
    path = tmp_path / "key.json"
    before = path.read_text()
    path.write_text(damage(before))
    store = Store(tmp_path)
    assert store.get("key") is None
    assert store.damaged == {"key"}
    store.put("key", {"value": 3.14})
    assert store.get("key") == Store(tmp_path).get("key") == {"value": 3.14}
    assert path.read_text() == before


def test_bytes_that_are_no_text_are_as_good_as_absent(tmp_path):
    (tmp_path / "key.json").write_bytes(b"\xff\xfe\x00")
    assert Store(tmp_path).get("key") is None


def test_a_record_under_another_name_does_not_fit(tmp_path):
    store = Store(tmp_path)
    store.put("a", {"value": 1})
    store.put("b", {"value": 2})
    text = (tmp_path / "a.json").read_text()
    (tmp_path / "b.json").write_text(text)
    again = Store(tmp_path)
    assert again.get("a") == {"value": 1}
    assert again.get("b") is None


def test_a_spoiled_store_gives_the_same_tables_and_says_so(tmp_path, digits):
    """Changed values, energies x 0.001, two points swapped, one truncated: each computed again."""
    out = tmp_path / "out"
    first = run_digits(digits, out)
    right = tables(out)
    records = {path: json.loads(path.read_text()) for path in points(out)}
    (answers,) = [path for path, sealed in records.items() if "right" in sealed["record"]]
    estimates = [path for path, sealed in records.items() if "layers" in sealed["record"]]
    records[answers]["record"]["right"] += 1
    answers.write_text(json.dumps(records[answers]))
    scaled = records[estimates[0]]
    for layer in scaled["record"]["layers"]:
        layer["energy"] = {k: [v * 0.001 for v in band] for k, band in layer["energy"].items()}
    estimates[0].write_text(json.dumps(scaled))
    one, other = estimates[1].read_bytes(), estimates[2].read_bytes()
    estimates[1].write_bytes(other)
    estimates[2].write_bytes(one)
    estimates[3].write_bytes(one[: len(one) // 2])
    result = CliRunner().invoke(app, digit_arguments(digits, out))
    assert result.exit_code == 0, result.output
    assert "5 stored results do not fit their digest: computed again" in result.stderr
    assert json.loads(result.stdout)["computed"] == 4
    assert tables(out) == right
    assert json.loads(result.stdout)["rows"] == first["rows"]
    assert run_digits(digits, out)["computed"] == 0


@pytest.fixture
def digits(tmp_path: Path) -> str:
    path = tmp_path / "digits.safetensors"
    save(small_net(shape=(1, 8, 8), dataset="digits"), path)
    return str(path)


def digit_arguments(program: str, out: Path) -> list[str]:
    grid = ["--rows-cols", "2x2,4x4", "--tech", "unit,literature45", "--limit", "20"]
    return [program, *grid, "-o", str(out), "--no-report", "--json"]


def run_digits(program: str, out: Path) -> dict:
    result = CliRunner().invoke(app, digit_arguments(program, out))
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_pair_that_does_not_go_together_is_named_and_the_rest_computed(tmp_path, programs):
    """Learned codebooks have no shifts: no design for shift_add, and the message has the reason."""
    record = run(programs, tmp_path / "out", "--micro", "decode,shift_add")
    assert {row["micro"] for row in record["rows"]} == {"decode"}
    assert set(record["refused"]) == {"net0 on shift_add", "net1 on shift_add"}
    assert "to run on shift_add" in record["refused"]["net0 on shift_add"]
    assert run(programs, tmp_path / "out", "--micro", "decode,shift_add")["computed"] == 0


def test_a_sweep_without_any_design_is_refused_with_the_reason(tmp_path, programs):
    out = tmp_path / "out"
    result = CliRunner().invoke(app, arguments(programs, out, "--micro", "shift_add"))
    assert result.exit_code == 2
    assert "to run on shift_add" in result.stderr.strip().splitlines()[-1]
    assert not (out / "designs.csv").exists()
