"""Tensors of ONNX Runtime's quantized networks that are not constant, and their constants."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...spec.formats import Int64Array, IntFormat
from ..onnx.emit import Codes, Sum
from ..onnx.layout import View
from ..onnx.walk import Placed
from .arithmetic import Affine, Floats

FORMATS = {"uint8": IntFormat(width=8), "int8": IntFormat(width=8, signed=True)}
FileSums = Callable[[Affine], Callable[[Int64Array], Int64Array]]
"""For the output's codes: the file's sums (C, K) to its codes (C, K)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Weights:
    """Constants `scale * (code - zero)`: levels are codes minus zero points."""

    levels: Int64Array
    scale: Floats
    """Of each index of `axis`, or of one element."""
    axis: int
    zero: int = 0
    """The first zero point: the only one of what has one scale."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fed(Placed):
    """The graph's input in floating point; origin: its arrangement in the file."""

    view: View
    origin: View

    def viewed(self, view: View) -> "Fed":
        return replace(self, view=view)


@dataclass(frozen=True, kw_only=True, eq=False)
class Coded(Placed):
    """Codes of the program, `file code = program code + offset`, or the reals they stand for."""

    view: View
    codes: Codes
    affine: Affine

    def viewed(self, view: View) -> "Coded":
        return replace(self, view=view)

    @property
    def offset(self) -> int:
        return self.affine.format.min

    @property
    def zero(self) -> int:
        """The program's code of real zero."""
        return self.affine.zero - self.offset


@dataclass(frozen=True, kw_only=True, eq=False)
class Awaiting(Placed):
    """An operator's result that awaits its QuantizeLinear.

    total: the program's sums; `program sum + shift = file sum`. codes: of the file's sum. limits:
    of a Relu or Clip between. scale: `real = scale * file sum`, where there is such.
    """

    view: View
    total: Sum
    shift: Int64Array
    codes: FileSums
    scale: Floats | None = None
    limits: tuple[float, float] = (-np.inf, np.inf)

    def viewed(self, view: View) -> "Awaiting":
        return replace(self, view=view)


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain(Placed):
    """Sums of ConvInteger or MatMulInteger and the float32 operators after them.

    total: the program's sums; `program sum + shift = file sum`. steps: operator and its constant,
    one number for each channel.
    """

    view: View
    total: Sum
    shift: Int64Array
    steps: tuple[tuple[str, Floats], ...] = ()

    def viewed(self, view: View) -> "Chain":
        return replace(self, view=view)

    def real(self, sums: Int64Array) -> Floats:
        """Reals of the file's sums (C, K), each operator in float32."""
        values = sums.astype(np.float32)
        for op, constant in self.steps:
            values = _FLOATS[op](values, constant[:, None]).astype(np.float32)
        return values


_FLOATS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "Mul": np.multiply, "Add": np.add, "Sub": np.subtract, "Div": np.divide, "Relu": np.maximum,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Pairing(Placed):
    """The addition of two tensors, awaiting its QuantizeLinear."""

    view: View
    first: Coded
    second: Coded
    limits: tuple[float, float] = (-np.inf, np.inf)

    def viewed(self, view: View) -> "Pairing":
        return replace(self, view=view)
