"""Gate netlists 64 at a time: every counter is plain Python's, whatever the lanes."""

from dataclasses import replace

import numpy as np
import pytest
from gate_oracle import netlist_json, oracle_switching, rows, small_netlist
from simulators import usable
from tiny_liberty import tiny

from adqhw.gates.netlist.netlist import parse_netlist
from adqhw.gates.play.kernel import STUCK, count_gates, run, settle
from adqhw.gates.play.lanes import lane_model, play_lanes
from adqhw.gates.play.simulation import (
    COUNT,
    FOLLOWED,
    RECORD,
    UNTIL_READY,
    Watch,
    build_gates,
    play,
)
from adqhw.spec.errors import InputError, SimulationError

RNG = np.random.default_rng(5)
LIBRARY = tiny()
NETLIST = small_netlist(LIBRARY)
MODEL = lane_model(NETLIST, LIBRARY)


def stimuli(count: int, length: int):
    """Random inputs with the same gaps in all of them."""
    found = [
        rows(a=RNG.integers(0, 2, length).tolist(), b=RNG.integers(0, 2, length).tolist())
        for _ in range(count)
    ]
    for stimulus in found:
        stimulus.flags[[0, 20, 21, 35]] = 0
    return found


@pytest.mark.parametrize("lanes", [1, 2, 63, 64])
def test_lanes_count_what_plain_python_counts_of_each(lanes):
    played = stimuli(lanes, 120)
    found, _ = play_lanes(MODEL, played)
    each = [oracle_switching(NETLIST, LIBRARY, stimulus) for stimulus in played]
    assert found.cycles == sum(one.cycles for one in each)
    np.testing.assert_array_equal(found.toggles, sum(one.toggles.astype(int) for one in each))
    for number, table in enumerate(found.transitions):
        wanted = sum(one.transitions[number].astype(int) for one in each)
        np.testing.assert_array_equal(table, wanted)


@pytest.mark.simulator
def test_one_lane_is_verilator(tmp_path):
    (stimulus,) = stimuli(1, 300)
    stimulus.flags[:] |= RECORD
    watch = Watch(valid="q", record="q")
    truth = play(build_gates(NETLIST, LIBRARY, usable("verilator"), tmp_path), stimulus, watch)
    found, (records,) = play_lanes(MODEL, [stimulus], watch)
    assert found.cycles == truth.cycles
    np.testing.assert_array_equal(found.toggles, truth.toggles)
    np.testing.assert_array_equal(records, truth.records)
    for mine, wanted in zip(found.transitions, truth.transitions, strict=True):
        np.testing.assert_array_equal(mine, wanted)


def test_a_followed_row_counts_the_step_behind_it_only():
    """Counted rows 3.. with row 2 followed: as many changes as rows 2.. counted."""
    (stimulus,) = stimuli(1, 40)
    flags = np.zeros(40, np.uint32)
    flags[3:] = COUNT
    flags[2] = FOLLOWED
    found, _ = play_lanes(MODEL, [replace(stimulus, flags=flags)])
    flags = np.where(np.arange(40) >= 2, COUNT, 0).astype(np.uint32)
    wanted = oracle_switching(NETLIST, LIBRARY, replace(stimulus, flags=flags))
    assert found.cycles == wanted.cycles == 37
    np.testing.assert_array_equal(found.toggles, wanted.toggles)


def test_lanes_out_of_step_are_refused():
    one, two = rows(RECORD, a=[1, 1, 1], b=[1, 1, 1]), rows(RECORD, a=[0, 1, 1], b=[1, 1, 1])
    watch = Watch(valid="q", record="q")
    play_lanes(MODEL, [one, one], watch)
    with pytest.raises(SimulationError, match="must move together in all lanes"):
        play_lanes(MODEL, [one, two], watch)


def test_rows_that_are_never_taken_end():
    stuck = rows(COUNT | UNTIL_READY, a=[0, 0], b=[0, 0])
    with pytest.raises(SimulationError, match=rf"within 1000 cycles.*\(state {STUCK}\)"):
        play_lanes(MODEL, [stuck], Watch(ready="q"))
    assert run.signatures  # compiled, not interpreted


def test_stimuli_must_fit_each_other_and_the_ports():
    one, two = stimuli(2, 60)
    with pytest.raises(InputError, match="Stimuli must be 1 to 64, not 65"):
        play_lanes(MODEL, [one] * 65)
    with pytest.raises(InputError, match="must have the same flags"):
        play_lanes(MODEL, [one, replace(two, flags=two.flags | RECORD)])
    with pytest.raises(InputError, match="exactly the netlist's input ports: 'b'"):
        play_lanes(MODEL, [rows(a=[0, 1])])
    with pytest.raises(InputError, match=r"Port 'a' must have bits \(59, 1\), not \(60, 1\)"):
        play_lanes(MODEL, [replace(one, flags=one.flags[1:])])


def test_a_loop_of_gates_is_refused():
    cells = {"one": ("INV", {"A": 3, "Y": 4}), "two": ("INV", {"A": 4, "Y": 3})}
    ports = {"q": ("output", [4])}
    looped = parse_netlist(netlist_json(ports, cells), "top", LIBRARY)
    with pytest.raises(InputError, match="must be without loops of gates"):
        lane_model(looped, LIBRARY)


@pytest.mark.parametrize("pins", [1, 2, 3, 4, 5, 6])
def test_the_kernel_counts_gates_of_any_size(pins):
    """States of 20 gates on 40 nets, lane by lane, in the lanes that are active."""
    rng = np.random.default_rng(pins)
    values, before = rng.integers(0, 1 << 64, (2, 40), dtype=np.uint64)
    active = rng.integers(0, 1 << 64, dtype=np.uint64)
    wires = rng.integers(0, 40, (20, pins))
    gates = np.array([[n * pins, pins, n << (2 * pins)] for n in range(20)])
    counts = np.zeros(20 << (2 * pins), np.uint64)
    scratch, after = np.zeros((2, 256), np.uint64)
    standing, lanes = np.zeros(20, np.uint64), ~np.uint64(0)
    for _ in range(2):
        count_gates(
            gates, wires.ravel(), values, before, active, lanes, standing, counts, scratch, after
        )
    wanted = np.zeros((20, 1 << pins, 1 << pins), int)
    for lane in range(64):
        if active >> np.uint64(lane) & np.uint64(1):
            for gate, nets in enumerate(wires):
                old, new = (
                    sum(int(word[net] >> np.uint64(lane) & np.uint64(1)) << bit
                        for bit, net in enumerate(nets))
                    for word in (before, values)
                )  # fmt: skip
                wanted[gate, old, new] += 2
    np.testing.assert_array_equal(counts.reshape(wanted.shape), wanted)


@pytest.mark.parametrize("lanes", [1, 3, 64])
def test_gates_that_stand_are_counted(lanes):
    """Inputs that rarely change, with gaps in what is counted, some of them while gates move."""
    rng = np.random.default_rng(lanes)
    length = 400
    played = []
    for _ in range(lanes):
        a, b = (np.cumsum(rng.random(length) < 0.05) % 2 for _ in range(2))
        played.append(rows(a=a.tolist(), b=b.tolist()))
    flags = np.where(rng.random(length) < 0.1, 0, played[0].flags)
    played = [replace(stimulus, flags=flags) for stimulus in played]
    found, _ = play_lanes(MODEL, played)
    each = [oracle_switching(NETLIST, LIBRARY, stimulus) for stimulus in played]
    for number, table in enumerate(found.transitions):
        wanted = sum(one.transitions[number].astype(int) for one in each)
        np.testing.assert_array_equal(table, wanted)


@pytest.mark.parametrize("pins", [1, 2, 3, 4, 5, 6])
def test_the_kernel_evaluates_truth_tables(pins):
    rng = np.random.default_rng(pins)
    values = rng.integers(0, 1 << 64, pins + 1, dtype=np.uint64)
    table = rng.integers(0, 2, 1 << pins)
    node = np.array([[0, pins, 0, pins]])
    truth = np.where(table, ~np.uint64(0), np.uint64(0))
    settle(node, np.arange(pins), truth, values, values, True, np.zeros(256, np.uint64))
    for lane in range(64):
        bits = [int(word >> np.uint64(lane) & np.uint64(1)) for word in values]
        assert bits[pins] == table[sum(bit << n for n, bit in enumerate(bits[:pins]))]
