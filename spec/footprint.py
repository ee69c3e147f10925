"""Memory that a program needs, in Python integers, computed before anything is allocated.

A file of a few kilobytes may describe maps of terabytes (a padding, a kernel). Engines ask here, or
by their own plan, and refuse in one line what does not fit `limits.memory_budget`.
"""

from collections.abc import Iterable
from math import prod
from typing import assert_never

from .host.limits import demand
from .layers import ConcatLayer, Layer, MacLayer, PoolLayer, ThresholdLayer, UpsampleLayer
from .program import INPUT, Program

CODE = 8
"""Bytes of a code while an interpreter works: int64, or the float64 of torch."""


def image_bytes(program: Program) -> tuple[int, str]:
    """(bytes, layer) of the most that an interpreter holds for one image, and where it does.

    An interpreter keeps every tensor and, for the layer at hand, the padded map, its windows side
    by side (im2col) and a few maps of the output's size.
    """
    held = CODE * prod(program.tensor_shape(INPUT))
    most, where = held, INPUT
    for layer in program.layers:
        held += CODE * prod(program.tensor_shape(layer.name))
        total = held + CODE * _working(program, layer)
        if total > most:
            most, where = total, layer.name
    return most, where


def demand_images(program: Program, images: int, engine: str) -> None:
    """Refuse `images` images in flight whose maps do not fit the memory budget."""
    size, where = image_bytes(program)
    demand(images * size, f"Program in {engine}, at layer {where!r},")


def demand_results(program: Program, names: Iterable[str], images: int) -> None:
    """Refuse results (kept tensors and logits of all images) beyond the memory budget."""
    last = program.layers[-1].name
    size = sum(
        prod(program.tensor_shape(name)) * program.tensor_format(name).dtype.itemsize
        for name in {*names, last}
    )
    logits = 4 * prod(program.tensor_shape(last))
    demand(images * (size + logits), f"Results of {images} images")


def _working(program: Program, layer: Layer) -> int:
    """Codes that exist only while `layer` is computed."""
    channels, height, width = program.tensor_shape(layer.input)
    out = program.tensor_shape(layer.name)
    maps = 4 * prod(out)
    match layer:
        case ThresholdLayer() | ConcatLayer() | UpsampleLayer():
            return maps
        case PoolLayer() | MacLayer():
            top, left, bottom, right = layer.padding
            padded = channels * (top + height + bottom) * (left + width + right)
            windows = out[1] * out[2] * layer.depth if isinstance(layer, MacLayer) else 0
            return maps + padded + windows
        case _:
            assert_never(layer)
