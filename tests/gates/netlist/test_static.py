"""Static timing of a few gates, added up by hand: registers, memories, ports, set-up times."""

import dataclasses
import json

import pytest
from gate_oracle import netlist_json, small_netlist
from tiny_liberty import TINY, tiny

from adqhw.gates.liberty.liberty import parse_liberty
from adqhw.gates.netlist.names import kind_of, net_names
from adqhw.gates.netlist.netlist import parse_netlist
from adqhw.gates.netlist.static import Assumptions, StaticTiming, levels
from adqhw.gates.netlist.timing import critical_path
from adqhw.gates.netlist.whole import is_memory
from adqhw.gates.netlist.worst_paths import is_buffer, report
from adqhw.spec import InputError

ASSUMED = Assumptions(
    period_ns=1.0, slew_ns=0.1, access_ns=0.35, memory_setup_ns=0.05, memory_pin_ff=2.5
)
SETUP = """pin (D) { direction : input; capacitance : 1.5;
      timing () { related_pin : "CK"; timing_type : setup_rising;
        rise_constraint (setup) { values ("0.01, 0.03", "0.05, 0.07"); }
        fall_constraint (scalar) { values ("0.2"); } }
"""
TEMPLATE = """lu_table_template (setup) {
    variable_1 : constrained_pin_transition; variable_2 : related_pin_transition;
    index_1 ("0, 1"); index_2 ("0, 0.2"); }
  cell (INV) {"""


def timed_library():
    """The tiny one whose flip-flop has set-up times."""
    text = TINY.replace("pin (D) { direction : input; capacitance : 1.5;\n", SETUP, 1)
    assert "setup_rising" in text
    return parse_liberty(text.replace("cell (INV) {", TEMPLATE, 1), "tiny.lib")


def registers(library, cells, ports=None):
    """clk 2; a register from net 3 to net 4 called `unit.first`, one from 6 to 7 `unit.last`."""
    flops = {
        "one": ("DFF", {"CK": 2, "D": 3, "Q": 4}),
        "two": ("DFF", {"CK": 2, "D": 6, "Q": 7}),
    }
    text = netlist_json({"clk": ("input", [2]), **(ports or {})}, flops | cells)
    netlist = parse_netlist(text, "top", library, is_macro=is_memory)
    names = {netlist.bits[4]: "unit.first[0]", netlist.bits[7]: "unit.last[3]"}
    return netlist, names


def test_from_register_to_register():
    """CK to Q 0.3, INV into the 1.5 fF of D 0.115; falling data needs 0.2, rising (slew 0.05,
    clock 0.1) 0.0225 + 0.0175; both edges arrive at once, so falling counts."""
    library = timed_library()
    netlist, names = registers(library, {"inv": ("INV", {"A": 4, "Y": 6})})
    timing = StaticTiming(netlist, library, ASSUMED, names)
    (end,) = [end for end in timing.ends if end.name == "unit.last[3]"]
    path = timing.path(end)
    assert (path.begin, path.end) == ("unit.first[0]", "unit.last[3]")
    assert path.arrival_ns == pytest.approx(0.415)
    assert path.setup_ns == pytest.approx(0.2)
    assert path.slack_ns == pytest.approx(1 - 0.615)
    assert [netlist.gates[number].name for number in path.gates] == ["inv"]


def test_setup_times_are_over_the_slews_of_data_and_clock():
    """0.01 .. 0.05 over the data's slew of 0 .. 1 and 0.02 more over the clock's of 0 .. 0.2."""
    (arc,) = timed_library().setups("DFF", "D")
    assert float(arc["rise"].setup(0.5, 0.1)) == pytest.approx(0.01 + 0.02 + 0.01)
    assert float(arc["fall"].setup(0.5, 0.1)) == pytest.approx(0.2)


def with_memory(library, memory):
    cells = {"inv": ("INV", {"A": 5, "Y": 6}), "buffer": ("INV", {"A": 4, "Y": 8})}
    text = netlist_json(
        {"clk": ("input", [2])},
        {"one": ("DFF", {"CK": 2, "D": 3, "Q": 4}), "two": ("DFF", {"CK": 2, "D": 6, "Q": 7})}
        | cells,
    )
    record = json.loads(text)
    record["modules"]["top"]["cells"]["unit.store"] = {
        "type": memory,
        "port_directions": {"clk": "input", "read_address": "input", "read_data": "output"},
        "connections": {"clk": [2], "read_address": [8, "0"], "read_data": [5]},
    }
    netlist = parse_netlist(json.dumps(record), "top", library, is_macro=is_memory)
    return netlist, {netlist.bits[4]: "unit.first", netlist.bits[7]: "unit.last"}


@pytest.mark.parametrize("memory", ["$mem_v2", "adqhw_memory_8x16", "chip_memory_8x16_g4"])
def test_from_and_to_memories(memory):
    """Its word comes after 0.35; INV into 1.5 fF 0.115, set-up 0.2. Its address: 0.3, INV into
    2.5 fF 0.125, set-up 0.05."""
    library = timed_library()
    netlist, names = with_memory(library, memory)
    assert [(m.name, m.cell) for m in netlist.macros] == [("unit.store", memory)]
    timing = StaticTiming(netlist, library, ASSUMED, names)
    slacks = {end.name: end.slack_ns for end in timing.ends}
    assert slacks["unit.last"] == pytest.approx(1 - (0.35 + 0.115 + 0.2))
    assert slacks["unit.store"] == pytest.approx(1 - (0.3 + 0.125 + 0.05))
    found = report(timing)
    assert [(p.begin, p.end) for p in found.worst] == [
        ("unit.store", "unit.last"), ("unit.first", "unit.store"),
    ]  # fmt: skip
    assert (found.memories, found.flip_flops, found.cells) == (1, 2, 4)
    assert found.critical_ns == pytest.approx(0.665)


def test_ports_begin_and_end_paths_as_the_critical_path_has_them():
    library = timed_library()
    netlist = small_netlist(library)
    timing = StaticTiming(netlist, library, ASSUMED, {})
    expected = critical_path(netlist, library, slew_ns=ASSUMED.slew_ns)
    worst = timing.path(timing.ends[0])
    assert worst.arrival_ns == pytest.approx(expected.ns)
    assert tuple(netlist.gates[n].cell for n in worst.gates) == expected.cells
    assert worst.begin.startswith("input ")
    assert worst.end == "n2"  # a register without a name
    assert any(end.name == "output q[0]" for end in timing.ends)


def test_wires_make_gates_slower():
    """Twice the load of 1.5 fF: INV 0.13."""
    library = timed_library()
    netlist, names = registers(library, {"inv": ("INV", {"A": 4, "Y": 6})})
    timing = StaticTiming(netlist, library, dataclasses.replace(ASSUMED, wire_factor=1.0), names)
    (end,) = [end for end in timing.ends if end.name == "unit.last[3]"]
    assert timing.path(end).arrival_ns == pytest.approx(0.43)


def test_bits_and_copies_are_one_kind_of_path():
    assert kind_of("array.column_3.acc[17]") == kind_of("array.column_11.acc[2]")
    assert kind_of("array.column_3.acc[17]") != kind_of("array.column_3.total[17]")


def test_a_net_is_called_by_its_register():
    """Not by the shorter name of a port that it goes through."""
    library = timed_library()
    netlist, _ = registers(library, {"inv": ("INV", {"A": 4, "Y": 6})})
    verilog = "module top;\n  reg [1:0] first;\n  wire a;\n"
    text = json.dumps({"modules": {"top": {"netnames": {
        "unit.first": {"hide_name": 0, "bits": ["0", 4], "attributes": {"src": "design.v:2.3-2.9"}},
        "a": {"hide_name": 0, "bits": [4], "attributes": {"src": "design.v:3.3-3.9"}},
        "b": {"hide_name": 0, "bits": [6], "attributes": {}},
        "$hidden": {"hide_name": 1, "bits": [6], "attributes": {}},
    }}}})  # fmt: skip
    assert net_names(text, "top", netlist, verilog) == {
        netlist.bits[4]: "unit.first[1]", netlist.bits[6]: "b",
    }  # fmt: skip


def test_a_loop_and_a_library_without_times_are_refused():
    library = tiny()
    loop = netlist_json(
        {"clk": ("input", [2]), "a": ("input", [3]), "y": ("output", [5])},
        {"one": ("NAND2", {"A": 3, "B": 5, "Y": 4}), "two": ("INV", {"A": 4, "Y": 5})},
    )
    netlist = parse_netlist(loop, "top", library)
    with pytest.raises(InputError, match="must have no loop of gates"):
        list(levels(netlist, [library.cell(gate.cell) for gate in netlist.gates]))
    netlist, names = registers(library, {"inv": ("INV", {"A": 4, "Y": 6})})
    with pytest.raises(InputError, match="must have a set-up time, not none"):
        StaticTiming(netlist, library, ASSUMED, names)


def test_an_inverter_is_no_buffer():
    library = tiny()
    assert not is_buffer(library.cell("INV"))
    assert not is_buffer(library.cell("DFF"))
    buffer = parse_liberty(TINY.replace('function : "!A"', 'function : "A"'), "tiny.lib")
    assert is_buffer(buffer.cell("INV"))
