"""The user's LEF and wire files: what is read, and what is refused."""

import needs
import pytest
from placed_library import LEF, RC, placed_library, written

from adqhw.gates.placement.footprints import from_areas, read_lef
from adqhw.gates.placement.wire_rc import read_rc
from adqhw.gates.placement.wires import Placing
from adqhw.spec import InputError

SCRIPT = """# units: fF, kOhm
set_layer_rc -layer m2 -resistance 2e-3 -capacitance 0.1
set_layer_rc -layer m3 -capacitance 0.3 -resistance 1e-3
set_layer_rc -via v1 -resistance 9
set_wire_rc -signal -layers {m2 m3}
set_wire_rc -clock -layer m3
puts "other lines are not looked at"
"""


def test_footprints_of_a_lef(tmp_path):
    needs.package("sc-leflib", "pip install 'adqhw[place]'", module="sc_leflib")
    found = read_lef([written(tmp_path)[0]])
    assert (found.of("NAND2").width, found.of("NAND2").height) == (2, 2)
    assert found.of("NAND2").pin("Y") == (1.0, 1.5)  # the middle of both shapes' box
    assert found.of("INV").pin("A") == pytest.approx((0.2, 0.5))
    assert found.of("DFF").pin("unknown") == (2, 1)
    with pytest.raises(InputError, match="Cell 'BUF' must be a MACRO"):
        found.of("BUF")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("VERSION 5.8 ;\nEND LIBRARY\n", "must have MACROs, not none"),
        (LEF.replace("SIZE 1 BY 2", "SIZE 99999 BY 2"), "SIZE must be two lengths in um"),
        ("MACRO ((", "must be LEF"),
    ],
)
def test_lefs_that_are_refused(tmp_path, text, message):
    needs.package("sc-leflib", "pip install 'adqhw[place]'", module="sc_leflib")
    path = tmp_path / "bad.lef"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_lef([path])
    with pytest.raises(InputError, match="must be a file"):
        read_lef([tmp_path / "none.lef"])


def test_a_parser_that_complains_is_not_heard(tmp_path, capfd):
    needs.package("sc-leflib", "pip install 'adqhw[place]'", module="sc_leflib")
    path = tmp_path / "bad.lef"
    path.write_text("MACRO ((")
    with pytest.raises(InputError, match="must be LEF"):
        read_lef([path])
    assert capfd.readouterr() == ("", "")


def test_footprints_of_areas():
    found = from_areas(placed_library(), 2.0)
    assert (found.of("DFF").width, found.of("DFF").height) == (3.0, 2.0)
    assert found.of("DFF").pin("CK") == (1.5, 1.0)
    for height in (0.0, float("nan"), -1.0):
        with pytest.raises(InputError, match="Row height must be"):
            from_areas(placed_library(), height)


@pytest.mark.parametrize(("name", "text"), [("rc.toml", RC), ("setRC.tcl", SCRIPT)])
def test_both_forms_of_wires_are_the_same(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text)
    found = read_rc(path, placed_library())
    assert (found.signal.ff, found.signal.ohm) == pytest.approx((0.2, 1.5))
    assert (found.clock.ff, found.clock.ohm) == pytest.approx((0.3, 1.0))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", RC.replace('["m3"]', '["m9"]'), "must name layers of the file, not 'm9'"),
        ("a.toml", RC.replace("= 0.3", "= -1"), "capacitance per um must be at least 0, not -1"),
        ("a.toml", RC.replace("= 0.3", "= nan"), "capacitance per um must be at least 0"),
        ("a.toml", RC.replace("ohm_per_um = 2", "ohm = 2"), "must have ohm_per_um and ff_per_um"),
        ("a.toml", "x = 1", "must have layers, signal and clock"),
        ("a.tcl", SCRIPT.replace("-clock", "-signal"), "clock must name one or more layers"),
        ("a.tcl", SCRIPT.replace("2e-3", "fast"), "line 2 must have numbers per um, not 'fast'"),
        ("a.tcl", "set_layer_rc m2 -resistance 1", "line 1 must be options with values"),
    ],
)
def test_wires_that_are_refused(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_rc(path, placed_library())


def test_a_placement_has_one_source_of_footprints(tmp_path):
    for options in ({}, {"lef": (tmp_path,), "row_um": 2.0}):
        with pytest.raises(InputError, match="either LEF files or a row height"):
            Placing(rc=tmp_path, **options)
