"""Trunc: what it divides by, and the values that bound its codes."""

from fractions import Fraction

import numpy as np

from ..onnx.graph import Node
from .values import Reals


def trunc_step(node: Node, numbers: list[float], new: bool) -> tuple[int, float]:
    """What Trunc divides by, and the scale of its codes."""
    bits = numbers[2] - numbers[3]
    if new:
        bits = float(np.round(np.log2(numbers[3] / numbers[0])))
    if bits != int(bits) or not 0 <= bits <= 31:
        raise node.refuse("truncated bits must be an integer in 0..31", f"{bits}")
    return 1 << int(bits), numbers[3] if new else numbers[0]


def value_bounds(source: Reals) -> list[Fraction]:
    """Values that bound all of a tensor's."""
    if source.total is not None:
        low, high = source.total.low.tolist(), source.total.high.tolist()
    else:
        assert source.codes is not None
        form = source.codes.format
        low, high = [form.min] * source.channels, [form.max] * source.channels
    line = source.line
    found = []
    for c in range(source.channels):
        for t in (low[c], high[c]):
            value = line.scale[c] * t + line.offset[c]
            lowest, highest = line.low[c], line.high[c]
            value = value if lowest is None else max(value, lowest)
            found.append(value if highest is None else min(value, highest))
    return found
