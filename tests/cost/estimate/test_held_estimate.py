"""`estimate` of arrays that hold weights: memories, the baseline, area, topologies, the command."""

import json
from dataclasses import replace

import numpy as np
import pytest
from places import ZOO
from programs import Builder
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.cost.estimate.baseline import uniform_baseline
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.estimate.records import estimate_of, estimate_record
from adqhw.cost.events.memories import memories, with_storage
from adqhw.cost.technology.technology import load
from adqhw.rtl.arch.registry import names
from adqhw.rtl.program.fit import narrowest, narrowest_lanes
from adqhw.spec import Program
from adqhw.spec.program_file import load as load_program
from adqhw.spec.program_file import save

SIZE = {"rows": 4, "cols": 4, "hold": 4, "fill": 2, "out_lanes": 2}
TECHNOLOGY = load("literature45")


def small(*, shifts: bool = True) -> Program:
    b = Builder(np.random.default_rng(2), (3, 5, 5), shifts=shifts)
    b.mac(6, stage="requant", weight_width=5, uniform=True, padding=1)
    stream = b.read(3, shared=True)
    b.mac(6, weight_width=3, groups=6, act_width=3, padding=1, source=stream)
    b.mac(4, 1, stage="requant", weight_width=5, uniform=True, out="s32")
    return b.build()


@pytest.mark.parametrize("micro", [name for name in names() if name != "binned"])
def test_every_micro_that_holds_is_costed(micro):
    program = small()
    arch = narrowest(program, micro=micro, **SIZE)
    result = estimate(program, arch, TECHNOLOGY)
    assert result.energy.parts["sums"].expected > 0
    assert result.energy.parts["hold"].expected > 0
    assert result.total_area.expected == pytest.approx(
        sum(band.expected for band in result.area.values())
    )
    assert result.area["sums"].expected > 0
    assert estimate_of(json.loads(json.dumps(estimate_record(result))), TECHNOLOGY) == result


def test_memories_are_those_of_the_storage():
    program = small()
    arch = narrowest(program, **SIZE)
    assert with_storage(program, arch).storage == arch.storage
    wide = replace(arch, storage=replace(arch.storage, weight_rows=4 * arch.storage.weight_rows))
    one, other = (memories(program, each) for each in (arch, wide))
    assert other.weight_bits == 4 * one.weight_bits
    assert one.sum_bits == 2 * 4 * arch.acc_width
    energies = [estimate(program, each, TECHNOLOGY).energy.parts for each in (arch, wide)]
    assert energies[1]["weights"].expected > energies[0]["weights"].expected
    assert energies[1]["activations"] == energies[0]["activations"]


@pytest.mark.parametrize("hold", [2, 3, 8])
def test_sizes_without_a_plan_are_the_planners(hold):
    program = small()
    size = {**SIZE, "hold": hold}
    found = with_storage(program, narrowest_lanes(program, **size)).storage
    planned = narrowest(program, **size).storage
    assert replace(found, passes=planned.passes) == planned


@pytest.mark.parametrize("rows", [8, 16])
def test_a_folded_image_has_the_planners_place(rows):
    """655,488 bits of activation memory instead of the planner's 524,544, on 8 x 8."""
    program = load_program(ZOO / "cifar10_resnet20_w4a4.safetensors")
    size = {"rows": rows, "cols": 8, "hold": 16, "fill": 8, "out_lanes": 4}
    found = with_storage(program, narrowest_lanes(program, **size)).storage
    planned = narrowest(program, **size).storage
    assert replace(found, passes=planned.passes) == planned


def test_the_baseline_has_memories_of_its_own():
    program = small()
    result = estimate(program, narrowest(program, **SIZE), TECHNOLOGY)
    base = uniform_baseline(result, program)
    assert base.arch == narrowest(program, micro="uniform", **SIZE).__class__(
        **{**fields(result.arch), "micro": "uniform", "storage": base.arch.storage}
    )
    planned = narrowest(program, micro="uniform", **SIZE).storage
    assert base.arch.storage.weight_rows == planned.weight_rows > result.arch.storage.weight_rows


def fields(arch) -> dict:
    return {name: getattr(arch, name) for name in arch.__dataclass_fields__}


def test_holding_longer_reads_fewer_weights_and_nothing_else_more():
    program = small()
    found = {}
    for hold in (2, 4, 8):
        arch = narrowest(program, **{**SIZE, "hold": hold})
        layers = estimate(program, arch, load("unit")).layers
        found[hold] = {
            name: sum(layer.events.counts[name] for layer in layers)
            for name in layers[0].events.counts
        }
    reads = [found[hold]["weight_read_bit"] for hold in (2, 4, 8)]
    assert reads[0] > reads[1] > reads[2]
    same = ("activation_read_bit", "activation_write_bit", "parameter_read_bit", "sums_write_bit")
    for name in same:
        assert found[2][name] == found[4][name] == found[8][name], name


def test_the_command_costs_held_arrays(tmp_path):
    path = tmp_path / "small.safetensors"
    save(small(), path)
    words = ["estimate", str(path), "--rows", "4", "--cols", "4", "--json"]
    held = ["--hold", "4", "--fill", "2", "--out-lanes", "2"]
    records = []
    for more in ([], held):
        done = CliRunner().invoke(app, [*words, *more])
        assert done.exit_code == 0, done.output
        records.append(json.loads(done.stdout))
    first, second = (record["total"] for record in records)
    assert second["cycles"] < first["cycles"]
    assert second["parts_pj"]["sums"]["expected"] > first["parts_pj"]["sums"]["expected"] == 0
    assert records[1]["arch"]["hold"] == 4


def test_a_topology_is_costed_on_a_held_array(tmp_path):
    path = tmp_path / "net.csv"
    head = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels"
    rows = ("conv, 10, 10, 3, 3, 4, 8, 1,", "DP1, 8, 8, 3, 3, 8, 1, 1,", "fc, 1, 1, 1, 1, 8, 4, 1,")
    path.write_text("\n".join([f"{head}, Num Filter, Strides,", *rows, ""]))
    words = ["estimate", str(path), "--rows", "4", "--cols", "4", "--hold", "4", "--json"]
    done = CliRunner().invoke(app, [*words, "--fill", "2", "--out-lanes", "2"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["total"]["cycles"] > 0
