"""Tables: a layer's content of the parameter, codebook and weight memories, and its rows."""

from dataclasses import dataclass

import numpy as np

from ...spec.activation import Threshold
from ...spec.codebook import Codebook
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import ConcatLayer, Layer, MacLayer, PoolLayer
from ...spec.program import SizedNetwork
from ...spec.requant import Requant
from ..arch.arch import Arch

LOGITS = IntFormat(width=32, signed=True)
OUTPUT = Requant(multiplier=np.ones(1, np.int64), bias=np.zeros(1, np.int64), shift=0, out=LOGITS)
"""Output stage of codes that pass it unchanged: a result, or a part of a concatenation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Tables:
    """First row of every layer's parameters and codebook, and the rows in all.

    A row of parameters has those of `out_lanes` channels.
    """

    parameters: dict[str, int]
    codebooks: dict[str, int]
    threshold_rows: int
    requant_rows: int
    codebook_rows: int


def output_of(layer: Layer) -> Threshold | Requant:
    """The output stage that a layer's parameter rows hold; `OUTPUT` for a layer of codes."""
    return OUTPUT if layer.output is None else layer.output


def has_rows(program: SizedNetwork, layer: Layer) -> bool:
    """Whether the layer has parameter rows: where it leaves codes as they are, only when they are
    the result or are put together one by one."""
    if layer.output is not None or layer is program.layers[-1]:
        return True
    return isinstance(layer, ConcatLayer)


def tables_of(arch: Arch, program: SizedNetwork) -> Tables:
    parameters, codebooks = {}, {}
    rows = {True: 0, False: 0}  # of the requant and threshold memories
    levels = 0
    for layer in program.layers:
        if has_rows(program, layer):
            requant = isinstance(output_of(layer), Requant)
            parameters[layer.name] = rows[requant]
            rows[requant] += -(-output_of(layer).channels // arch.out_lanes)
        book = codebook_of(arch, layer)
        if book is not None:
            codebooks[layer.name] = levels
            levels += len(book.levels)
    return Tables(
        parameters=parameters,
        codebooks=codebooks,
        threshold_rows=max(1, rows[False]),
        requant_rows=max(1, rows[True]),
        codebook_rows=max(1, levels),
    )


def codebook_of(arch: Arch, layer: Layer) -> Codebook | None:
    """The codebook of the layer's stored codes; None where levels are stored."""
    book: Codebook | None = layer.codebook
    return None if book is None or arch.lanes.stores_levels else book


def stored_width(arch: Arch, layer: MacLayer | PoolLayer) -> int:
    """Bits of a stored weight: of a code, of a level, of the level 1 of average pooling."""
    if isinstance(layer, PoolLayer):
        return 2
    return layer.level_width if codebook_of(arch, layer) is None else layer.weight_width


def stored_weights(
    arch: Arch, layer: MacLayer | PoolLayer, channels: int
) -> tuple[Int64Array, int]:
    """((Cout, Cin/groups, kh, kw) fields, their width): codes, or levels as two's complement."""
    width = stored_width(arch, layer)
    if isinstance(layer, PoolLayer):
        return np.ones((channels, 1, 1, 1), np.int64), width
    if codebook_of(arch, layer) is not None:
        return np.asarray(layer.weights, dtype=np.int64), width
    return layer.levels & ((1 << width) - 1), width
