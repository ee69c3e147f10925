"""Events of arrays with external memory: those of the same array without, and of its jobs."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from external_archs import small_arch
from programs import Builder

from adqhw.cost.estimate.baseline import uniform_baseline
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.estimate.model import external_plan_of, timings_of
from adqhw.cost.events.events import EVENTS
from adqhw.cost.technology.technology import load
from adqhw.cost.topologies.assumed import Assumptions
from adqhw.cost.topologies.published import published_network
from adqhw.rtl.arch.external import External
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError, Program, Skip
from adqhw.spec.program import INPUT

SHAPE = (4, 4, 3, 2, 2)
SIZE = dict(zip(("rows", "cols", "hold", "fill", "out_lanes"), SHAPE, strict=True))
ON_CHIP = {"clock_bit", "dram_weight_bit", "dram_map_bit", "weight_load_bit", "parameter_write_bit"}


def program() -> Program:
    b = Builder(np.random.default_rng(5), (3, 9, 7))
    b.mac(6, stage="requant", weight_width=4, uniform=True, padding=1)
    stream = b.last
    b.read(3)
    b.mac(9, weight_width=3, padding=1, act_width=3)
    b.mac(6, stage="requant", padding=1, skip=Skip(tensor=stream))
    b.mac(5, weight_width=2, stride=2, padding=1, act_width=2)
    b.mac(4, kernel=b.shape(b.last)[1:], stage="requant", weight_width=4, uniform=True, out="s32")
    return b.build()


def counts_of(program: Program, arch) -> Counter:
    layers = estimate(program, arch, load("unit")).layers
    return Counter({n: sum(layer.events.counts[n] for layer in layers) for n in EVENTS})


def test_what_fits_on_the_chip_has_no_jobs():
    net = program()
    arch = narrowest(net, **SIZE)
    outside = replace(arch, external=External(jobs=1))
    alone, found = counts_of(net, arch), counts_of(net, outside)
    different = {name for name in EVENTS if alone[name] != pytest.approx(found[name], rel=1e-12)}
    assert different <= {"clock_bit"}


def test_small_memories_are_refilled_by_jobs():
    net = program()
    arch = small_arch([net], SHAPE, External(bus_width=64))
    whole = counts_of(net, narrowest(net, **SIZE))
    found, plan = counts_of(net, arch), external_plan_of(arch, net)
    timings = timings_of(arch, net)
    assert plan.outside is not None
    assert plan.outside.streamed
    assert plan.outside.maps
    beats = sum(timing.beats_read + timing.beats_written for timing in timings.values())
    ports = (3 * 9 * 7 * 8) + 4 * 32
    dram = found["dram_weight_bit"] + found["dram_map_bit"]
    assert dram >= beats * 64 + ports  # and tables that no job loads
    moved = sum(len(entry.jobs) for entry in plan.passes)
    assert moved > 0
    assert dram - beats * 64 - ports < whole["dram_weight_bit"]
    # stripes enter words again, and move maps through the memory; the sums are the same
    assert found["weight_read_bit"] >= whole["weight_read_bit"]
    assert found["activation_write_bit"] > whole["activation_write_bit"]
    for name in ("sums_write_bit", "sums_read_bit", "accumulate_bit", "multiply_bit2"):
        assert found[name] == whole[name], name


def test_words_and_rows_without_stripes_are_the_passes():
    """Closed forms of sizes and counts of the planner's passes, where both are there."""
    net = program()
    arch = replace(narrowest(net, **SIZE), external=External(jobs=1))
    plan, timings = external_plan_of(arch, net), timings_of(arch, net)
    assert all(not entry.jobs for entry in plan.passes)
    by_sizes, by_passes = (
        estimate(net, each, load("unit")).layers for each in (replace(arch, external=None), arch)
    )
    for one, other in zip(by_sizes, by_passes, strict=True):
        for name in ("weight_read_bit", "parameter_read_bit", "activation_write_bit"):
            assert one.events.counts[name] == other.events.counts[name], (one.name, name)
    assert timings[INPUT].cycles > 0


def test_the_baseline_keeps_as_many_weights_and_streams_more_bits():
    net = program()
    arch = small_arch([net], SHAPE, External(bus_width=64))
    result = estimate(net, arch, load("literature45"))
    base = uniform_baseline(result, net)
    assert base.arch.storage.weight_rows == 4 * arch.storage.weight_rows  # levels of 8 bits for 2
    assert base.arch.storage.activation_words == arch.storage.activation_words
    assert base.energy.parts["dram"].expected > result.energy.parts["dram"].expected


def test_a_network_without_weights_has_nothing_to_load():
    network = published_network("resnet8-cifar", Assumptions())
    arch = replace(narrowest(program(), **SIZE), external=External())
    with pytest.raises(InputError, match="external must be absent"):
        timings_of(arch, network)
