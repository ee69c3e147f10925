"""Constant parts of a graph: shapes computed by nodes, transposed weights, arithmetic of constants.

Float arithmetic is done in the constants' own type, as ONNX does it.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ...spec.host.limits import demand
from .graph import Array, Node
from .layout import View, apply

_NUMPY: dict[str, Callable[..., Array]] = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Pow": np.power, "Sqrt": np.sqrt,
    "Neg": np.negative, "Abs": np.abs, "Floor": np.floor, "Ceil": np.ceil, "Round": np.round,
    "Reciprocal": np.reciprocal, "Min": np.minimum, "Max": np.maximum, "Sign": np.sign,
}  # fmt: skip
_LAYOUT = (
    "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Identity", "Dropout",
)  # fmt: skip
FOLDED = (*_NUMPY, *_LAYOUT, "Constant", "Div", "Cast", "Concat", "Gather", "ConstantOfShape")
"""Operators that are computed when all their inputs are constant."""


def fold(node: Node, inputs: Sequence[Array]) -> Array | None:
    """The constant that `node` makes of constants, None where it is not among `FOLDED`."""
    if node.op in _NUMPY:
        demand(16 * int(np.prod(np.broadcast_shapes(*(x.shape for x in inputs)))), node.where)
        with np.errstate(all="ignore"):
            result = np.asarray(_NUMPY[node.op](*inputs))
        return result.astype(inputs[0].dtype) if node.op == "Pow" else result
    match node.op:
        case "Constant":
            return _constant(node)
        case "Div":
            return _divide(node, *inputs)
        case "Cast":
            return inputs[0].astype(_type(node))
        case "Concat":
            return np.concatenate(inputs, axis=node.integer("axis", 0))
        case "Gather":
            return np.take(inputs[0], inputs[1], axis=node.integer("axis", 0))
        case "ConstantOfShape":
            value = node.attributes.get("value", np.zeros(1, np.float32))
            sizes = [int(x) for x in inputs[0].reshape(-1)]
            demand(8 * int(np.prod(sizes, dtype=object)), node.where)
            return np.full(sizes, np.asarray(value).reshape(-1)[0])
        case op if op in _LAYOUT:
            return _moved(node, inputs)
        case _:
            return None


def _constant(node: Node) -> Array:
    for key, kind in (("value_float", np.float32), ("value_int", np.int64)):
        if key in node.attributes:
            return np.asarray(node.attributes[key], kind)
    for key, kind in (("value_floats", np.float32), ("value_ints", np.int64)):
        if key in node.attributes:
            return np.asarray(node.attributes[key], kind)
    value = node.attributes.get("value")
    if not isinstance(value, np.ndarray):
        raise node.refuse("value must be a tensor or numbers", "missing")
    return value


def _divide(node: Node, left: Array, right: Array) -> Array:
    if np.issubdtype(left.dtype, np.integer):
        if not right.all():
            raise node.refuse("divisor must not be 0", "0")
        quotient = np.abs(left) // np.abs(right)  # ONNX divides integers toward zero
        return np.asarray(np.sign(left) * np.sign(right) * quotient)
    with np.errstate(all="ignore"):
        return np.asarray(left / right)


def _type(node: Node) -> np.dtype[np.generic]:
    from onnx import helper

    kind = np.dtype(helper.tensor_dtype_to_np_dtype(node.integer("to", 1)))
    if kind.kind not in "biuf":
        raise node.refuse("type must be of numbers of 8 to 64 bits", str(kind))
    return kind


def _moved(node: Node, inputs: Sequence[Array]) -> Array:
    """A layout operator on a constant: its elements at the positions that the view names."""
    values = inputs[0]
    given = dict(zip(node.inputs[1:], inputs[1:], strict=False))
    view = View.whole((values.size, 1, 1), values.shape)
    return values.reshape(-1)[apply(node, view, given.get).index]
