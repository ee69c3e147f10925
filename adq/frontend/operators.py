"""ATen operators that are understood, one handler for each kind."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import fx

from ...spec.program import INPUT
from ...spec.windows import Pair, Sides
from .operations import RELU, Op, OpKind
from .places import refuse, where
from .pools import adaptive_pool, avg_pool, max_pool, mean
from .values import Handler, Value, added, operand, pair_of, shape_of

if TYPE_CHECKING:
    from .trace import Reader


def convolution(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """conv2d with numbers or "same"/"valid" as padding."""
    value = reader.value(node, given["input"])
    path, weight = reader.parameter(node, given["weight"], "weight")
    if value.flat or weight.dim() != 4:
        raise refuse(where(node), "convolution must be 2-d on (N, C, H, W)", f"{weight.dim()}-d")
    kernel = tuple(weight.shape[2:])
    stride, dilation = pair_of(given["stride"]), pair_of(given["dilation"])
    padding = _padding(given["padding"], kernel, dilation)
    if any(value.pads):
        padding = tuple(a + b for a, b in zip(padding, value.pads, strict=True))  # type: ignore[assignment]
    channels, *size = shape_of(node)
    return added(
        reader, node, OpKind.SUMS, value, (size[0], size[1]), channels, path, kernel=kernel,
        stride=stride, padding=padding, dilation=dilation, groups=given["groups"],
        bias=_bias(reader, node, given["bias"], path),
    )  # fmt: skip


def _padding(padding: Any, kernel: Any, dilation: Pair) -> Sides:
    if padding == "valid":
        return (0, 0, 0, 0)
    if padding == "same":  # torch puts the odd row and column behind
        total = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        top, left = (n // 2 for n in total)
        return top, left, total[0] - top, total[1] - left
    vertical, horizontal = pair_of(padding)
    return vertical, horizontal, vertical, horizontal


def _bias(reader: "Reader", node: fx.Node, argument: Any, path: str) -> bool:
    if argument is None:
        return False
    owner, _ = reader.parameter(node, argument, "bias")
    if owner != path:
        raise refuse(where(node), f"bias must be of the module {path!r}", repr(owner))
    return True


def linear(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """A linear layer on flat maps: a convolution whose kernel is the map."""
    value = operand(reader, node, given["input"])
    if not value.flat and value.map[1:] != (1, 1):
        raise refuse(where(node), "linear layer must read (N, features)", f"(N, *{value.map})")
    if not value.flat:
        raise refuse(where(node), "linear layer must read (N, features): flatten", "(N, C, 1, 1)")
    path, weight = reader.parameter(node, given["weight"], "weight")
    made = added(
        reader, node, OpKind.SUMS, value, (1, 1), len(weight), path, kernel=value.map[1:],
        stride=value.map[1:], flat=True, bias=_bias(reader, node, given["bias"], path),
    )  # fmt: skip
    return replace(made, flat=True)


def batch_norm(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Batch norm in evaluation, with weights and running statistics."""
    value = operand(reader, node, given["input"])
    if given["weight"] is None or given["running_mean"] is None or value.dropout:
        raise refuse(
            where(node), "batch norm must have affine=True and track_running_stats=True, directly "
            "behind what it normalizes", "otherwise",
        )  # fmt: skip
    path, _ = reader.parameter(node, given["weight"], "weight")
    momentum = getattr(reader.modules[path], "momentum", 0.1)
    if momentum is None:
        raise refuse(where(node), "batch norm must have a momentum", "None (a cumulative average)")
    if value.flat and value.map[1:] != (1, 1):
        raise refuse(where(node), "batch norm must be per channel of a map", "per position")
    made = added(
        reader, node, OpKind.NORM, value, value.map[1:], value.map[0], path, norm=path,
        eps=float(given["eps"]), momentum=float(momentum),
    )  # fmt: skip
    return replace(made, flat=value.flat)


def curve(function: str, *numbers: str) -> Handler:
    """A function of each value; ``numbers``: its arguments in torch's schema."""

    def handler(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
        value = operand(reader, node, next(iter(given.values())))
        constants = tuple(float(given[name]) for name in numbers)
        name, clip = function, None
        if function == "gelu" and given["approximate"] == "tanh":
            name = "gelu_tanh"
        if function == "relu6":
            name, clip = RELU, 6.0
        made = added(
            reader, node, OpKind.CURVE, value, value.map[1:], value.map[0], function=name,
            numbers=constants, clip=clip,
        )  # fmt: skip
        return replace(made, flat=value.flat)

    return handler


def clamp(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """hardtanh, relu6 and clamp: a ReLU where the lower limit is 0."""
    value = operand(reader, node, given["self"])
    low, high = (given.get(a, given.get(b)) for a, b in (("min_val", "min"), ("max_val", "max")))
    low = -math.inf if low is None else float(low)
    high = math.inf if high is None else float(high)
    clip = None if high == math.inf else high
    function, numbers = RELU, ()
    if low != 0 or high <= 0:
        if not low < high:
            raise refuse(where(node), "the lower limit must be below the upper one", (low, high))
        function, numbers = "hardtanh", (low, high)  # type: ignore[assignment]
        clip = high if low == -high else None
    made = added(
        reader, node, OpKind.CURVE, value, value.map[1:], value.map[0], function=function,
        numbers=numbers, clip=clip,
    )  # fmt: skip
    return replace(made, flat=value.flat)


def prelu(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """PReLU with one slope."""
    value = operand(reader, node, given["self"])
    path, weight = reader.parameter(node, given["weight"], "weight")
    if weight.numel() != 1:
        raise refuse(where(node), "PReLU must have one slope", f"{weight.numel()}")
    made = added(
        reader, node, OpKind.CURVE, value, value.map[1:], value.map[0], path, function="prelu",
    )  # fmt: skip
    return replace(made, flat=value.flat)


def add(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Sum of two maps of one shape."""
    first, second = (operand(reader, node, given[key]) for key in ("self", "other"))
    if given.get("alpha", 1) != 1 or (first.map, first.flat) != (second.map, second.flat):
        raise refuse(
            where(node), "addition must be of two maps of one shape, unscaled",
            f"of {first.map} and {second.map}",
        )  # fmt: skip
    op = Op(
        name=reader.name_for(node), kind=OpKind.ADD, sources=[first.name, second.name],
        ins=first.map[0], channels=first.map[0], size=first.map[1:], where=where(node),
    )  # fmt: skip
    if first.dropout or second.dropout:
        raise refuse(where(node), "dropout must be in front of a layer with weights", "an addition")
    return replace(reader.add(op), flat=first.flat)


def concat(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Channels of several maps, or features of several flat ones."""
    values = [operand(reader, node, x) for x in given["tensors"]]
    first = values[0]
    same = all(v.map[1:] == first.map[1:] and v.flat == first.flat for v in values)
    ranks = 2 if first.flat else 4
    if given.get("dim", 0) % ranks != 1 or not same or any(v.dropout for v in values):
        raise refuse(
            where(node), "concatenation must be of channels (dimension 1) of maps of one size",
            f"of dimension {given.get('dim', 0)} of {[v.map for v in values]}",
        )  # fmt: skip
    if len(values) == 1:
        return first
    op = Op(
        name=reader.name_for(node), kind=OpKind.CONCAT, sources=[v.name for v in values],
        ins=first.map[0], channels=sum(v.map[0] for v in values), size=first.map[1:],
        where=where(node),
    )  # fmt: skip
    return replace(reader.add(op), flat=first.flat)


def upsample(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Nearest neighbour by whole factors."""
    value = operand(reader, node, next(iter(given.values())))
    channels, height, width = shape_of(node)
    if height % value.map[1] or width % value.map[2]:
        raise refuse(
            where(node), "nearest upsampling must be by whole factors",
            f"from {value.map[1:]} to {(height, width)}",
        )  # fmt: skip
    factor = height // value.map[1], width // value.map[2]
    if factor == (1, 1):
        return value
    return added(
        reader, node, OpKind.UPSAMPLE, value, (height, width), channels, kernel=factor
    )  # fmt: skip


def pad(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Zeros around a map, which the next convolution takes over."""
    value = reader.value(node, given["self"])
    sides = [*given["pad"], 0, 0, 0, 0][:4]
    plain = len(given["pad"]) <= 4 and not given.get("value") and min(sides) >= 0
    mode = given.get("mode", "constant")
    if value.flat or not plain or mode != "constant":
        what = mode if mode != "constant" else f"{given['pad']} of {given.get('value')}"
        raise refuse(where(node), "padding must be zeros around a map", what)
    left, right, top, bottom = sides
    pads = tuple(a + b for a, b in zip(value.pads, (top, left, bottom, right), strict=True))
    return replace(value, pads=pads)


def reshape(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Views that keep a map, flatten it, or give a flat one its shape back."""
    value = reader.value(node, next(iter(given.values())))
    shape = shape_of(node)
    if shape == value.map:
        return replace(value, flat=False)
    if shape == (math.prod(value.map),) and not any(value.pads):
        return replace(value, flat=True)
    if value.name == INPUT and len(shape) == 3 and not any(value.pads):
        return _entered_as(reader, node, shape)
    raise refuse(
        where(node), f"reshape must keep a map {value.map} or flatten it to (N, "
        f"{math.prod(value.map)})", f"make (N, *{shape})",
    )  # fmt: skip


def _entered_as(reader: "Reader", node: fx.Node, shape: tuple[int, ...]) -> Value:
    """The input in another shape, if nothing has read it in its own."""
    read = any(INPUT in op.reads for op in reader.graph.ops.values())
    if read:
        raise refuse(where(node), "the input must be read in one shape", f"in (N, *{shape}) too")
    reader.shape = shape
    return Value.entering(shape)


def dropout(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Dropout in training; several in a row act as one."""
    value = reader.value(node, given["input"])
    reader.random |= bool(given["train"])
    kept = (1 - value.dropout) * (1 - float(given["p"]))
    return replace(value, dropout=1 - kept)


def same(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Operators that copy a tensor."""
    return reader.value(node, next(iter(given.values())))


HANDLERS: dict[str, Handler] = {
    "conv2d": convolution,
    "linear": linear,
    "batch_norm": batch_norm,
    "relu": curve(RELU),
    "clamp": clamp,
    "clamp_min": clamp,
    "hardtanh": clamp,
    "relu6": curve("relu6"),
    "prelu": prelu,
    "leaky_relu": curve("leaky_relu", "negative_slope"),
    "silu": curve("silu"),
    "hardswish": curve("hardswish"),
    "gelu": curve("gelu"),
    "elu": curve("elu", "alpha"),
    "celu": curve("celu", "alpha"),
    "selu": curve("selu"),
    "mish": curve("mish"),
    "softplus": curve("softplus", "beta", "threshold"),
    "sigmoid": curve("sigmoid"),
    "hardsigmoid": curve("hardsigmoid"),
    "tanh": curve("tanh"),
    "abs": curve("abs"),
    "neg": curve("neg"),
    "max_pool2d": max_pool,
    "avg_pool2d": avg_pool,
    "adaptive_avg_pool2d": adaptive_pool,
    "mean": mean,
    "add": add,
    "cat": concat,
    "concat": concat,
    "concatenate": concat,
    "upsample_nearest2d": upsample,
    "_upsample_nearest_exact2d": upsample,
    "constant_pad_nd": pad,
    "pad": pad,
    "view": reshape,
    "reshape": reshape,
    "_unsafe_view": reshape,
    "flatten": reshape,
    "unflatten": reshape,
    "squeeze": reshape,
    "unsqueeze": reshape,
    "dropout": dropout,
    "feature_dropout": dropout,
    "alias": same,
    "clone": same,
    "contiguous": same,
    "detach": same,
    "to": same,
    "_to_copy": same,
}
"""By the operator's name without the mark of in-place ones."""
