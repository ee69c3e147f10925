"""Programs whose input, sums and outputs are at the ends of a format, for every format."""

import numpy as np

from adqhw.spec import (
    IntFormat,
    LayerKind,
    MacLayer,
    PoolLayer,
    Program,
    Requant,
    Skip,
    Threshold,
    ThresholdLayer,
)
from adqhw.spec.layers import Layer

FORMATS = (*(f"u{n}" for n in range(1, 32)), *(f"s{n}" for n in range(1, 33)))
"""Every format that a tensor may have (contract section 1)."""

S32 = IntFormat(width=32, signed=True)


def edges(fmt: IntFormat) -> list[int]:
    """Both ends, their neighbours, and the values around 0."""
    wanted = (fmt.min, fmt.min + 1, -1, 0, 1, fmt.max // 2, fmt.max - 1, fmt.max)
    return sorted({code for code in wanted if fmt.min <= code <= fmt.max})


def images(program: Program, seed: int = 0, count: int = 3) -> np.ndarray:
    """(count, C, H, W) of edge codes only; the first image all lowest, the second all highest."""
    fmt = program.input_format
    rng = np.random.default_rng(seed)
    codes = rng.choice(np.array(edges(fmt)), (count, *program.input_shape)).astype(fmt.dtype)
    codes[0], codes[1] = fmt.min, fmt.max
    return codes


def edge_threshold(low: int, high: int) -> Threshold:
    """Two rows, sign +1 and -1, whose thresholds are the ends of low..high and their neighbours."""
    most = max(high, -low - 1).bit_length()  # thresholds are signed, acc_width + 1 bits
    ends = (low, low + 1, -1, 0, 1, high, high + 1)
    tau = sorted(min(max(value, -(2 << most)), (2 << most) - 1) for value in ends)
    down = sorted(min(max(-value, -(2 << most)), (2 << most) - 1) for value in ends)
    return Threshold(tau=np.array([tau, down]), sign=np.array([1, -1]))


def edge_program(name: str, *, linear: bool = False) -> Program:
    """Two channels of format `name` into every kind of layer, each reading the input.

    Weights are +1 and 0 (and -1 where the sums still fit), so sums reach the format's own ends.
    """
    fmt = IntFormat.parse(name)
    through = Requant(multiplier=[1, 1], bias=[0, 0], shift=0, out=fmt)
    book = np.array([[1, 0], [0, 1]])[:, :, None, None]
    mac = {
        "input": "input", "weight_width": 8, "weights": book,
        "kind": LayerKind.LINEAR if linear else LayerKind.CONV,
    }  # fmt: skip
    ends = edge_threshold(fmt.min, fmt.max)
    pads = {} if linear else {"padding": 1, "pad_codes": np.array([fmt.min, fmt.max])}
    layers: list[Layer] = [
        ThresholdLayer(name="read", input="input", output=ends),
        MacLayer(name="sums", output=through, **mac, **pads),
        MacLayer(name="compared", output=ends, **mac, **pads),
        MacLayer(name="depthwise", output=ends, groups=2, **{**mac, "weights": book[:, :1] ** 0}),
        MacLayer(
            name="residual", **mac, skip=Skip(tensor="input"),
            output=Requant(
                multiplier=[1, 0], bias=[0, 1], shift=1, skip_multiplier=1, out=fmt
            ),
        ),
        PoolLayer(name="mean", input="input", kind=LayerKind.AVG_POOL, kernel=1, stride=1,
                  output=through),
    ]  # fmt: skip
    if not linear:
        layers += [
            PoolLayer(
                name="largest", input="input", kind=LayerKind.MAX_POOL, kernel=2, stride=1,
                padding=1,
            ),
            ThresholdLayer(name="largest_read", input="largest", output=ends),
        ]  # fmt: skip
    layers += [_saturating("beyond", fmt), _saturating("ends", fmt, input="beyond", factor=1)]
    return Program(
        input_shape=(2, 1, 1) if linear else (2, 2, 3), input_format=fmt, layers=tuple(layers)
    )


def _saturating(name: str, out: IntFormat, input: str = "input", factor: int = 3) -> Layer:
    """Sums of the input times 3 and -3, plus one: beyond both ends of `out`."""
    stage = Requant(multiplier=[factor, -factor], bias=[1, -1], shift=0, out=out)
    return PoolLayer(
        name=name, input=input, kind=LayerKind.AVG_POOL, kernel=1, stride=1, output=stage
    )
