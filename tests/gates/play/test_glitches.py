"""Glitches of a few gates counted by hand, and the settled changes against plain Python."""

import numpy as np
from gate_oracle import netlist_json, oracle_switching, rows, small_netlist
from tiny_liberty import tiny

from adqhw.gates.netlist.netlist import parse_netlist
from adqhw.gates.play.glitches import glitches


def pulse(inverters: int):
    """y = !(a & !a), the second input through an odd number of inverters: always 1 when settled."""
    cells = {f"inv{i}": ("INV", {"A": 3 + i, "Y": 4 + i}) for i in range(inverters)}
    cells["nand"] = ("NAND2", {"A": 3, "B": 3 + inverters, "Y": 99})
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [99])}
    return parse_netlist(netlist_json(ports, cells), "top", tiny())


A = [0, 1, 0, 1, 1, 0]


def test_a_pulse_as_long_as_the_gates_is_seen():
    """Two inverters load 2 fF (0.12 ns), the third the NAND's 5 fF (0.15 ns): 0.39 ns after a.

    The NAND takes 0.2 ns: y falls at 0.2 and rises at 0.59, when a rises. When a falls nothing is.
    """
    netlist = pulse(3)
    found = glitches(netlist, tiny(), rows(a=A), slew_ns=0.25)
    y = netlist.outputs["y"][0]
    assert found.cycles == 5
    assert (found.toggles[y], found.settled[y]) == (2 * 2, 0)
    others = np.arange(netlist.nets) != y
    assert found.toggles[others].tolist() == found.settled[others].tolist()
    assert found.factor(np.eye(netlist.nets)[netlist.inputs["a"][0]]) == 1.0


def test_a_shorter_pulse_is_swallowed():
    """One inverter: 0.15 ns, less than the NAND's 0.2."""
    netlist = pulse(1)
    found = glitches(netlist, tiny(), rows(a=A), slew_ns=0.25)
    assert found.toggles.tolist() == found.settled.tolist()


def test_settled_changes_are_those_without_delays():
    rng = np.random.default_rng(6)
    stimulus = rows(a=rng.integers(0, 2, 300).tolist(), b=rng.integers(0, 2, 300).tolist())
    stimulus.flags[[0, 50, 51]] = 0
    library = tiny()
    netlist = small_netlist(library)
    truth = oracle_switching(netlist, library, stimulus)
    found = glitches(netlist, library, stimulus, slew_ns=0.25)
    assert found.cycles == truth.cycles
    np.testing.assert_array_equal(found.settled, truth.toggles)
