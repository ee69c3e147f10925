"""The dataflow study: closed forms against machines that are walked element by element."""

import json
from collections import Counter

import numpy as np
import pytest
from places import ROOT
from programs import Builder
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.technology.technology import load
from adqhw.cost.topologies.assumed import Assumptions
from adqhw.cost.topologies.published import published_network
from adqhw.rtl.program.fit import narrowest_lanes
from adqhw.spec.layers import MacLayer
from adqhw.spec.program_file import load as load_program
from adqhw.studies.dataflow import others, own
from adqhw.studies.dataflow.moves import LANES, LEVELS, MAPS, REGISTER, SUMS, WEIGHTS, Moves
from adqhw.studies.dataflow.programs import memory_share, on_chip, rows_of, section
from adqhw.studies.dataflow.study import (
    HOLDS,
    NETWORKS,
    find,
    holds_of,
    least_regret,
    machine,
    machines_of,
)

ZOO = ROOT / "zoo" / "cifar10_resnet20_w4a4.safetensors"


def small() -> list:
    """Convolutions of several shapes, one to a program."""
    found = []
    for kernel, ins, outs, stride, groups in ((3, 5, 7, 1, 1), (1, 6, 3, 1, 1), (2, 4, 4, 2, 4)):
        b = Builder(np.random.default_rng(3), (ins, 7, 6))
        b.input_width = 4
        b.mac(outs, kernel, weight_width=3, stride=stride, groups=groups, padding=kernel // 2)
        found.append(b.build())
    return found


@pytest.mark.parametrize("program", small())
def test_output_stationary_counts_are_those_of_its_elements(program):
    layer, it = program.layers[0], machine(program, "systolic", 4, size=4)
    shape, found = others.shape_of(program, layer, it.arch), Counter()
    for _ in range(shape.groups):
        for first in range(0, shape.pixels, 4):
            for low in range(0, shape.filters, 4):
                pixels, filters = min(4, shape.pixels - first), min(4, shape.filters - low)
                found["weights"] += filters * shape.window
                found["maps"] += pixels * shape.window
                found["products"] += pixels * filters * shape.window
                found["cycles"] += shape.window
                rows = [row for row in range(4) if row < pixels]
                found["down"] += filters * sum(row + 1 for row in rows)
    moves, level = Moves(), it.arch.level_width
    others._systolic(moves, it, shape, weighted=True)
    weights = layer.weights.size
    assert moves.of_level(WEIGHTS) == (found["weights"] + weights) * shape.stored
    assert moves.of_level(MAPS) == found["maps"] * shape.act
    assert moves.of_level(LANES) == found["products"] * 2 * (level + shape.act)
    assert found["products"] == program.macs(layer.name)
    assert moves.cycles == found["cycles"]
    mean = found["products"] + shape.groups * shape.filters * shape.pixels * (4 + 1) / 2
    assert moves.of_level(SUMS) == mean * it.arch.acc_width
    whole = shape.pixels % 4 == 0
    assert not whole or found["down"] == shape.groups * shape.filters * shape.pixels * 2.5


@pytest.mark.parametrize("program", small())
def test_row_stationary_maps_and_weights_are_those_of_its_passes(program):
    layer, it = program.layers[0], machine(program, "rows", 4, size=4)
    shape, moves = others.shape_of(program, layer, it.arch), Moves()
    others._rows(moves, it, shape, weighted=True)
    side, width = min(4, shape.out_height), (shape.out_width - 1) * shape.stride[1] + shape.wide
    weights = maps = 0
    for _ in range(shape.groups):
        for first in range(0, shape.out_height, side):
            rows = range(first, min(first + side, shape.out_height))
            touched = {y * shape.stride[0] + k for y in rows for k in range(shape.high)}
            dense = range(rows[0] * shape.stride[0], max(touched) + 1)
            maps += len(dense) * width * shape.channels  # filters fit one round
            weights += shape.filters * shape.window
    assert moves.of_level(MAPS) == maps * shape.act
    assert moves.of_level(WEIGHTS) == (weights + layer.weights.size) * shape.stored
    assert moves.bits[LANES, REGISTER] == shape.macs * (it.arch.level_width + shape.act)
    assert moves.cycles * 16 >= shape.macs


def test_the_first_accelerator_moves_what_the_estimate_counts():
    program = load_program(ZOO)
    it = machine(program, "first", 1, size=16)
    moves = own.first(it)
    layers = estimate(program, it.arch, load("unit")).layers

    def total(*names: str) -> float:
        return sum(layer.events.counts[name] for layer in layers for name in names)

    tables = sum(layer.events.counts["table_read_bit"] for layer in layers)
    assert moves.of_level(MAPS) == total("activation_read_bit", "activation_write_bit")
    assert moves.of_level(WEIGHTS) == total("weight_read_bit", "weight_load_bit")
    assert moves.of_level("external memory") == total("dram_weight_bit", "dram_map_bit")
    assert moves.of_level("output stage") == total(
        "parameter_read_bit", "parameter_write_bit", "drain_register_bit"
    )
    assert tables > 0  # read once per layer into registers; not a move of the array


def test_assumed_networks_have_the_shapes_of_the_committed_program():
    program = load_program(ZOO)
    network = published_network("resnet20-cifar", Assumptions())
    assert [x.name for x in network.layers] == [x.name for x in program.layers]
    for mine, theirs in zip(network.layers, program.layers, strict=True):
        assert mine.reads == theirs.reads
        assert network.tensors[mine.name] == program.tensors[mine.name]
        if isinstance(theirs, MacLayer):
            assert mine.weights.shape == theirs.weights.shape
            assert (mine.weight_width, mine.level_width) == (
                theirs.weight_width,
                theirs.level_width,
            )
            assert (mine.stride, mine.padding, mine.groups) == (
                theirs.stride,
                theirs.padding,
                theirs.groups,
            )
    ours, real = (narrowest_lanes(p, rows=16, cols=16) for p in (network, program))
    assert ours.requant == real.requant


def test_holding_reads_a_part_of_the_weights_and_nothing_more_elsewhere():
    network = published_network("resnet20-cifar", Assumptions())
    rows = machines_of(network)
    reads = {row.machine.name: row.moves.of_level(WEIGHTS) for row in rows}
    assert reads["hold 2"] > 1.9 * reads["hold 4"] > 3.6 * reads["hold 8"]
    for level in LEVELS:
        if level not in (WEIGHTS, LANES):
            values = {row.moves.of_level(level) for row in rows if "hold" in row.machine.name}
            assert len(values) == 1, level
    held, systolic = find(rows, "hold 16"), find(rows, "output stationary")
    assert held.utilization() > systolic.utilization()


def test_the_best_hold_depends_on_what_keeps_the_sums():
    network = published_network("resnet20-cifar", Assumptions())
    memory, _, registers = holds_of(network, load("literature45"))
    assert memory.least == HOLDS[-1] > registers.least
    best, worst = least_regret([memory, registers])
    assert registers.least < best < memory.least
    assert worst == max(memory.excess(best), registers.excess(best))


def without_programs(text: str) -> str:
    """The page without the section and the command that name programs."""
    head, _, rest = text.partition("## Programs on both accelerators")
    kept = head + rest[rest.index("## Assumptions") :] if rest else head
    return "\n".join(x for x in kept.splitlines() if not x.startswith("Written by"))


def test_the_command_writes_the_page(tmp_path):
    out = tmp_path / "page.md"
    done = CliRunner().invoke(app, ["bench", "dataflow", str(ZOO), "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert {m["network"] for m in said["machines"]} == set(NETWORKS)
    assert {p["lanes"] for p in said["programs"]} == {"decode", "uniform"}  # 8-bit levels
    committed = (ROOT / "docs" / "results" / "dataflow.md").read_text()
    assert without_programs(out.read_text()) == without_programs(committed)
    assert "cifar10_resnet20_w4a4 | decode" in out.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--tech", "unit"], "must have energies"),
        (["--images", "0"], "must be at least 1"),
        (["--data", "somewhere"], "must go with programs"),
        (["--act-bits", "9"], "must be in 1..8"),
    ],
)
def test_what_the_command_refuses(words, said, tmp_path):
    out = tmp_path / "page.md"
    done = CliRunner().invoke(app, ["bench", "dataflow", "-o", str(out), *words])
    assert done.exit_code == 2
    assert said in done.stderr
    assert not out.exists()


def test_programs_need_less_on_the_array_that_holds():
    b = Builder(np.random.default_rng(7), (4, 6, 6), shifts=True)
    b.mac(20, stage="requant", weight_width=5, uniform=True, padding=1)
    b.read(3, shared=True)
    b.mac(20, weight_width=3, level_width=3, act_width=3, padding=1)
    b.mac(4, 1, stage="requant", weight_width=5, uniform=True, linear=False, out="s32")
    rows = rows_of("small", b.build(), load("literature45"), None)
    assert [row.lanes for row in rows] == ["decode", "uniform", "uniform, narrow", "shift_add"]
    for row in rows:
        first, held = row.both
        assert held.cycles < first.cycles
        assert on_chip(held).expected < on_chip(first).expected
    decoding, plain, narrow, _ = rows
    assert memory_share(decoding.held) < memory_share(decoding.first)
    wide, thin = (row.held.layers[2].energy.parts["multiply"].expected for row in (plain, narrow))
    assert thin < wide
    text = "\n".join(section(rows))
    assert "no activation is 0" in text
    assert len([line for line in text.splitlines() if line.startswith("| small |")]) == 4
