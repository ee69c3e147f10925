"""The fit: recovers the coefficients of the samples, none is below 0, errors are reported."""

from dataclasses import replace

import numpy as np
import pytest

from adqhw.gates.array.structure import structure
from adqhw.gates.model.linear import Errors, Sample, errors_of, fit_area, fit_energy, predict
from adqhw.gates.model.parts import Part, terms_of
from adqhw.rtl.lanes.toggles import TOGGLES
from adqhw.spec import InputError

TERMS = terms_of(Part.ARRAY, "decode")
RNG = np.random.default_rng(11)
TRUTH = dict(zip(TERMS, RNG.uniform(1, 50, len(TERMS)), strict=True))
SIZES = [(1, 1), (1, 2), (2, 1), (2, 2)]


def sample(rows: int, cols: int, number: int) -> Sample:
    toggles = {name: float(RNG.integers(100, 5000)) * rows * cols for name in TOGGLES}
    cycles = int(RNG.integers(900, 1100))
    terms = {name: cycles * size for name, size in structure(rows, cols).items()} | toggles
    return Sample(
        layer=f"layer{number}", operands="real", count=1000, terms=terms,
        energy_fj=predict(TRUTH, terms),
    )  # fmt: skip


SAMPLES = [sample(*size, n) for n in range(12) for size in SIZES]


def test_coefficients_are_recovered():
    found = fit_energy(SAMPLES)
    assert found == pytest.approx(TRUTH, rel=1e-6)
    assert errors_of(found, [sample(4, 2, 99)]).worst == pytest.approx(0, abs=1e-6)


def test_no_coefficient_is_negative():
    """A term whose true value is below 0 is fitted as 0, and the errors show it."""
    wrong = TRUTH | {"bus": -10.0}
    samples = [replace(s, energy_fj=predict(wrong, s.terms)) for s in SAMPLES]
    found = fit_energy(samples)
    assert min(found.values()) >= 0
    assert found["bus"] == 0
    assert errors_of(found, samples).median > 0.1


def test_errors_are_signed_and_relative():
    errors = Errors.of(np.array([110.0, 95.0, 80.0]), np.array([100.0, 100.0, 100.0]))
    assert (errors.samples, errors.median, errors.worst) == (
        3,
        pytest.approx(10),
        pytest.approx(-20),
    )


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match=f"at least {len(TERMS)} to fit, not 3"):
        fit_energy(SAMPLES[:3])


def test_area_of_sizes_that_were_not_fitted():
    areas = {(r, c): 500 + 30 * r + 200 * c + 90 * r * c for r, c in SIZES}
    assert predict(fit_area(areas), structure(4, 8)) == pytest.approx(500 + 120 + 1600 + 2880)
