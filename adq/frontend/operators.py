"""ATen operators that are understood, one handler for each kind."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from torch import fx

from ...spec.program import INPUT
from ...spec.windows import Pair, Sides
from .operations import RELU, Op, OpKind
from .places import refuse, where

if TYPE_CHECKING:
    from .trace import Reader

Map = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """A tensor of the traced module: a map (C, H, W), perhaps seen as (N, C * H * W)."""

    name: str
    map: Map
    flat: bool = False
    dropout: float = 0.0
    pads: Sides = (0, 0, 0, 0)
    """Zeros around it that the next convolution takes over."""

    @classmethod
    def entering(cls, shape: tuple[int, ...]) -> Self:
        """The model's input: (C, H, W), or (F,) as a map of one position."""
        if len(shape) == 1:
            return cls(name=INPUT, map=(shape[0], 1, 1), flat=True)
        return cls(name=INPUT, map=shape)  # type: ignore[arg-type]  # checked by `quantize`


Handler = Callable[["Reader", fx.Node, dict[str, Any]], Value]


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """Shape of what a node makes, without the batch."""
    return tuple(int(n) for n in node.meta["val"].shape[1:])


def _made(
    reader: "Reader", node: fx.Node, kind: OpKind, value: Value, size: Pair, channels: int,
    path: str | None = None, **more: Any,
) -> Value:  # fmt: skip
    weighted = kind is OpKind.SUMS
    op = Op(
        name=reader.name_for(node, path), kind=kind, sources=[value.name], ins=value.map[0],
        channels=channels, size=size, where=where(node), path=path,
        dropout=value.dropout if weighted else 0.0, **more,
    )  # fmt: skip
    # what is dropped in front of a pool or an activation is dropped behind it
    return replace(reader.add(op), dropout=0.0 if weighted else value.dropout)


def _operand(reader: "Reader", node: fx.Node, argument: Any) -> Value:
    return reader.no_pads(node, reader.value(node, argument))


def _pair(value: Any) -> Pair:
    values = [value] if isinstance(value, int) else list(value)
    return (values[0], values[-1])


def convolution(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """conv2d with numbers or "same"/"valid" as padding."""
    value = reader.value(node, given["input"])
    path, weight = reader.parameter(node, given["weight"], "weight")
    if value.flat or weight.dim() != 4:
        raise refuse(where(node), "convolution must be 2-d on (N, C, H, W)", f"{weight.dim()}-d")
    kernel = tuple(weight.shape[2:])
    stride, dilation = _pair(given["stride"]), _pair(given["dilation"])
    padding = _padding(given["padding"], kernel, dilation)
    if any(value.pads):
        padding = tuple(a + b for a, b in zip(padding, value.pads, strict=True))  # type: ignore[assignment]
    channels, *size = shape_of(node)
    return _made(
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
    vertical, horizontal = _pair(padding)
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
    value = _operand(reader, node, given["input"])
    if not value.flat and value.map[1:] != (1, 1):
        raise refuse(where(node), "linear layer must read (N, features)", f"(N, *{value.map})")
    if not value.flat:
        raise refuse(where(node), "linear layer must read (N, features): flatten", "(N, C, 1, 1)")
    path, weight = reader.parameter(node, given["weight"], "weight")
    made = _made(
        reader, node, OpKind.SUMS, value, (1, 1), len(weight), path, kernel=value.map[1:],
        stride=value.map[1:], flat=True, bias=_bias(reader, node, given["bias"], path),
    )  # fmt: skip
    return replace(made, flat=True)


def batch_norm(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Batch norm in evaluation, with weights and running statistics."""
    value = _operand(reader, node, given["input"])
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
    made = _made(
        reader, node, OpKind.NORM, value, value.map[1:], value.map[0], path, norm=path,
        eps=float(given["eps"]), momentum=float(momentum),
    )  # fmt: skip
    return replace(made, flat=value.flat)


def curve(function: str, *numbers: str) -> Handler:
    """A function of each value; ``numbers``: its arguments in torch's schema."""

    def handler(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
        value = _operand(reader, node, next(iter(given.values())))
        constants = tuple(float(given[name]) for name in numbers)
        name, clip = function, None
        if function == "gelu" and given["approximate"] == "tanh":
            name = "gelu_tanh"
        if function == "relu6":
            name, clip = RELU, 6.0
        made = _made(
            reader, node, OpKind.CURVE, value, value.map[1:], value.map[0], function=name,
            numbers=constants, clip=clip,
        )  # fmt: skip
        return replace(made, flat=value.flat)

    return handler


def clamp(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """hardtanh, relu6 and clamp: a ReLU where the lower limit is 0."""
    value = _operand(reader, node, given["self"])
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
    made = _made(
        reader, node, OpKind.CURVE, value, value.map[1:], value.map[0], function=function,
        numbers=numbers, clip=clip,
    )  # fmt: skip
    return replace(made, flat=value.flat)


def prelu(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """PReLU with one slope."""
    value = _operand(reader, node, given["self"])
    path, weight = reader.parameter(node, given["weight"], "weight")
    if weight.numel() != 1:
        raise refuse(where(node), "PReLU must have one slope", f"{weight.numel()}")
    made = _made(
        reader, node, OpKind.CURVE, value, value.map[1:], value.map[0], path, function="prelu",
    )  # fmt: skip
    return replace(made, flat=value.flat)


def max_pool(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Max pooling; a map that the windows of ceil_mode overlook is padded below and right."""
    value = _operand(reader, node, given["self"])
    kernel, dilation = _pair(given["kernel_size"]), _pair(given["dilation"])
    if dilation != (1, 1):
        raise refuse(where(node), "max pool must have dilation 1", dilation)
    stride = _pair(given["stride"] or given["kernel_size"])
    vertical, horizontal = _pair(given["padding"])
    channels, *size = shape_of(node)
    sides = []
    for extent, pad, window, step, out in zip(
        value.map[1:], (vertical, horizontal), kernel, stride, size, strict=True
    ):
        sides.append(max(pad, (out - 1) * step + window - extent - pad))
    padding = vertical, horizontal, sides[0], sides[1]
    if any(pad >= window for pad, window in zip(padding, (*kernel, *kernel), strict=True)):
        raise refuse(where(node), f"padding must be below the kernel {kernel}", padding)
    return _made(
        reader, node, OpKind.MAX, value, (size[0], size[1]), channels, kernel=kernel,
        stride=stride, padding=padding,
    )  # fmt: skip


def avg_pool(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Average pooling without padding."""
    value = _operand(reader, node, given["self"])
    kernel = _pair(given["kernel_size"])
    stride = _pair(given["stride"] or given["kernel_size"])
    channels, *size = shape_of(node)
    inside = [(n - k) // s + 1 for n, k, s in zip(value.map[1:], kernel, stride, strict=True)]
    odd = given["divisor_override"] not in (None, kernel[0] * kernel[1])
    if any(_pair(given["padding"])) or inside != size or odd:
        raise refuse(
            where(node), "average pool must have whole windows only (padding 0, no ceil_mode that "
            "adds one, no divisor_override)", f"padding {given['padding']}",
        )  # fmt: skip
    return _made(
        reader, node, OpKind.AVERAGE, value, (size[0], size[1]), channels, kernel=kernel,
        stride=stride,
    )  # fmt: skip


def adaptive_pool(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Adaptive average pooling to a size that divides the map's."""
    value = _operand(reader, node, given["self"])
    channels, *size = shape_of(node)
    if any(n % out for n, out in zip(value.map[1:], size, strict=True)):
        raise refuse(
            where(node), f"adaptive average pool must make a map that divides {value.map[1:]}",
            tuple(size),
        )  # fmt: skip
    window = value.map[1] // size[0], value.map[2] // size[1]
    if window == (1, 1):
        return value
    return _made(
        reader, node, OpKind.AVERAGE, value, (size[0], size[1]), channels, kernel=window,
        stride=window,
    )  # fmt: skip


def mean(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Mean over height and width, or over one of them if the dimension is kept."""
    value = _operand(reader, node, given["self"])
    dims = given["dim"]
    axes = sorted(d % 4 for d in ([dims] if isinstance(dims, int) else dims or ()))
    whole = axes == [2, 3]
    if value.flat or not (whole or (axes in ([2], [3]) and given["keepdim"])):
        raise refuse(where(node), "mean must be over height and width (2, 3)", f"over {dims}")
    channels, height, width = value.map
    kernel = height if 2 in axes else 1, width if 3 in axes else 1
    size = height // kernel[0], width // kernel[1]
    if kernel == (1, 1):
        return replace(value, flat=not given["keepdim"])
    made = _made(
        reader, node, OpKind.AVERAGE, value, size, channels, kernel=kernel, stride=kernel,
    )  # fmt: skip
    return replace(made, flat=not given["keepdim"])


def add(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Sum of two maps of one shape."""
    first, second = (_operand(reader, node, given[key]) for key in ("self", "other"))
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
    values = [_operand(reader, node, x) for x in given["tensors"]]
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
    value = _operand(reader, node, next(iter(given.values())))
    channels, height, width = shape_of(node)
    if height % value.map[1] or width % value.map[2]:
        raise refuse(
            where(node), "nearest upsampling must be by whole factors",
            f"from {value.map[1:]} to {(height, width)}",
        )  # fmt: skip
    factor = height // value.map[1], width // value.map[2]
    if factor == (1, 1):
        return value
    return _made(
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
