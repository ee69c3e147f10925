"""What a dialect of ONNX decides: the types of tensors, how weights are stored, how stages end."""

from abc import ABC, abstractmethod

import numpy as np

from ...spec.activation import Threshold
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import MacLayer
from ...spec.program import Program
from .graph import DOUBLE, FLOAT, I64, Graph
from .parts import EXACT, WeightPart

NUMPY: dict[int, type[np.generic]] = {FLOAT: np.float32, DOUBLE: np.float64, I64: np.int64}
"""NumPy type of the element types in which sums and totals are computed."""


class Dialect(ABC):
    """A program being written in one dialect; the walk over its layers is `walk.py`."""

    batch: int | str = "N"
    """Size of the first axis: a name, or a number for tools that need all shapes."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.graph = Graph()

    @abstractmethod
    def code_type(self, name: str) -> int:
        """Element type of the program's tensor `name`."""

    @abstractmethod
    def weight(self, layer: MacLayer, part: WeightPart, label: str) -> str:
        """A float32 tensor (Cout, Cin/groups, kh, kw) of the part's digits."""

    @abstractmethod
    def thresholds(self, name: str, acc: str, stage: Threshold, bounds: tuple[int, int]) -> None:
        """Codes `name` of sums `acc` (float32 or float64) that lie in `bounds`."""

    @abstractmethod
    def read(self, name: str, source: str, stage: Threshold) -> None:
        """Codes `name` of the codes `source` through thresholds."""

    @abstractmethod
    def finish(self, name: str, value: str, out: IntFormat, *, saturates: bool) -> None:
        """Tensor `name` of rounded totals `value` (float64 or int64)."""

    @abstractmethod
    def result(self, last: str, name: str) -> str:
        """The last tensor as (N, classes); the name of that."""

    # -- parts that dialects share ---------------------------------------------------------------

    def channelwise(self, name: str, values: Int64Array, kind: int) -> str:
        """A constant (C, 1, 1) that is broadcast over maps (N, C, H, W)."""
        return self.graph.constant(name, values.reshape(-1, 1, 1), NUMPY[kind])

    def exact(self, source: str) -> str:
        """The codes of the program's tensor `source` as float32 if it holds them, else float64."""
        fmt = self.program.tensor_format(source)
        return self.graph.cast(source, FLOAT if max(-fmt.min, fmt.max) <= EXACT else DOUBLE)

    def signed(self, name: str, acc: str, stage: Threshold) -> str:
        """`sign_c * acc`, which rising thresholds are compared with."""
        if (stage.sign > 0).all():
            return acc
        sign = self.channelwise(f"{name}/sign", stage.sign, self.graph.types[acc])
        return self.graph.add("Mul", [acc, sign], f"{name}/signed")

    def clipped(self, name: str, value: str, out: IntFormat) -> str:
        """`value` saturated to the format `out`, in its own type."""
        kind = self.graph.types[value]
        label = f"constant/{out.name}_{np.dtype(NUMPY[kind]).name}"
        ends = [
            self.graph.constant(f"{label}_{end}", number, NUMPY[kind])
            for end, number in (("min", out.min), ("max", out.max))
        ]
        return self.graph.add("Clip", [value, *ends], f"{name}/saturated")
