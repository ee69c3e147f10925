"""What the output stage's energy follows, and the fit of it to the gates.

A unit has one size: its energy is cycles x standing + toggles x their worth. Toggles are counted
from the accs alone, in bits, over the order in which they come; in idle cycles nothing moves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ..output_stage.streams import REQUANT, THRESHOLD, OutputStream
from .fit import Errors, non_negative

Codes = npt.NDArray[np.int64]

TERMS = {
    THRESHOLD: ("cycle", "acc", "row", "reached", "code"),
    REQUANT: ("cycle", "acc", "row", "multiply", "scaled", "total", "code"),
}
"""cycle: clock, leakage, control. acc, row: changed bits of sums (and residual codes), parameters.
multiply: changed bits of the sum times ones of the multiplier, and the other way round. reached:
comparators that change. scaled, total, code: changed bits of those registers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputSample:
    """What the gates of a unit said of one stream."""

    layer: str
    outputs: int
    cycles: int
    terms: Mapping[str, float]
    """By `TERMS` of the unit."""
    energy_fj: float


def output_terms(arch: Arch, stream: OutputStream) -> dict[str, float]:
    """The numbers of `TERMS` for the whole stream."""
    acc, channel = stream.accs.ravel(), stream.channels.ravel()
    found = {"cycle": float(stream.cycles), "acc": _flips(acc, arch.acc_width).sum()}
    if stream.unit == THRESHOLD:
        tau = np.array([word["tau"] for word in stream.rows], np.int64)[channel]
        sign = np.array([1 - 2 * word["negative"] for word in stream.rows], np.int64)[channel]
        reached = (sign * acc)[:, None] >= tau
        found["row"] = _flips(tau, arch.tau_width).sum() + _flips(sign, 2).sum()
        found["reached"] = (reached[1:] != reached[:-1]).sum()
    else:
        found |= _requant_terms(arch, stream, acc, channel)
    found["code"] = _flips(stream.codes.ravel(), arch.out_width).sum()
    return {name: float(found[name]) for name in TERMS[stream.unit]}


def _requant_terms(
    arch: Arch, stream: OutputStream, acc: Codes, channel: Codes
) -> dict[str, float]:
    widths = arch.requant
    multiplier, bias = (
        np.array([word[name] for word in stream.rows], np.int64)[channel]
        for name in ("multiplier", "bias")
    )
    skips, shift = stream.skips.ravel(), stream.config["shift"]
    scaled = multiplier * acc
    total = scaled + stream.config["skip_multiplier"] * skips + bias + ((1 << shift) >> 1)
    moved = _flips(acc, arch.acc_width), _flips(multiplier, widths.multiplier_width)
    ones = (
        np.bitwise_count(value & ((1 << width) - 1)).astype(np.int64)
        for value, width in ((multiplier, widths.multiplier_width), (acc, arch.acc_width))
    )
    product = widths.multiplier_width + arch.acc_width
    return {
        "acc": moved[0].sum() + _flips(skips, widths.skip_width).sum(),
        "row": moved[1].sum() + _flips(bias, widths.bias_width).sum(),
        "multiply": sum(float((m * one[1:]).sum()) for m, one in zip(moved, ones, strict=True)),
        "scaled": _flips(scaled, product).sum(),
        "total": _flips(total, product).sum() + _flips(total >> shift, product).sum(),
    }


def fit_unit(unit: str, samples: Sequence[OutputSample]) -> dict[str, float]:
    """fJ per term: least squares of relative errors, no coefficient below 0."""
    matrix = np.array([[sample.terms[name] for name in TERMS[unit]] for sample in samples])
    measured = np.array([sample.energy_fj for sample in samples])
    return dict(zip(TERMS[unit], non_negative(matrix, measured), strict=True))


def predict_output_fj(coefficients: Mapping[str, float], terms: Mapping[str, float]) -> float:
    """Energy of a stream by the fit."""
    return sum(coefficients[name] * value for name, value in terms.items())


def output_errors(coefficients: Mapping[str, float], samples: Sequence[OutputSample]) -> Errors:
    """Of the energies of the samples."""
    predicted = [predict_output_fj(coefficients, sample.terms) for sample in samples]
    return Errors.of(np.array(predicted), np.array([sample.energy_fj for sample in samples]))


def _flips(values: Codes, width: int) -> Codes:
    """Bits that differ from the value before, of two's complement of `width` bits; rows summed."""
    changed = (values[1:] ^ values[:-1]) & ((1 << width) - 1)
    counts = np.bitwise_count(changed).astype(np.int64)
    return counts if counts.ndim == 1 else counts.sum(axis=1)
