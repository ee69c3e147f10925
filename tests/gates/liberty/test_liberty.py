"""The Liberty reader on an artificial library: units, functions, tables, and what it refuses."""

import functools
import gzip
import itertools
import tracemalloc

import liberty_mutants
import numpy as np
import pytest
from tiny_liberty import TINY, tiny

from adqhw.gates.liberty.function import parse_function
from adqhw.gates.liberty.liberty import parse_liberty, read_liberty
from adqhw.gates.liberty.table import Table
from adqhw.spec import InputError
from adqhw.spec.host.limits import MAX_TEXT_BYTES


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


def test_a_number_in_a_table_is_the_same_as_in_an_array():
    """To the last bit, inside, on and beyond the points, with one axis, two or none."""
    rng = np.random.default_rng(3)
    slews, loads = (np.sort(rng.random(n)) for n in (3, 4))
    axes = {
        (): (),
        (3,): (("slew", slews),),
        (4, 3): (("load", loads), ("slew", slews)),
        (1, 3): (("load", loads[:1]), ("slew", slews)),
    }
    for shape, named in axes.items():
        table = Table(axes=named, values=rng.random(shape))
        for slew in (*slews, *rng.random(20) * 3 - 1):
            for load in (*loads, *rng.random(5) * 3 - 1):
                assert table.number_at(float(slew), float(load)) == float(table.at(slew, load))


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


UNPLAIN = (
    "A;B",
    "A B",
    "A\nB",
    "A -exec",
    "$x",
    "`id`",
    "../A",
    "A#",
    "é",
    "",
    "[exec]",
    "A\\",
    "\u202e",
)


@pytest.mark.parametrize("name", UNPLAIN)
def test_names_that_a_script_would_obey_are_refused(name):
    """Cells' names become words of yosys's script; a library's ends in messages and tables."""
    for old in ("cell (INV)", "library (tiny)"):
        changed = TINY.replace(old, old.split()[0] + f' ("{name}")', 1)
        if (old, name) == ("library (tiny)", "A\\"):
            continue  # a quoted backslash before a quote is read as it stands
        with pytest.raises(InputError, match="must be named by letters") as refused:
            parse_liberty(changed, "tiny.lib")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", [n for n in UNPLAIN if n] + ["A[0]"])
def test_a_cell_whose_pin_no_script_may_name_is_not_used(name):
    old = "pin (A) { direction : input; capacitance : 2.0; }"
    library = tiny((old, old + f' pin ("{name}") {{ direction : input; }}'))
    assert "INV" in library.unusable()
    assert "is not named by letters" in library.cell("INV").refusal


def test_a_function_of_what_the_cell_has_not_is_not_used():
    library = tiny(('"!A"', '"!A ^ Z"'))
    assert library.cell("INV").refusal == "it has no input 'Z', which it depends on"
    assert "INV" in library.unusable()


HOSTILE = {
    "depth": ("cell (INV) {", "cell (INV) {" + "x () {" * 100, "at most 20 groups"),
    "arguments": ('values ("6")', f'values ({"6," * 600_000})', "characters of arguments"),
    "comment": ("cell (LATCH) {", "/* cell (LATCH) {", "must close the comment of line"),
    "brackets": ('"!A"', f'"{"(" * 5000}A"', "at most 50 brackets"),
    "negations": ('"!A"', f'"{"!" * 5000}A"', "at most 50 brackets"),
    "product": ('"!A"', f'"{"A " * 5000}"', "at most 400 names"),
    "sense": ("timing_sense : negative_unate", "timing_sense : x", "must be one of positive_unate"),
    "twice": ("cell (NAND2) {", "cell (INV) {", "must have a name of its own"),
    "huge": ("area : 1.0;", "area : 1e300;", "area must be a number"),
    "digits": ("area : 1.0;", f"area : {'9' * 5000};", "area must be a number"),
    "negative": ("area : 1.0;", "area : -1.0;", "area must be at least 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_library_is_refused_in_one_short_line(case):
    old, new, message = HOSTILE[case]
    assert old in TINY
    with pytest.raises(InputError) as refused:
        liberty_mutants.use(parse_liberty(TINY.replace(old, new, 1), "tiny.lib"))
    assert message in str(refused.value)
    assert len(str(refused.value)) < 400


def test_entries_are_bounded(monkeypatch):
    monkeypatch.setattr("adqhw.gates.liberty.text.MAX_ENTRIES", 100)
    with pytest.raises(InputError, match="at most 100 groups, attributes and arguments in line"):
        tiny()


def test_a_packed_bomb_is_refused_while_it_is_unpacked(tmp_path):
    path = tmp_path / "bomb.lib.gz"
    with gzip.open(path, "wb", 1) as stream:
        for _ in range(300):
            stream.write(b" " * (1 << 20))
    tracemalloc.start()
    with pytest.raises(InputError, match="at most 64 MiB of text"):
        read_liberty(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_TEXT_BYTES


def test_a_text_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "x.lib"
    for data in (b"\xff\xfe", b"library (a) {\0}", b""):
        path.write_bytes(data)
        with pytest.raises(InputError):
            read_liberty(path)


def fuzz(folder, seed, count):
    """Mutants of a text and of its gzip file: read whole, or refused in one line; no third way."""
    path, read, messages = folder / "m.lib.gz", 0, []
    readers = [functools.partial(parse_liberty, text, "m.lib")
               for text in liberty_mutants.texts(TINY, seed, count)]  # fmt: skip
    readers += [
        lambda data=data: (path.write_bytes(data), read_liberty(path))[1]
        for data in liberty_mutants.packed(TINY.encode(), seed, count)
    ]
    for reader in readers:
        try:
            liberty_mutants.use(reader())
            read += 1
        except InputError as error:
            messages.append(str(error))
    assert not [text for text in messages if "\n" in text]
    assert 0 < read < count  # both ways were gone


def test_mutants_are_read_or_refused(tmp_path):
    fuzz(tmp_path, 1, 400)


@pytest.mark.slow
def test_many_mutants_are_read_or_refused(tmp_path):
    fuzz(tmp_path, 2, 15_000)
