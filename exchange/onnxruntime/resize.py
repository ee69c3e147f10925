"""Resize and Upsample: which of them repeat rows and columns a whole number of times."""

from fractions import Fraction
from typing import Any

import numpy as np

from ...spec.formats import Int64Array
from ...spec.windows import Pair
from ..onnx.graph import Node
from ..onnx.walk import Walk


def whole_factors(node: Node, size: Pair, scales: tuple[float, ...]) -> Pair:
    """How often each row and each column of a map of `size` stands in the result."""
    factors: list[int] = []
    for extent, scale in zip(size, scales[2:], strict=True):
        factor = int(scale)
        positions = _nearest(node, extent, Fraction(scale).limit_denominator(1 << 16))
        if factor != scale or not np.array_equal(positions, np.arange(extent * factor) // factor):
            raise node.refuse("resize must repeat rows and columns", "sample otherwise")
        factors.append(factor)
    if scales[:2] != (1.0, 1.0):
        raise node.refuse("batch and channels must keep their size", f"{scales[:2]}")
    return factors[0], factors[1]


def resize_scales(walk: Walk[Any], node: Node, shape: tuple[int, ...]) -> tuple[float, ...]:
    """The four scales of a node on a tensor of `shape`, from scales, sizes or an attribute."""
    if node.text("mode", "nearest") != "nearest" or len(shape) != 4:
        raise node.refuse("mode must be nearest, on a map", node.text("mode", "nearest"))
    place = 1 if len(node.inputs) == 2 else 2
    if node.optional(place) is not None and walk.needed(node, place, "scales").size:
        found = tuple(float(x) for x in walk.needed(node, place, "scales").reshape(-1))
    elif node.optional(3) is not None:
        sizes = walk.needed(node, 3, "sizes").reshape(-1)
        found = tuple(float(a) / b for a, b in zip(sizes.tolist(), shape, strict=True))
    else:
        given = node.attributes.get("scales", [])
        found = tuple(float(x) for x in given)
    if len(found) != 4:
        raise node.refuse("scales must be 4 numbers", f"{len(found)}")
    return found


def _nearest(node: Node, size: int, scale: Fraction) -> Int64Array:
    """Source position of each output position along an axis."""
    mode = node.text("coordinate_transformation_mode", "half_pixel")
    if node.op == "Upsample":
        mode = "asymmetric"
    rounding = node.text("nearest_mode", "round_prefer_floor")
    half, found = Fraction(1, 2), []
    for i in range(int(size * scale)):
        match mode:
            case "asymmetric":
                x = i / scale
            case "half_pixel" | "pytorch_half_pixel" | "half_pixel_symmetric":
                x = (i + half) / scale - half
            case _:
                raise node.refuse("coordinates must be asymmetric or half_pixel", mode)
        if node.op == "Upsample" or rounding == "floor":
            at = x.__floor__()
        elif rounding == "ceil":
            at = x.__ceil__()
        elif rounding == "round_prefer_ceil":
            at = (x + half).__floor__()
        else:
            at = (x - half).__ceil__()
        found.append(min(max(at, 0), size - 1))
    return np.array(found, np.int64)
