"""The Liberty reader on a made-up library: units, functions, tables, and what it refuses."""

import gzip
import itertools

import numpy as np
import pytest
from tiny_liberty import TINY, tiny

from adqhw.cosim.liberty import parse_liberty, read_liberty
from adqhw.cosim.liberty_function import parse_function
from adqhw.spec import InputError


def test_cells_have_their_pins_areas_and_leakage():
    nand = tiny().cell("NAND2")
    assert (nand.inputs, nand.outputs, nand.area) == (("A", "B"), ("Y",), 2.0)
    assert [nand.pins[name].capacitance_ff for name in "ABY"] == [3.0, 5.0, None]
    assert [nw for _, nw in nand.leakage] == [8.0, 4.0]
    assert tiny().voltage == 2.0


def test_flip_flop_takes_its_next_state():
    cell = tiny().cell("DFF")
    assert cell.ff is not None
    assert (cell.ff.state, cell.ff.next_state.pins, cell.ff.asynchronous) == ("IQ", ("D",), False)


def test_units_become_femto_and_nano():
    """1 pF and 2 V: energies are in pF x V^2 = 4000 fJ; 10 ps; 1 uW."""
    text = TINY.replace("(1, ff)", "(1.0, pf)").replace('"1V"', '"2V"')
    text = text.replace('"1ns"', '"10ps"').replace('"1nW"', '"1uW"')
    inverter = parse_liberty(text, "tiny.lib").cell("INV")
    assert inverter.pins["A"].capacitance_ff == 2000.0
    assert inverter.pins["Y"].powers[0].fall.at(0.0, 0.0) == pytest.approx(0.5 * 4000)
    assert inverter.leakage == ((None, 5000.0),)
    # slew 1 of the table is now 0.01 ns
    assert inverter.pins["Y"].powers[0].rise.at(0.01, 0.0) == pytest.approx(3 * 4000)


def test_tables_interpolate_and_go_on_beyond_their_ends():
    rise = tiny().cell("INV").pins["Y"].powers[0].rise  # 1 at slew 0, 3 at slew 1
    assert rise.at(0.25, 4.0) == pytest.approx(1.5)
    assert rise.at(2.0, 4.0) == pytest.approx(5.0)
    by_load = tiny().cell("NAND2").pins["Y"].powers[0].rise  # 2 at 0 fF, 4 at 10 fF
    np.testing.assert_allclose(by_load.at(0.5, np.array([0.0, 5.0, 20.0])), [2.0, 3.0, 6.0])


CASES = {
    "!(A & B)": lambda a, b, c: not (a and b),
    "A B'": lambda a, b, c: a and not b,
    "A + B * C": lambda a, b, c: a or (b and c),
    "A ^ B & C": lambda a, b, c: (a != b) and c,  # ^ binds first in Liberty
    "(A | !B) !C": lambda a, b, c: (a or not b) and not c,
    "A&1 | 0&B": lambda a, b, c: a,
}


@pytest.mark.parametrize("text", CASES)
def test_functions_mean_what_python_says(text):
    function = parse_function(text, "test")
    for a, b, c in itertools.product((0, 1), repeat=3):
        assert function.evaluate({"A": a, "B": b, "C": c}) == bool(CASES[text](a, b, c))


def test_a_gzipped_file_is_the_same_library(tmp_path):
    path = tmp_path / "tiny.lib.gz"
    path.write_bytes(gzip.compress(TINY.encode()))
    assert read_liberty(path).cell("INV").area == 1.0


def test_cells_that_are_not_understood_are_named():
    assert tiny().unusable() == ["LATCH"]
    assert tiny().cell("LATCH").refusal == "it has a latch"
    marked = tiny(("area : 2.0;", "area : 2.0; dont_use : true;"))
    assert marked.unusable() == ["LATCH", "NAND2"]


BROKEN = {
    "voltage": ("nom_voltage : 2.0;", "", "nom_voltage must be a positive number, not None"),
    "unit": ('"1nW"', '"1 horse"', "leakage_power_unit must be a number with a unit of W"),
    "load unit": ("capacitive_load_unit (1, ff);", "", "capacitive_load_unit must be"),
    "brace": ("library (tiny) {", "library (tiny) { cell (X) {", "must have '}' of library"),
    "function": ('"!A"', '"!A &"', "must be a Boolean expression of pins, not '!A &'"),
    "values": ('"2, 4", "2, 4"', '"2, 4", "2"', "must have 4 values, not 3"),
    "number": ('"2, 4", "2, 4"', '"2, x", "2, 4"', "must be numbers"),
    "template": ("rise_power (by_slew)", "rise_power (gone)", "must use a declared template"),
    "variable": ("variable_1 : input_transition_time; index", "variable_1 : mood; index", "'mood'"),
    "edge": ('fall_power (scalar) { values ("0.5"); }', "", "must have fall_power, not none"),
    "direction": ("direction : input; capacitance : 2.0;", "", "direction must be input or output"),
    "area": ("area : 1.0;", "", "area must be a number, not None"),
}  # fmt: skip


def every_cell(text: str) -> None:
    library = parse_liberty(text, "tiny.lib")
    for name in library.groups:
        library.cell(name)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_library_is_refused_in_one_line(case):
    old, new, message = BROKEN[case]
    assert old in TINY
    with pytest.raises(InputError) as refused:
        every_cell(TINY.replace(old, new, 1))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_cell_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"Cell 'AND9' must be in Liberty 'tiny\.lib'"):
        tiny().cell("AND9")
    with pytest.raises(InputError, match="Liberty must be a file"):
        read_liberty(tmp_path / "none.lib")
