"""Handlers of pools: the largest or the mean of windows."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from torch import fx

from .operations import OpKind
from .places import refuse, where
from .values import Value, added, operand, pair_of, shape_of

if TYPE_CHECKING:
    from .trace import Reader


def max_pool(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Max pooling; a map that the windows of ceil_mode overlook is padded below and right."""
    value = operand(reader, node, given["self"])
    kernel, dilation = pair_of(given["kernel_size"]), pair_of(given["dilation"])
    if dilation != (1, 1):
        raise refuse(where(node), "max pool must have dilation 1", dilation)
    stride = pair_of(given["stride"] or given["kernel_size"])
    vertical, horizontal = pair_of(given["padding"])
    channels, *size = shape_of(node)
    sides = []
    for extent, pad, window, step, out in zip(
        value.map[1:], (vertical, horizontal), kernel, stride, size, strict=True
    ):
        sides.append(max(pad, (out - 1) * step + window - extent - pad))
    padding = vertical, horizontal, sides[0], sides[1]
    if any(pad >= window for pad, window in zip(padding, (*kernel, *kernel), strict=True)):
        raise refuse(where(node), f"padding must be below the kernel {kernel}", padding)
    return added(
        reader, node, OpKind.MAX, value, (size[0], size[1]), channels, kernel=kernel,
        stride=stride, padding=padding,
    )  # fmt: skip


def avg_pool(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Average pooling without padding."""
    value = operand(reader, node, given["self"])
    kernel = pair_of(given["kernel_size"])
    stride = pair_of(given["stride"] or given["kernel_size"])
    channels, *size = shape_of(node)
    inside = [(n - k) // s + 1 for n, k, s in zip(value.map[1:], kernel, stride, strict=True)]
    odd = given["divisor_override"] not in (None, kernel[0] * kernel[1])
    if any(pair_of(given["padding"])) or inside != size or odd:
        raise refuse(
            where(node), "average pool must have whole windows only (padding 0, no ceil_mode that "
            "adds one, no divisor_override)", f"padding {given['padding']}",
        )  # fmt: skip
    return added(
        reader, node, OpKind.AVERAGE, value, (size[0], size[1]), channels, kernel=kernel,
        stride=stride,
    )  # fmt: skip


def adaptive_pool(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Adaptive average pooling to a size that divides the map's."""
    value = operand(reader, node, given["self"])
    channels, *size = shape_of(node)
    if any(n % out for n, out in zip(value.map[1:], size, strict=True)):
        raise refuse(
            where(node), f"adaptive average pool must make a map that divides {value.map[1:]}",
            tuple(size),
        )  # fmt: skip
    window = value.map[1] // size[0], value.map[2] // size[1]
    if window == (1, 1):
        return value
    return added(
        reader, node, OpKind.AVERAGE, value, (size[0], size[1]), channels, kernel=window,
        stride=window,
    )  # fmt: skip


def mean(reader: "Reader", node: fx.Node, given: dict[str, Any]) -> Value:
    """Mean over height and width, or over one of them if the dimension is kept."""
    value = operand(reader, node, given["self"])
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
    made = added(
        reader, node, OpKind.AVERAGE, value, size, channels, kernel=kernel, stride=kernel,
    )  # fmt: skip
    return replace(made, flat=not given["keepdim"])
