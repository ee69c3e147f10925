"""Estimates with memory tables and at a clock: sums by hand, records, refusals."""

import json
from dataclasses import replace

import pytest
from cost_nets import small_net

from adqhw.cost.estimate.energy import event_prices, prices_on
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.estimate.operation import GatePath, operation
from adqhw.cost.estimate.points import Points, estimate_points
from adqhw.cost.estimate.records import estimate_of, estimate_record
from adqhw.cost.events.memories import memories
from adqhw.cost.events.memory_demands import memory_demands
from adqhw.cost.technology.built import build_all
from adqhw.cost.technology.choice import chosen
from adqhw.cost.technology.memory_table import parse_memories
from adqhw.cost.technology.technology import load, with_memories
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError

NET = small_net()
ARCH = narrowest(NET, rows=8, cols=4)
PLAIN = estimate(NET, ARCH, load("literature45"))
TABLE = chosen("literature45", memories="sram45", dram="lpddr4")
BUILT = estimate(NET, ARCH, TABLE)


def organized(use: str):
    table = parse_memories(f'base = "sram45"\nname = "mine"\n{use}', "mine.toml")
    return with_memories(load("literature45"), table)


def test_events_cost_what_their_memories_do():
    capacity = memories(NET, ARCH)
    built = build_all(TABLE.memories, memory_demands(NET, ARCH, capacity), 0.9)
    counts = [layer.events.counts for layer in BUILT.layers]
    weights = sum(
        c["weight_read_bit"] * built["weights"].read_pj_bit.expected
        + c["weight_load_bit"] * built["weights"].write_pj_bit.expected
        for c in counts
    )
    assert BUILT.energy.parts["weights"].expected == pytest.approx(weights, rel=1e-12)
    activations = sum(
        c["activation_read_bit"] * built["activations"].read_pj_bit.high
        + c["activation_write_bit"] * built["activations"].write_pj_bit.high
        for c in counts
    )
    assert BUILT.energy.parts["activations"].high == pytest.approx(activations, rel=1e-12)
    dram = sum(c["dram_weight_bit"] + c["dram_map_bit"] for c in counts)
    assert BUILT.energy.parts["dram"].expected == pytest.approx(11.0 * dram, rel=1e-12)


def test_only_memories_and_dram_change():
    ours, theirs = BUILT.energy.split, PLAIN.energy.split
    assert ours["datapath"] == theirs["datapath"]
    assert ours["memory"] != theirs["memory"]
    assert BUILT.cycles == PLAIN.cycles
    memory = ("weight memory", "activation memory", "parameter memory")
    assert all(
        (BUILT.area[name] == PLAIN.area[name]) == (name not in memory) for name in PLAIN.area
    )


def test_areas_of_layers_sum_to_those_of_their_memories():
    kept = sum(layer.area.expected for layer in BUILT.layers)
    both = BUILT.area["weight memory"] + BUILT.area["parameter memory"]
    assert kept == pytest.approx(both.expected, rel=1e-9)


def test_more_banks_read_for_less_and_registers_are_clocked():
    banked = estimate(NET, ARCH, organized("[memory.weights]\nbanks = 8\n"))
    one = estimate(NET, ARCH, organized(""))
    assert (
        banked.memories["weights"].read_pj_bit.expected
        < one.memories["weights"].read_pj_bit.expected
    )
    cells = estimate(NET, ARCH, organized('[memory.parameters]\nkind = "latches"\n'))
    gates = cells.memories["parameters"].standing_pj.expected
    tables = sum(
        c["parameter_read_bit"] * cells.memories["parameters"].read_pj_bit.expected
        + c["parameter_write_bit"] * cells.memories["parameters"].write_pj_bit.expected
        + c["table_read_bit"] * cells.memories["weights"].read_pj_bit.expected
        + c["codebook_register_bit"] * load("literature45")["register"].expected
        for c in (layer.events.counts for layer in cells.layers)
    )
    cycles = cells.cycles + cells.input_cycles
    assert cells.energy.parts["tables"].expected == pytest.approx(
        tables + gates * cycles, rel=1e-12
    )


def test_an_array_that_holds_weights_has_a_memory_of_sums_per_column():
    arch = narrowest(NET, rows=4, cols=4, hold=4)
    result = estimate(NET, arch, TABLE)
    sums = result.memories["sums"]
    assert (sums.copies, sums.ports, sums.width) == (4, 2, arch.acc_width)
    assert result.area["sums"] == sums.area_um2
    assert result.energy.parts["sums"].expected > 0


def test_a_record_is_the_same_estimate():
    record = json.loads(json.dumps(estimate_record(BUILT)))
    again = estimate_of(record, TABLE)
    assert again.to_dict() == BUILT.to_dict()
    assert again.memories == BUILT.memories
    record["memories"]["weights"]["banks"] = "4"
    with pytest.raises(InputError, match="Record must be of an estimate"):
        estimate_of(record, TABLE)


def test_prices_of_memories_that_are_not_built_are_refused():
    with pytest.raises(InputError, match="where memories are not built, not 'literature45"):
        event_prices(TABLE, memories(NET, ARCH))
    prices = prices_on(NET, ARCH, TABLE)
    assert prices["weight_read_bit"] == BUILT.memories["weights"].read_pj_bit
    assert prices["weight_load_bit"] == BUILT.memories["weights"].write_pj_bit


def test_points_are_refused_with_a_memory_table():
    points = Points.for_program(NET, [(4, 4), (8, 8)])
    with pytest.raises(InputError, match="without a memory table, not with 'literature45"):
        estimate_points(NET, points, [TABLE])


def test_power_is_energy_times_images_and_leakage():
    at = operation(BUILT, 200.0)
    cycles = BUILT.cycles + BUILT.input_cycles
    assert at.latency_ms == pytest.approx(cycles / 200e3, rel=1e-12)
    seconds = max(at.latency_ms, at.dram_ms) / 1e3
    leaking = sum(memory.leakage_uw.expected for memory in BUILT.memories.values()) * 1e-6
    watts = BUILT.energy.total.expected * 1e-12 / seconds + leaking
    assert at.watts.expected == pytest.approx(watts, rel=1e-12)
    record = at.to_dict()
    macs = sum(layer.events.macs for layer in BUILT.layers)
    assert record["tops"] == pytest.approx(2 * macs / seconds / 1e12, rel=1e-12)
    assert record["tops_per_watt"]["high"] == pytest.approx(record["tops"] / at.watts.low)
    assert record["watts_by"]["leakage"]["expected"] == pytest.approx(leaking, rel=1e-12)
    bits = sum(
        layer.events.counts["dram_weight_bit"] + layer.events.counts["dram_map_bit"]
        for layer in BUILT.layers
    )
    assert at.dram_ms == pytest.approx(bits / 12.8e9 / 8 * 1e3, rel=1e-12)


def test_a_slow_dram_sets_the_rate():
    slow = replace(TABLE, dram=replace(TABLE.dram, bandwidth_gbytes_s=1e-3))
    at = operation(replace(BUILT, technology=slow), 200.0)
    assert at.dram_ms > at.latency_ms
    assert at.frames_per_second == pytest.approx(1e3 / at.dram_ms)


def test_slack_is_of_the_slowest_delay():
    at = operation(BUILT, 200.0, (GatePath(name="gates", ns=2.0, voltage=1.1),))
    assert at.paths[0].name == "gates"
    assert at.slack_ns == pytest.approx(3.0)
    assert operation(PLAIN, 200.0).slack_ns is None
    assert "leakage" not in operation(PLAIN, 200.0).watts_by
    memory = operation(BUILT, 200.0).paths[0]
    slowest = max(m.access_ns.expected for m in BUILT.memories.values())
    assert memory.ns == slowest  # no threshold voltage: as the memory table has it


def test_delays_grow_below_the_voltage_of_their_source():
    """V / (V - Vt)^1.3 with Vt = 0.4 V: 1.1 V over 0.9 V."""
    technology = replace(TABLE, threshold_voltage=0.4)
    at = operation(
        replace(BUILT, technology=technology), 100.0, (GatePath(name="g", ns=2.0, voltage=1.1),)
    )
    wanted = 2.0 * (0.9 / 0.5**1.3) / (1.1 / 0.7**1.3)
    assert at.paths[0].ns == pytest.approx(wanted, rel=1e-12)
    low = replace(technology, voltage=0.3)
    with pytest.raises(InputError, match=r"above the threshold voltage 0.4 V of .*, not 0.3 V"):
        operation(replace(BUILT, technology=low), 100.0)


@pytest.mark.parametrize("clock", [0.0, -1.0, float("nan"), 1e6])
def test_a_clock_is_positive_and_finite(clock):
    with pytest.raises(InputError, match="Clock must be"):
        operation(BUILT, clock)
    with pytest.raises(InputError, match="energies, not with 'unit'"):
        operation(estimate(NET, ARCH, load("unit")), 100.0)
