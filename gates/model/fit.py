"""From gate-level samples to a few coefficients: non-negative least squares of relative errors.

A sample is one stream on one array. Its energy is taken as

    cycles x (array + rows x row + columns x column + lanes x lane) + sum of toggles x their worth

and its area likewise, without cycles and toggles. Negative worths are not allowed: an array outside
the fitted sizes would else be predicted to gain energy by being larger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...rtl.arch import registry
from ...spec.errors import InputError
from ..array.structure import STRUCTURE, structure

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What the gates of one array said of one stream."""

    rows: int
    cols: int
    layer: str
    operands: str
    image: int
    macs: int
    cycles: int
    toggles: Mapping[str, float]
    """By `Micro.toggle_names`, of the whole stream."""
    energy_fj: float


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


def terms_of(micro: str) -> tuple[str, ...]:
    """Names of what the energy of a micro-architecture's arrays is a sum over."""
    return (*STRUCTURE, *registry.micro(micro).toggle_names)


def terms(sample: Sample) -> dict[str, float]:
    """What the sample's energy is a sum over: `STRUCTURE` of all cycles, then its toggles."""
    fixed = structure(sample.rows, sample.cols)
    return {name: fixed[name] * sample.cycles for name in STRUCTURE} | dict(sample.toggles)


def fit_energy(samples: Sequence[Sample]) -> dict[str, float]:
    """fJ per term: least squares of (predicted / measured - 1) with no coefficient below 0."""
    found = [terms(sample) for sample in samples]
    names = list(found[0]) if found else []
    if len(samples) < max(1, len(names)):
        raise InputError(f"Samples must be at least {len(names)} to fit, not {len(samples)}")
    measured = np.array([sample.energy_fj for sample in samples])
    matrix = np.array([[each[name] for name in names] for each in found])
    return dict(zip(names, non_negative(matrix, measured), strict=True))


def predict_fj(coefficients: Mapping[str, float], sample: Sample) -> float:
    """Energy of the sample's stream by the fit."""
    return sum(coefficients[name] * value for name, value in terms(sample).items())


def fit_area(areas: Mapping[tuple[int, int], float]) -> dict[str, float]:
    """um2 per array, row, column and lane, from arrays of some sizes (rows, cols)."""
    matrix = np.array([[structure(*size)[name] for name in STRUCTURE] for size in areas])
    return dict(zip(STRUCTURE, non_negative(matrix, np.array([*areas.values()])), strict=True))


def predict_area(coefficients: Mapping[str, float], rows: int, cols: int) -> float:
    """um2 of an array by the fit."""
    fixed = structure(rows, cols)
    return sum(coefficients[name] * fixed[name] for name in STRUCTURE)


def errors_of(coefficients: Mapping[str, float], samples: Sequence[Sample]) -> Errors:
    """Of the energies of the samples."""
    predicted = np.array([predict_fj(coefficients, sample) for sample in samples])
    return Errors.of(predicted, np.array([sample.energy_fj for sample in samples]))


def non_negative(matrix: Floats, measured: Floats) -> list[float]:
    """Coefficients of the columns; every row weighs by its relative error."""
    from scipy.optimize import nnls

    relative = matrix / measured[:, None]
    scale = np.maximum(np.abs(relative).max(axis=0), np.finfo(float).tiny)  # for conditioning
    found, _ = nnls(relative / scale, np.ones(len(measured)))
    return [float(value) for value in found / scale]
