"""The fit: recovers coefficients that made the samples, keeps none below 0, says its errors."""

from dataclasses import replace

import numpy as np
import pytest

from adqhw.gates.model.fit import (
    Errors,
    Sample,
    errors_of,
    fit_area,
    fit_energy,
    predict_area,
    predict_fj,
    terms_of,
)
from adqhw.rtl.lanes.toggles import TOGGLES
from adqhw.spec import InputError

TERMS = terms_of("decode")
RNG = np.random.default_rng(11)
TRUTH = dict(zip(TERMS, RNG.uniform(1, 50, len(TERMS)), strict=True))
SIZES = [(1, 1), (1, 2), (2, 1), (2, 2)]


def sample(rows: int, cols: int, number: int) -> Sample:
    toggles = {name: float(RNG.integers(100, 5000)) * rows * cols for name in TOGGLES}
    plain = Sample(
        rows=rows, cols=cols, layer=f"layer{number}", operands="real", image=0, macs=1000,
        cycles=int(RNG.integers(900, 1100)), toggles=toggles, energy_fj=1.0,
    )  # fmt: skip
    return replace(plain, energy_fj=predict_fj(TRUTH, plain))


SAMPLES = [sample(*size, n) for n in range(12) for size in SIZES]


def test_coefficients_are_recovered():
    found = fit_energy(SAMPLES)
    assert found == pytest.approx(TRUTH, rel=1e-6)
    assert errors_of(found, [sample(4, 2, 99)]).worst == pytest.approx(0, abs=1e-6)


def test_no_coefficient_is_negative():
    """A term whose truth is below 0 ends at 0, and the errors tell."""
    wrong = TRUTH | {"bus": -10.0}
    samples = [replace(s, energy_fj=predict_fj(wrong, s)) for s in SAMPLES]
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
    assert predict_area(fit_area(areas), 4, 8) == pytest.approx(500 + 120 + 1600 + 2880)
