"""Predictor: top-1 of bits that nobody trained, from the programs that were.

    top-1 = intercept - weight * mean(2^-width of layers with free bits) - act * 2^-act_width

Three numbers, fitted by least squares with no negative loss to the programs whose accuracy is
known. How far it is off on a program that it has not seen is measured by leaving each of them out
in turn (`errors`). It knows nothing of the training: its length, its teacher, the kind of codebook.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.program import Program
from ..sweep.designs import Workload
from .altered import act_widths, choosable

LEAST_PROGRAMS = 5
"""Known accuracies, for three coefficients and an error that means something."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Predictor:
    """Coefficients in points of top-1, and errors (predicted minus known) of programs left out."""

    intercept: float
    weight: float
    act: float
    errors: tuple[float, ...]
    names: tuple[str, ...]

    def top1(self, program: Program) -> float:
        """Predicted top-1 in percent."""
        return float(_row(program) @ [self.intercept, self.weight, self.act])

    @property
    def median_error(self) -> float:
        """Of the programs left out, absolute."""
        return float(np.median(np.abs(self.errors)))

    @property
    def worst_error(self) -> float:
        return float(np.max(np.abs(self.errors)))

    def to_dict(self) -> dict[str, Any]:
        return {
            "intercept": self.intercept,
            "weight": self.weight,
            "act": self.act,
            "median_error": self.median_error,
            "worst_error": self.worst_error,
            "errors": dict(zip(self.names, self.errors, strict=True)),
        }


def fit(workloads: Sequence[Workload]) -> Predictor | None:
    """The predictor of these programs; None where too few accuracies or widths are known."""
    known = [(w, w.accuracy) for w in workloads if w.accuracy is not None]
    rows = [_row(workload.program) for workload, _ in known]
    if len(known) < LEAST_PROGRAMS or len({tuple(row.tolist()) for row in rows}) < 3:
        return None
    inputs, answers = np.array(rows), np.array([accuracy for _, accuracy in known])
    errors = []
    for left in range(len(known)):
        others = np.arange(len(known)) != left
        found = _fitted(inputs[others], answers[others])
        errors.append(float(inputs[left] @ found - answers[left]))
    intercept, weight, act = _fitted(inputs, answers).tolist()
    return Predictor(
        intercept=intercept,
        weight=weight,
        act=act,
        errors=tuple(errors),
        names=tuple(workload.name for workload, _ in known),
    )


def _row(program: Program) -> Floats:
    """(3,) 1, and what the two losses multiply, negative."""
    widths = [program.layer(name).weight_width for name in choosable(program)]  # type: ignore[union-attr]
    acts = act_widths(program)
    weight = float(np.mean([2.0**-width for width in widths])) if widths else 0.0
    return np.array([1.0, -weight, -(2.0 ** -acts[0]) if acts else 0.0])


def _fitted(inputs: Floats, answers: Floats) -> Floats:
    """Least squares; a loss that comes out negative, or that nothing determines, is 0."""
    used = [0, 1, 2]
    while True:
        found = np.zeros(3)
        found[used] = np.linalg.lstsq(inputs[:, used], answers, rcond=None)[0]
        negative = [column for column in used[1:] if found[column] < 0]
        if not negative:
            return found
        used.remove(min(negative, key=lambda column: found[column]))
