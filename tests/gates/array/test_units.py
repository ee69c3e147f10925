"""Units of a netlist counted by hand: flip-flops by name, gates by what they compute for."""

import numpy as np
import pytest
from gate_oracle import netlist_json
from tiny_liberty import tiny

from adqhw.gates.array.units import UNITS, areas, in_column, units_of
from adqhw.gates.netlist.names import Named
from adqhw.gates.netlist.netlist import parse_netlist
from adqhw.gates.play.lanes import lane_model
from adqhw.rtl.arch.arch import Arch

COLUMN = "$flatten\\column_0."
CELLS = {
    # name: cell, pins, unit; bits: 2 clock, 3 weight, 4 enter
    "$abc$1$decoder": ("INV", {"A": 3, "Y": 10}, "lookup"),
    COLUMN + "$abc$2$enable": ("NAND2", {"A": 10, "B": 4, "Y": 11}, "station"),
    COLUMN + "$auto$3": ("DFF", {"CK": 2, "D": 11, "Q": 12}, "station"),
    "$auto$4": ("DFF", {"CK": 2, "D": 3, "Q": 13}, "lanes"),
    COLUMN + "$abc$5$multiplier": ("NAND2", {"A": 12, "B": 13, "Y": 14}, "lanes"),
    COLUMN + "$auto$6": ("DFF", {"CK": 2, "D": 14, "Q": 15}, "lanes"),
    COLUMN + "$abc$7$adder": ("INV", {"A": 15, "Y": 16}, "trees"),
    COLUMN + "$auto$8": ("DFF", {"CK": 2, "D": 16, "Q": 17}, "trees"),
    COLUMN + "$abc$9$adder": ("NAND2", {"A": 17, "B": 19, "Y": 18}, "sums"),
    COLUMN + "$auto$10": ("DFF", {"CK": 2, "D": 18, "Q": 19}, "sums"),
    COLUMN + "$abc$11$reader": ("INV", {"A": 19, "Y": 20}, "sums"),
    "$abc$12$both": ("INV", {"A": 21, "Y": 22}, "control"),  # for the bank and the station
    "$auto$13": ("DFF", {"CK": 2, "D": 22, "Q": 21}, "control"),
    COLUMN + "$abc$14$enable": ("INV", {"A": 22, "Y": 23}, "station"),
    COLUMN + "$auto$15": ("DFF", {"CK": 2, "D": 23, "Q": 24}, "station"),
    "$auto$16": ("DFF", {"CK": 2, "D": 3, "Q": 25}, "lookup"),
}
NAMES = {
    12: "column_0.station_0[0]", 13: "operands[0]", 15: "column_0.product_0[0]",
    17: "column_0.partial_0_0[0]", 19: "column_0.sums[3][0]", 21: "banks.taken[0]",
    24: "column_0.station_1[0]", 25: "level_7[2]",
}  # fmt: skip


@pytest.fixture(scope="module")
def design():
    library = tiny()
    ports = {
        "clk": ("input", [2]), "fields_payload": ("input", [3]), "fields_valid": ("input", [4]),
        "accs": ("output", [20]),
    }  # fmt: skip
    cells = {name: (cell, pins) for name, (cell, pins, _) in CELLS.items()}
    netlist = parse_netlist(netlist_json(ports, cells), "top", library)
    names = {netlist.bits[bit]: name for bit, name in NAMES.items()}
    return Named(netlist=netlist, names=names), lane_model(netlist, library)


@pytest.mark.parametrize("micro", ["decode", "uniform"])
def test_every_gate_has_its_unit(design, micro):
    """Plain lanes have no decoder: what drives the station at the top is the station's."""
    named, model = design
    found = units_of(named, model, Arch(rows=2, cols=2, hold=2, micro=micro))
    units = {g.name: UNITS[n] for g, n in zip(named.netlist.gates, found, strict=True)}
    wanted = {name: unit for name, (_, _, unit) in CELLS.items()}
    if micro == "uniform":
        wanted["$abc$1$decoder"] = "station"
    assert units == wanted


def test_areas_of_the_units_are_those_of_their_cells(design):
    named, model = design
    found = units_of(named, model, Arch(rows=2, cols=2, hold=2))
    by_unit = areas(named.netlist, model.library, found)
    assert sum(by_unit.values()) == pytest.approx(named.netlist.area(model.library))
    cell = model.library.cell
    assert by_unit["trees"] == pytest.approx(cell("INV").area + cell("DFF").area)
    assert np.count_nonzero([in_column(gate) for gate in named.netlist.gates]) == 11
