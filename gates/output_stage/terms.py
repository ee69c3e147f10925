"""Terms of the output stage's energy: the cycles of a stream, and the bits that it toggles.

Toggles are counted from the accs alone, over the order in which they come; in idle cycles nothing
moves.
"""

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from .streams import REQUANT, THRESHOLD, OutputStream

Codes = npt.NDArray[np.int64]

CYCLE = "cycle"
UNIT_TERMS = {
    THRESHOLD: (CYCLE, "acc", "row", "reached", "code"),
    REQUANT: (CYCLE, "acc", "row", "multiply", "scaled", "total", "code"),
}
"""cycle: clock, leakage, control. acc, row: changed bits of sums (and residual codes), parameters.
multiply: changed bits of the sum times ones of the multiplier, and the other way round. reached:
comparators that change. scaled, total, code: changed bits of those registers."""


def output_terms(arch: Arch, stream: OutputStream) -> dict[str, float]:
    """The numbers of `UNIT_TERMS` for the whole stream."""
    acc, channel = stream.accs.ravel(), stream.channels.ravel()
    found = {CYCLE: float(stream.cycles), "acc": _flips(acc, arch.acc_width).sum()}
    if stream.unit == THRESHOLD:
        tau = np.array([word["tau"] for word in stream.rows], np.int64)[channel]
        sign = np.array([1 - 2 * word["negative"] for word in stream.rows], np.int64)[channel]
        reached = (sign * acc)[:, None] >= tau
        found["row"] = _flips(tau, arch.tau_width).sum() + _flips(sign, 2).sum()
        found["reached"] = (reached[1:] != reached[:-1]).sum()
    else:
        found |= _requant_terms(arch, stream, acc, channel)
    found["code"] = _flips(stream.codes.ravel(), arch.out_width).sum()
    return {name: float(found[name]) for name in UNIT_TERMS[stream.unit]}


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


def _flips(values: Codes, width: int) -> Codes:
    """Bits that differ from the value before, of two's complement of `width` bits; rows summed."""
    changed = (values[1:] ^ values[:-1]) & ((1 << width) - 1)
    counts = np.bitwise_count(changed).astype(np.int64)
    return counts if counts.ndim == 1 else counts.sum(axis=1)
