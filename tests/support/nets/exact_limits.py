"""Programs whose sums or totals do not fit the numbers that other engines compute with."""

import numpy as np

from adqhw.spec import Codebook, IntFormat, MacLayer, Program, Requant, Skip, Threshold
from adqhw.spec.layers import Layer

S32 = IntFormat(width=32, signed=True)


def _program(shape: tuple[int, int, int], fmt: IntFormat, *layers: Layer) -> Program:
    return Program(input_shape=shape, input_format=fmt, layers=layers)


def _plain(out: IntFormat = S32) -> Requant:
    return Requant(multiplier=[1], bias=[0], shift=0, out=out)


def long_totals() -> Program:
    """Sums of 28 bits times multipliers of 31, with a residual: totals beyond float64's 2^53."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-(1 << 15), 1 << 15, (4, 40, 1, 1))
    through = MacLayer(
        name="stream", input="input", weights=np.eye(40, dtype=int)[:4, :, None, None],
        weight_width=2, output=_plain(IntFormat(width=8)),
    )  # fmt: skip
    stage = Requant(
        multiplier=[(1 << 31) - 1, -(1 << 31), 12345, -1], bias=[1 << 54, -(1 << 54), 0, 7],
        shift=47, out=IntFormat(width=13, signed=True), skip_multiplier=-(1 << 31),
    )  # fmt: skip
    wide = MacLayer(
        name="wide", input="input", weights=weights, weight_width=16, output=stage,
        skip=Skip(tensor="stream"),
    )  # fmt: skip
    return _program((40, 2, 3), IntFormat(width=8), through, wide)


def deep_sums() -> Program:
    """16,900 products of 8-bit levels and codes: two digits, and taps apart in each."""
    rng = np.random.default_rng(1)
    levels = (0, 127, 0, -128)
    weights = rng.choice([1, 3], (3, 100, 13, 13), p=[0.9, 0.1])
    tau = np.sort(rng.integers(2 << 26, 2 << 28, (3, 31)), axis=1)
    counted = MacLayer(
        name="counted", input="input", weights=weights, weight_width=2,
        codebook=Codebook(levels=levels, width=2), output=Threshold(tau=tau, sign=[1, 1, 1]),
        padding=(1, 0, 0, 2), pad_codes=rng.integers(0, 256, 100),
    )  # fmt: skip
    summed = MacLayer(
        name="summed", input="input", weights=rng.integers(-127, 128, (2, 100, 13, 13)),
        weight_width=8, output=_plain(),
    )  # fmt: skip
    return _program((100, 13, 13), IntFormat(width=8), counted, summed)


def equal_levels() -> Program:
    """131,072 products that no digits make smaller: levels of 1."""
    weights = np.ones((2, 512, 16, 16), np.int64)
    weights[1, ::2] = -1
    summed = MacLayer(
        name="summed", input="input", weights=weights, weight_width=2, output=_plain()
    )
    return _program((512, 16, 16), IntFormat(width=8), summed)


LIMITS = {"long_totals": long_totals, "deep_sums": deep_sums, "equal_levels": equal_levels}
