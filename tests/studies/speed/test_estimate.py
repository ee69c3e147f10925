"""`bench estimate`: real runs of the other tools where they are, reasons where they are not."""

import importlib.util
import json
import sys
from pathlib import Path

import needs
import pytest
import typer
from typer.testing import CliRunner

from adqhw.commands import estimate as estimate_command
from adqhw.commands.bench import estimate as bench_estimate
from adqhw.commands.bench.estimate import gate_rows, own_rows, topology_text
from adqhw.console import guarded
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.estimate.points import Points, estimate_points
from adqhw.cost.sweep.arrays import Lanes, arch_of
from adqhw.cost.technology import technology
from adqhw.cost.topologies.topology import parse_topology
from adqhw.sim.networks import build
from adqhw.spec.layers import MacLayer
from adqhw.spec.program_file import load, save

ROOT = Path(__file__).parents[3]
TECH, ZOO = ROOT / "gates/tech", ROOT / "zoo"
SLACK = 3
"""CI machines are slower than the one for which the limits are stated, and shared."""


def test_the_topology_of_a_program_has_its_macs():
    program = build("resnet20-cifar")
    topology = parse_topology(topology_text(program), "r20.csv")
    macs = [program.macs(x.name) for x in program.layers if isinstance(x, MacLayer)]
    assert [layer.macs for layer in topology.layers] == macs


def test_own_rows_are_measured_and_exact():
    one, new, many, held, new_held = own_rows(build("resnet20-cifar"), 3, "resnet20-cifar")
    assert (one["exact_cycles"], held["exact_cycles"]) == (True, True)
    assert (held["network"], held["what"]) == (
        "resnet20-cifar",
        "one design point, warm, weights held",
    )
    assert min(row["seconds"] for row in (one, new, held, new_held)) > 0
    assert 0 < many["cpu_seconds"] < one["cpu_seconds"]


def test_gates_price_a_counted_array_much_faster_than_they_count_it():
    files = [TECH / "nangate45_typ.toml", TECH / "nangate45_typ_held.toml"]
    rows = gate_rows(load(ZOO / "cifar10_resnet20_w4a4.safetensors"), 1, files, "w4a4")
    assert [row["what"] for row in rows] == [
        "by gates, operands counted",
        "by gates, warm",
        "by gates, weights held, operands counted",
        "by gates, weights held, warm",
    ]
    for counted, warm in (rows[:2], rows[2:]):
        assert warm["cpu_seconds"] < counted["cpu_seconds"] / 3


def test_a_missing_tool_is_said_with_its_reason():
    row = bench_estimate._other(Path(sys.executable), "zigzag", "other_zigzag.py", ["x"], 60)
    if importlib.util.find_spec("zigzag") is None:
        assert row["seconds"] is None
        assert "No module named 'zigzag'" in row["absent"]


@pytest.mark.slow
def test_resnet18_is_costed_in_milliseconds():
    """<= 10 ms of CPU per design point, <= 10 s for a thousand; process time, not a shared wall."""
    import time

    program, table = build("resnet18"), technology.load("literature45")
    for kind in ({}, bench_estimate.HELD):
        arch = arch_of(program, Lanes(rows=16, cols=16, **kind), "decode")
        estimate(program, arch, table)
        start = time.process_time()
        for _ in range(5):
            estimate(program, arch, table)
        assert (time.process_time() - start) / 5 < SLACK * 0.010
    start = time.process_time()
    points = Points.for_program(program, bench_estimate.POINTS)
    found = estimate_points(program, points, [table])[0]
    assert len(found.cycles) == 1000
    assert time.process_time() - start < 10


@pytest.mark.slow
def test_the_scalesim_package_finds_the_same_cycles(tmp_path):
    """Needs ADQHW_SCALESIM_PYTHON, a Python with scalesim (make setup-bench-estimate)."""
    python = needs.path("scalesim", "ADQHW_SCALESIM_PYTHON", "a Python that has scalesim")
    topology = tmp_path / "net.csv"
    topology.write_text(
        "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, "
        "Num Filter, Strides,\nA, 9, 7, 3, 2, 5, 40, 2,\nB, 4, 4, 1, 1, 70, 33, 1,\n"
    )
    row = bench_estimate._scalesim(Path(python), topology, 600)
    assert row["absent"] is None
    assert row["same_cycles"] is True


app = typer.Typer()
app.command()(guarded(estimate_command.command, "estimate"))

TEXT = "Layer,M,N,K,\nqkv,16,24,8,\nout,16,8,24,\n"


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_estimate_of_a_topology_says_what_it_assumes(tmp_path):
    path = tmp_path / "net.csv"
    path.write_text(TEXT)
    result = run(path, "--rows", 8, "--cols", 8, "--weight-bits", 3, "--bandwidth", 16, "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert "3-bit codes" in record["statistics"]
    assert "none of them 0" in record["statistics"]
    assert [layer["macs"] for layer in record["layers"]] == [16 * 24 * 8] * 2
    for layer, roof in zip(record["layers"], record["roofline"]["layers"], strict=True):
        assert roof["cycles"] == max(layer["cycles"], roof["memory_cycles"])
        assert roof["memory_cycles"] == -(-roof["dram_bits"] // 16)
        assert roof["achieved"] <= roof["attainable"] <= 64
    shown = run(path, "--bandwidth", 16)
    assert shown.exit_code == 0
    assert "assumed for a bare topology" in shown.output


def test_estimate_with_a_dataflow_gives_systolic_cycles(tmp_path):
    """16 pixels, 24 filters, windows of 8 on 8x8, os: 2 x 3 folds of 8 + 8 + 8 - 2, less one."""
    path = tmp_path / "net.csv"
    path.write_text(TEXT)
    result = run(path, "--rows", 8, "--cols", 8, "--dataflow", "os", "--json")
    record = json.loads(result.stdout)
    assert [layer["cycles"] for layer in record["layers"]] == [6 * 22 - 1, 2 * 38 - 1]
    assert record["total"]["cycles"] == 6 * 22 - 1 + 2 * 38 - 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataflow", "rs"], "Dataflow must be one of os, ws, is, not 'rs'"),
        (
            ["--dataflow", "os", "--bandwidth", "8"],
            "--bandwidth must go with a program or a topology",
        ),
        (["--weight-bits", "9"], "Assumed weight_bits must be in 2..8, not 9"),
        (["--bandwidth", "0"], "Bandwidth must be a positive number"),
        (["--data", "here"], "--data must go with a program, not with a topology"),
        (["--tech", "nowhere"], "Technology must be one of"),
        (["--dataflow", "os", "--rows", "0"], "Systolic rows must be at least 1"),
        (["--rows", "0"], "Arch rows must be in 1..256"),
    ],
)
def test_bad_topology_options_are_one_line_and_exit_code_2(tmp_path, options, message):
    path = tmp_path / "net.csv"
    path.write_text(TEXT)
    result = run(path, *options)
    assert result.exit_code == 2
    assert message in result.stderr.strip().splitlines()[-1]


def test_topology_options_with_a_program_are_refused(tmp_path):
    save(build("resnet20-cifar"), tmp_path / "p.safetensors")
    result = run(tmp_path / "p.safetensors", "--dataflow", "os")
    assert result.exit_code == 2
    assert "--dataflow must go with a topology" in result.stderr
