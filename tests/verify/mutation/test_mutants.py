"""The mutants' model: mutant 0 is the unit itself, however few mutants stand beside it."""

import pytest

from adqhw.verify.mutation.__main__ import killed
from adqhw.verify.mutation.netlist import build
from adqhw.verify.mutation.units import UNITS

UNIT = next(unit for unit in UNITS if unit.name == "threshold")


@pytest.mark.formal
@pytest.mark.slow
def test_the_unit_passes_in_cxxrtl_and_its_mutants_do_not(tmp_path):
    model = build(UNIT.make, tmp_path, count=3, seed=1)
    assert len(model.mutants) == 3
    assert [killed(UNIT, model, number) for number in range(4)] == [False, True, True, True]
