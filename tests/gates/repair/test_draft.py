"""Changes of a placed netlist: wires, loads and delays by hand, and all of them taken back."""

import copy

import numpy as np
import pytest
from drive_library import drive_library
from gate_oracle import netlist_json, oracle_switching
from hand_laid import changed_at_random, hand_laid, random_netlist, random_rows

from adqhw.gates.netlist.netlist import net_loads, parse_netlist
from adqhw.gates.repair.draft import GONE, Draft, tree_um


def star():
    """INV `a` at (0, 0) drives INV `b` at (30, 0) and NAND `c` at (30, 40)."""
    library = drive_library()
    ports = {"p": ("input", [2]), "q": ("output", [4, 5])}
    cells = {
        "a": ("INV", {"A": 2, "Y": 3}),
        "b": ("INV", {"A": 3, "Y": 4}),
        "c": ("NAND", {"A": 3, "B": 3, "Y": 5}),
    }
    netlist = parse_netlist(netlist_json(ports, cells), "top", library)
    spots = {"a": (0.0, 0.0), "b": (30.0, 0.0), "c": (30.0, 40.0)}
    return netlist, Draft(netlist, library, hand_laid(netlist, library, spots, ff=0.2, ohm=50.0))


def test_wires_of_a_star():
    """70 um: 14 fF, and 2 + 2 + 2 fF of pins. To c: 50 x 70 ohm x (20 + 2) / 2 fF."""
    netlist, draft = star()
    net = netlist.gates[0].pins["Y"]
    assert draft.wire_um[net] == pytest.approx(70)
    assert draft.load_ff[net] == pytest.approx(20)
    assert draft.delays[2, "A"] == pytest.approx(3500 * 11e-6)
    assert draft.delays[1, "A"] == pytest.approx(1500 * 11e-6)


def test_a_buffer_takes_pins_over():
    """It is at (30, 20): a to b and to it 50 um; it to c 20 um and 2 pins."""
    netlist, draft = star()
    net = netlist.gates[0].pins["Y"]
    before = draft.area()
    number = draft.insert(net, [(2, "A"), (2, "B")], "GAMMA", (30.0, 20.0))
    new = draft.pins[number]["Y"]
    assert (draft.load_ff[net], draft.load_ff[new]) == (
        pytest.approx(50 * 0.2 + 2 + 2), pytest.approx(20 * 0.2 + 4),
    )  # fmt: skip
    assert draft.pins[2] == {"A": new, "B": new, "Y": netlist.gates[2].pins["Y"]}
    assert draft.area() == before + 4
    finished, found = draft.finished()
    assert finished.gates[-1].cell == "GAMMA"
    assert found.lengths[new] == pytest.approx(20)
    assert found.lengths[net] == pytest.approx(50)


def test_a_buffer_before_a_port():
    netlist, draft = star()
    port = netlist.outputs["q"][0]
    number = draft.insert_before_port(port, "BUF")
    assert draft.driver[port] == (number, "Y")
    assert draft.pins[1]["Y"] == draft.pins[number]["A"] != port
    inside = draft.insert_behind_port(netlist.inputs["p"][0], "BUF")
    assert draft.pins[0]["A"] == draft.pins[inside]["Y"]


@pytest.mark.parametrize("seed", range(4))
def test_every_change_can_be_taken_back(seed):
    library = drive_library()
    netlist = random_netlist(library, 50, seed)
    draft = Draft(netlist, library, hand_laid(netlist, library))
    state = copy.deepcopy([vars(draft)[name] for name in STATE])
    mark = draft.mark()
    changed_at_random(draft, np.random.default_rng(seed), 40)
    assert [vars(draft)[name] for name in STATE] != state
    draft.rollback(mark)
    for name, before in zip(STATE, state, strict=True):
        now = vars(draft)[name]
        if name == "sinks":
            now, before = ([sorted(one) for one in pins] for pins in (now, before))
        if name == "delays":
            now = {pin: ns for pin, ns in now.items() if pin in before}
            assert now == pytest.approx(before, abs=1e-12)
        elif name in ("wire_um", "load_ff"):
            assert now == pytest.approx(before)
        else:
            assert now == before, name


STATE = (
    "cells", "names", "pins", "spots", "ports", "driver", "sinks", "wire_um", "load_ff", "delays",
    "middles",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_the_function_is_the_same_and_the_loads_are_those_of_the_result(seed):
    """Played with the same inputs, every net that is left moves as often as before."""
    library = drive_library()
    netlist = random_netlist(library, 50, seed)
    draft = Draft(netlist, library, hand_laid(netlist, library))
    changed_at_random(draft, np.random.default_rng(seed), 40)
    finished, found = draft.finished()
    stimulus = random_rows(4, 30)
    before = oracle_switching(netlist, library, stimulus)
    after = oracle_switching(finished, library, stimulus)
    driven = {net for gate in finished.gates for net in (gate.pins.get(p) for p in "YQ")}
    left = [net for net in range(netlist.nets) if net in driven]
    assert len(left) > 30
    np.testing.assert_array_equal(after.toggles[left], before.toggles[left])
    pins = net_loads(finished, library)
    for net in left:
        assert draft.load_ff[net] - 0.1 * draft.wire_um[net] == pytest.approx(pins[net])
    assert sum(cell != GONE for cell in draft.cells) == len(finished.gates)
    assert found.wiring.nets == finished.nets


def test_lengths_of_few_points():
    assert tree_um([]) == tree_um([(3.0, 4.0)]) == 0
    assert tree_um([(0.0, 0.0), (3.0, 4.0)]) == 7
    assert tree_um([(0.0, 0.0), (3.0, 4.0), (3.0, -4.0)]) == pytest.approx(11)
