"""The units' benches on the units themselves; `make mutate` runs them on mutants."""

import pytest

from adqhw.verify.mutation.benches import reset_bench
from adqhw.verify.mutation.units import UNITS


@pytest.mark.parametrize(
    "unit",
    [pytest.param(unit, marks=[pytest.mark.slow] * unit.slow_bench) for unit in UNITS],
    ids=lambda unit: unit.name,
)
def test_the_unit_passes_its_bench(unit):
    unit.bench(unit.make, None)


@pytest.mark.parametrize(
    "unit",
    [pytest.param(unit, marks=[pytest.mark.slow] * unit.slow_reset) for unit in UNITS],
    ids=lambda unit: unit.name,
)
def test_reset_brings_back_the_state_of_power_up(unit):
    reset_bench(unit.make, None, unit.kept)
