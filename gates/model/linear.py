"""Linear models of gates: energy as a sum of counted terms with fitted coefficients.

A sample is one stream on mapped gates. The terms of a lane array are (`array.structure`, toggles)

    cycles x (array + rows x row + columns x column + lanes x lane) + sum of toggles x their worth

and its area likewise, without cycles and toggles; those of an output unit `output_stage.terms`.
Worths are least squares of relative errors and never negative: an array outside the fitted sizes
would else be predicted to gain energy by being larger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ..array.structure import STRUCTURE, structure

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Measured energy of one stream on one mapped array or unit."""

    layer: str
    operands: str
    """`real` or `random`."""
    count: int
    """MACs of an array's stream, outputs of a unit's."""
    terms: Mapping[str, float]
    """Terms of the energy, of the whole stream."""
    energy_fj: float
    sums_fj: float | None = None
    """The part of it in the memories of sums of an array that holds weights, with their adders."""
    unplaced_fj: float | None = None
    """Of a placed array or unit, without what its placement adds."""
    unplaced_sums_fj: float | None = None
    """The part of that in the memories of sums."""

    @property
    def rest(self) -> "Sample":
        """Without the memories of sums."""
        return replace(self, energy_fj=self.energy_fj - (self.sums_fj or 0.0), sums_fj=None)

    @property
    def bare(self) -> "Sample":
        """Without what placement adds."""
        assert self.unplaced_fj is not None
        return replace(
            self,
            energy_fj=self.unplaced_fj,
            sums_fj=self.unplaced_sums_fj,
            unplaced_fj=None,
            unplaced_sums_fj=None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Errors:
    """Signed relative errors of predictions, summed up. In percent."""

    samples: int
    median: float
    """Of the absolute errors."""
    worst: float
    """The signed error that is largest in size."""

    @classmethod
    def of(cls, predicted: Floats, measured: Floats) -> "Errors":
        percent = 100 * (predicted / measured - 1)
        worst = float(percent[np.argmax(np.abs(percent))])
        return cls(samples=len(percent), median=float(np.median(np.abs(percent))), worst=worst)


def fit_energy(samples: Sequence[Sample]) -> dict[str, float]:
    """fJ per term: least squares of (predicted / measured - 1) with no coefficient below 0."""
    names = list(samples[0].terms) if samples else []
    if len(samples) < max(1, len(names)):
        raise InputError(f"Samples must be at least {len(names)} to fit, not {len(samples)}")
    measured = np.array([sample.energy_fj for sample in samples])
    matrix = np.array([[sample.terms[name] for name in names] for sample in samples])
    return dict(zip(names, non_negative(matrix, measured), strict=True))


def predict(coefficients: Mapping[str, float], terms: Mapping[str, float]) -> float:
    """The sum of `terms`, each at its coefficient."""
    return sum(coefficients[name] * value for name, value in terms.items())


def errors_of(coefficients: Mapping[str, float], samples: Sequence[Sample]) -> Errors:
    """Of the energies of the samples."""
    if not samples:
        raise InputError("Samples must be at least 1 to have errors, not 0: more layers are needed")
    predicted = np.array([predict(coefficients, sample.terms) for sample in samples])
    return Errors.of(predicted, np.array([sample.energy_fj for sample in samples]))


def fit_area(areas: Mapping[tuple[int, int], float]) -> dict[str, float]:
    """um2 per array, row, column and lane, from arrays of some sizes (rows, cols)."""
    matrix = np.array([[structure(*size)[name] for name in STRUCTURE] for size in areas])
    return dict(zip(STRUCTURE, non_negative(matrix, np.array([*areas.values()])), strict=True))


def non_negative(matrix: Floats, measured: Floats) -> list[float]:
    """Coefficients of the columns; every row weighs by its relative error."""
    from scipy.optimize import nnls

    relative = matrix / measured[:, None]
    scale = np.maximum(np.abs(relative).max(axis=0), np.finfo(float).tiny)  # for conditioning
    found, _ = nnls(relative / scale, np.ones(len(measured)))
    return [float(value) for value in found / scale]
