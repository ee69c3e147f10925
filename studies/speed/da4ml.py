"""da4ml's interpreter on its 64 x 64 int4 matmul, and the same matmul as an adqhw program."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.formats import IntFormat
from ...spec.layers import LayerKind, MacLayer
from ...spec.program import INPUT, Program
from ...spec.requant import Requant

SIZE = 64
MACS = SIZE * SIZE
S32 = IntFormat(width=32, signed=True)


def weights() -> npt.NDArray[np.int64]:
    """(64, 64) signed 4-bit weights."""
    return np.random.default_rng(0).integers(-8, 8, (SIZE, SIZE))


def matmul_program() -> Program:
    """The matmul as a fully connected layer on signed 4-bit codes."""
    stage = Requant(multiplier=np.ones(1, np.int64), bias=np.zeros(1, np.int64), shift=0, out=S32)
    layer = MacLayer(
        name="matmul", kind=LayerKind.LINEAR, input=INPUT, weight_width=4, output=stage,
        weights=weights().T.reshape(SIZE, SIZE, 1, 1),
    )  # fmt: skip
    return Program(
        input_shape=(SIZE, 1, 1), input_format=IntFormat(width=4, signed=True), layers=(layer,)
    )


def interpreter(threads: int) -> Callable[[npt.NDArray[Any]], npt.NDArray[Any]]:
    """da4ml's compiled interpreter of its optimized adder graph for x @ weights."""
    from da4ml.trace import FixedVariableArrayInput, comb_trace

    inputs = FixedVariableArrayInput(SIZE)
    outputs = inputs.quantize(1, 3, 0) @ weights().astype(np.float64)
    logic = comb_trace(inputs, outputs)
    return lambda x: logic.predict(x.reshape(len(x), SIZE).astype(np.float64), n_threads=threads)
