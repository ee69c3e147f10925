"""What a QONNX file does to its input before the first quantizer: float32, element by element.

It stays outside the program: `Imported.encode` does it as qonnx does, in float32.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ..imported import Encoder
from ..onnx.graph import Array, Node
from ..onnx.layout import View
from ..onnx.walk import Placed
from .rounding import Quantizer

Floats = npt.NDArray[np.float32]

ROUNDS: dict[str, Callable[[Any], Any]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda x: np.sign(x) * np.ceil(np.abs(x)),
    "DOWN": np.fix,
    "ROUND_TO_ZERO": np.fix,
    "HALF_UP": lambda x: np.sign(x) * np.floor(np.abs(x) + np.float32(0.5)),
    "HALF_DOWN": lambda x: np.sign(x) * np.ceil(np.abs(x) - np.float32(0.5)),
}
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "Max": np.maximum,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """`value op constant`, or `constant op value`; constant: one number for each input element."""

    op: str
    constant: Floats
    swapped: bool

    def apply(self, values: Floats) -> Floats:
        """values: (N, elements)."""
        pair = (self.constant, values) if self.swapped else (values, self.constant)
        return np.asarray(_OPERATORS[self.op](*pair), np.float32)


@dataclass(frozen=True, kw_only=True, eq=False)
class Raw(Placed):
    """The graph's input, in floating point: its elements after `steps`."""

    view: View
    origin: Int64Array
    """Position in the program's input of each element of the file's, in the file's shape."""
    steps: tuple[Step, ...] = ()

    def viewed(self, view: View) -> "Raw":
        return replace(self, view=view)

    def then(self, op: str, constant: Array, swapped: bool, node: Node) -> "Raw":
        """The input after one more operator."""
        step = Step(op=op, constant=self.spread(constant, node), swapped=swapped)
        return replace(self, steps=(*self.steps, step))

    def spread(self, constant: Array, node: Node) -> Floats:
        """A constant that broadcasts to the tensor's shape, in the order of the input."""
        index = self.view.index
        if not np.array_equal(np.sort(index, axis=None), np.arange(index.size)):
            raise node.refuse("input must be whole before it is quantized", "a part of it")
        flat = np.empty(index.size, np.float32)
        flat[index.reshape(-1)] = np.broadcast_to(constant, index.shape).reshape(-1)
        return flat[:1] if (flat == flat[0]).all() else flat[self.origin.reshape(-1)]


def quant_encoder(
    raw: Raw, quantizer: Quantizer, mode: str, scale: Floats, zero: Floats
) -> Encoder:
    """Codes of a Quant on the input; scale, zero: as `Raw.spread` gives them."""

    def codes(values: npt.NDArray[Any]) -> Int64Array:
        u = _before(raw, values) / scale + zero
        if quantizer.two_valued:
            found = np.where(u >= 0, quantizer.highest, quantizer.lowest)
        else:
            found = ROUNDS[mode](np.clip(u, quantizer.lowest, quantizer.highest))
        return found.astype(np.int64).reshape(values.shape)

    text = (
        f"x{_words(raw)}, then round(x / {_number(scale)} + {_number(zero)}) by {mode}, saturated "
        f"to {quantizer.lowest}..{quantizer.highest}, all in float32"
    )
    return Encoder(codes=codes, text=text)


def threshold_encoder(raw: Raw, thresholds: Floats) -> Encoder:
    """Codes of a MultiThreshold on the input; thresholds: (1 or elements, count)."""

    def codes(values: npt.NDArray[Any]) -> Int64Array:
        reached = _before(raw, values)[:, :, None] >= thresholds
        return np.count_nonzero(reached, axis=2).astype(np.int64).reshape(values.shape)

    return Encoder(codes=codes, text=f"x{_words(raw)}, then the thresholds of MultiThreshold")


def _before(raw: Raw, values: npt.NDArray[Any]) -> Floats:
    """(N, elements) of inputs (N, ...) after the steps."""
    found = np.asarray(values, np.float32).reshape(len(values), -1)
    if not np.isfinite(found).all():
        raise InputError("Input must be finite, not NaN or infinite")
    for step in raw.steps:
        found = step.apply(found)
    return found


def _words(raw: Raw) -> str:
    signs = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Max": "max"}
    parts = [
        f" = {_number(s.constant)} {signs[s.op]} x" if s.swapped else
        f" {signs[s.op]} {_number(s.constant)}"
        for s in raw.steps
    ]  # fmt: skip
    return "".join(parts)


def _number(values: Floats) -> str:
    return f"{float(values.reshape(-1)[0]):.9g}" if values.size == 1 else "its constants"
