"""Clock trees of a netlist with clock gates, and the buffer that the flow would take for them."""

import needs
import numpy as np
import pytest
from foreign_netlist import foreign
from placed_library import BUF, RC, placed_library
from tiny_liberty import TINY

from adqhw.gates.liberty.liberty import parse_liberty
from adqhw.gates.placement.buffers import choose_buffer, flow_clock_buffer
from adqhw.gates.placement.clocked import LEAST, Trees, wires_of
from adqhw.gates.placement.h_tree import h_tree, levels_of
from adqhw.gates.placement.wires import Placing, laid

GATED = {
    "gate": ("NAND2", {"A": 5, "B": 7, "Y": 100}),
    **{f"g{at}": ("DFF", {"CK": 100, "D": 6, "Q": 101 + at}) for at in range(6)},
}


def placed(folder):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    netlist, library = foreign(flops=40, cells=GATED)
    rc = folder / "rc.toml"
    rc.write_text(RC)
    return netlist, library, laid(netlist, library, Placing(rc=rc, row_um=2.0), 0.25, folder)


def test_flip_flops_get_the_buffers_of_the_tree_behind_the_gate(tmp_path):
    netlist, library, found = placed(tmp_path)
    pins = {gate.name: gate.pins for gate in netlist.gates}
    clock, gated = pins["f0"]["CK"], pins["g0"]["CK"]
    wires = wires_of(netlist, library, found, Trees(kind="h"))
    assert set(wires.trees) == {clock, gated}
    inner, outer = wires.trees[gated], wires.trees[clock]
    assert inner.levels >= 2
    ends = range(*found.wiring.starts[clock : clock + 2].tolist())
    sinks = [end for end in ends if found.wiring.pins[end] in ("CK", "B")]
    pin_ff = np.array([library.cell(cell).pins[pin].capacitance_ff for cell, pin in (
        (netlist.gates[found.wiring.instances[end]].cell, found.wiring.pins[end]) for end in sinks
    )])  # fmt: skip
    assert len(sinks) == 41
    alone = h_tree(found.x[sinks], found.y[sinks], pin_ff, (0, 0), 0.3, wires.clock_buffer)
    # the way through the gate: buffers before it, the gate, the tree behind it
    assert outer.levels == alone.levels + 1 + inner.levels
    # a row at each of four leaves; a leaf that drove 13 fF and the gate needs one buffer less then
    rows = 2 ** levels_of(41) * (1 + inner.levels)
    assert rows - 2 <= outer.buffers - alone.buffers <= rows
    fewest = wires_of(netlist, library, found, LEAST)
    assert fewest.clock_buffer.name == found.buffer.name
    assert found.lengths[clock] > 0  # the placement is as it was


CELLS = """
  cell (CLKBUF_S) %s
  cell (CLKBUF_M) %s
  cell (LATCH)"""


def library(small: str, large: str, attribute: str = "", plain: str = BUF):
    """The buffer of the library, and two more: 40 or more fF, 2 area units each unless changed."""
    body = BUF[BUF.index("{") : BUF.rindex("cell (LATCH)")]
    cells = CELLS % (_changed(body, small), _changed(body, large))
    text = TINY.replace("  cell (LATCH)", plain, 1).replace("  cell (LATCH)", cells, 1)
    return parse_liberty(text.replace("cell (BUF) {", f"cell (BUF) {{ {attribute}"), "tiny.lib")


def _changed(body: str, load_and_area: str) -> str:
    load, area = load_and_area.split()
    return body.replace("max_capacitance : 40", f"max_capacitance : {load}").replace(
        "area : 2.0", f"area : {area}"
    )


@pytest.mark.parametrize(
    ("wire_ff", "chosen"), [(0.1, "CLKBUF_S"), (0.2, "CLKBUF_M"), (5.0, "CLKBUF_M")]
)
def test_the_smallest_that_drives_a_hundred_times_the_wire(wire_ff, chosen):
    """Limits 15 and 30 fF at areas 3 and 4: 10, 20 and 500 fF are asked for."""
    assert flow_clock_buffer(library("15 3", "30 4"), 0.25, wire_ff).name == chosen


def test_cells_that_the_library_marks_come_before_names():
    marked = library("15 3", "30 4", attribute="is_clock_cell : true;")
    assert flow_clock_buffer(marked, 0.25, 0.1).name == "BUF"


def test_without_such_names_buffers_by_name_and_patterns_to_avoid():
    found = library("15 3", "30 4")
    assert flow_clock_buffer(found, 0.25, 0.1, avoided=("CLK*",)).name == "BUF"
    assert flow_clock_buffer(found, 0.25, 0.1, avoided=("*_S",)).name == "CLKBUF_M"
    least = choose_buffer(found, 0.25).name
    assert flow_clock_buffer(found, 0.25, 0.1, avoided=("*",)).name == least


def test_of_the_tiny_library():
    assert flow_clock_buffer(placed_library(), 0.25, 100.0).name == "BUF"
