"""Which cells stand for each other, and which of them a load asks for; added up by hand."""

import pytest
from drive_library import drive_library, gate

from adqhw.gates.repair.drives import Drives
from adqhw.gates.repair.variants import usable_cells, variants
from adqhw.spec import InputError


def test_cells_of_one_function_whatever_their_names_are():
    library = drive_library(gate("EPSILON", "!(B & A)", 1, 0.1, 1))
    found = variants(library, usable_cells(library))
    assert found["INV"] == found["ALPHA"] == ("INV", "ALPHA")
    assert found["NAND"] == ("EPSILON", "NAND", "BETA")  # by area
    assert found["NOR"] == ("NOR",)
    assert found["DFF"] == ("DFF", "DELTA")
    assert found["BUF"] == ("BUF", "GAMMA")


def test_cells_that_are_not_chosen():
    library = drive_library()
    found = variants(library, usable_cells(library, ["ALP*"], {"INV", "ALPHA", "BUF"}))
    assert found["ALPHA"] == ("INV",)  # it may be replaced
    assert found["NAND"] == ()


def test_a_flip_flop_with_a_clear_is_another_kind():
    from drive_library import REGISTER

    text = REGISTER.format(name="CLEARED", area=7, delay="0.2, 0.3").replace(
        'next_state : "D";', 'next_state : "D"; clear : "!D";'
    )
    library = drive_library(text)
    found = variants(library, usable_cells(library))
    assert found["CLEARED"] == ("CLEARED",)
    assert "CLEARED" not in found["DFF"]


def test_targets():
    """BUF under 10 fF: 0.05 + 0.1; GAMMA under 20: 0.05 + 0.04. Their mean is 0.12 ns."""
    drives = Drives(drive_library())
    assert drives.slews == (pytest.approx(0.12), pytest.approx(0.12))
    assert drives.target_load("INV", "Y") == pytest.approx(7, rel=1e-6)  # 0.07 over 0.01
    assert drives.target_load("ALPHA", "Y") == pytest.approx(28, rel=1e-6)
    assert drives.resistance("ALPHA", "Y") == pytest.approx(0.0025)
    assert drives.delay("ALPHA", "Y", 10) == pytest.approx(0.125)
    assert drives.smallest == "BUF"


def test_the_size_for_a_load():
    drives = Drives(drive_library())
    sizes = [drives.for_load("NAND", "Y", load) for load in (1, 17, 18, 500)]
    assert sizes == ["NAND", "NAND", "BETA", "BETA"]  # 7 and 28 fF: 17.5 is between
    assert drives.for_load("BETA", "Y", 3) == "NAND"
    assert drives.for_load("BETA", "Y", 3, larger=True) == "BETA"
    assert drives.for_load("NOR", "Y", 500) == "NOR"


def test_a_stronger_cell_has_to_be_faster():
    """NAND into 40 fF: 0.5; BETA 0.2, but 4 fF more for what is before it."""
    drives = Drives(drive_library())
    assert drives.upsized("NAND", "Y", "A", 40, 0.01) == "BETA"
    assert drives.upsized("NAND", "Y", "A", 4, 0.01) is None  # 0.14 + 0.02 and 0.11 + 0.06
    assert drives.upsized("BETA", "Y", "A", 40, 0.0) is None


def test_a_library_without_buffer_is_refused():
    """Where something has to be repaired."""
    without = Drives(drive_library(), ["BUF", "GAMMA"])
    for name in ("slews", "smallest"):
        with pytest.raises(
            InputError, match="must have a buffer that can be placed to repair with"
        ):
            getattr(without, name)
