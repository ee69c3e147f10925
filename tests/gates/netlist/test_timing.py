"""The critical path of three gates, added up by hand."""

import pytest
from gate_oracle import netlist_json, small_netlist
from tiny_liberty import tiny

from adqhw.gates.netlist.netlist import parse_netlist
from adqhw.gates.netlist.timing import critical_path
from adqhw.spec import InputError


def test_the_longest_way_is_the_sum_of_its_delays():
    """NAND into 2 fF: 0.2..0.4 ns over 0..10 fF, 0.24. INV into 1.5 fF: 0.1..0.2, 0.115."""
    library = tiny()
    found = critical_path(small_netlist(library), library, slew_ns=0.1)
    assert found.ns == pytest.approx(0.24 + 0.115)
    assert found.cells == ("NAND2", "INV")


def test_wires_make_it_longer():
    """Twice the loads: 0.28 + 0.13."""
    library = tiny()
    found = critical_path(small_netlist(library), library, slew_ns=0.1, wire_factor=1.0)
    assert found.ns == pytest.approx(0.28 + 0.13)


def test_a_path_may_begin_at_a_flip_flop():
    """CK to Q takes 0.3 whatever the load, the inverter without load 0.1."""
    library = tiny()
    text = netlist_json(
        {"clk": ("input", [2]), "d": ("input", [3]), "y": ("output", [5])},
        {"flop": ("DFF", {"CK": 2, "D": 3, "Q": 4}), "inv": ("INV", {"A": 4, "Y": 5})},
    )
    found = critical_path(parse_netlist(text, "top", library), library, slew_ns=0.1)
    assert found.ns == pytest.approx(0.4)
    assert found.cells == ("DFF", "INV")


def test_a_loop_and_a_cell_without_delays_are_refused():
    library = tiny()
    loop = netlist_json(
        {"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [5])},
        {"one": ("NAND2", {"A": 3, "B": 5, "Y": 4}), "two": ("INV", {"A": 4, "Y": 5})},
    )
    with pytest.raises(InputError, match="must have no loop of gates"):
        critical_path(parse_netlist(loop, "top", library), library, slew_ns=0.1)
    silent = tiny(('related_pin : "A B"; timing_sense', "timing_type : setup_rising; timing_sense"))
    with pytest.raises(InputError, match="must have timing, not none"):
        critical_path(small_netlist(silent), silent, slew_ns=0.1)
