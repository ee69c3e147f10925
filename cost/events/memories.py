"""On-chip memories a program needs on an array: widths of stored fields, capacities, tables.

Three memories, each one bank, each as large as this program needs and no larger. Arrays that hold
weights have those of their `Storage` instead, and one for the sums of each column.

* weights: of every layer with sums, one word of `rows * cols` fields per beat of a pixel group
  (lanes without a weight are stored as code 0; average pooling stores its 1 once per block), and
  the levels of all codebooks;
* activations: the largest sum of maps alive at once, between `rtl.networks.regions`'s births and
  last readers. Less than the accelerator's two banks, whose words hold the codes of `rows` channels
  in the widest format and keep a map that is read in two ways twice;
* parameters: a row per channel of every layer (one when all share it) of the threshold and of the
  requant unit, as wide as the RTL builds them.
"""

import math
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import assert_never

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.arch.storage import Storage
from ...rtl.networks.regions import lifetimes
from ...rtl.networks.unsigned import as_unsigned
from ...rtl.planning.placement import place_chained
from ...rtl.timing.elementwise import elementwise
from ...rtl.timing.folding import fold_of
from ...rtl.timing.tables import codebook_of, has_rows, output_of, stored_width, tables_of
from ...rtl.timing.tiling import block_pairs
from ...spec.activation import Threshold
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import SizedNetwork
from ...spec.requant import Requant
from .held_walks import walk_of
from .weight_facts import requant_widths

Count = int | npt.NDArray[np.int64]
Real = float | npt.NDArray[np.float64]
"""A number, or one for each of the arrays of `cost.estimate.points`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Memories:
    """Capacities in bits."""

    weight_bits: Count
    activation_bits: int
    parameter_bits: int
    sum_bits: int = 0
    """Of one column's sums on an array that holds weights."""


def memories(program: SizedNetwork, arch: Arch) -> Memories:
    """Capacities of the memories for `program` on `arch`."""
    if arch.holds:
        return held_memories(arch)
    weights: Count = 0
    for layer in program.layers:
        weights = weights + stored_bits(program, layer, arch)
    return Memories(
        weight_bits=weights,
        activation_bits=peak_live_bits(program),
        parameter_bits=sum(parameter_bits(program, layer, arch) for layer in program.layers),
    )


def held_memories(arch: Arch) -> Memories:
    """Capacities of an array that holds weights: those that its `Storage` says."""
    storage, lanes = arch.storage, arch.rows * arch.port_columns
    rows = storage.threshold_rows * threshold_row_bits(arch)
    rows += storage.requant_rows * requant_row_bits(arch)
    return Memories(
        weight_bits=storage.weight_rows * arch.plane_banks * lanes,
        activation_bits=2 * storage.activation_words * arch.rows * storage.code_width,
        parameter_bits=arch.out_lanes * rows,
        sum_bits=sum_places(arch) * arch.acc_width,
    )


def with_storage(program: SizedNetwork, arch: Arch) -> Arch:
    """`arch` with memories for a network without weights: the least ones where it holds weights, as
    the planner's are for a program. Others have none (`memories`)."""
    if not arch.holds:
        return arch
    program, _ = as_unsigned(program)
    return replace(arch, storage=held_storage(program, arch))


def held_storage(program: SizedNetwork, arch: Arch) -> Storage:
    """The least memories that hold a network; descriptors as they are."""
    tables = tables_of(arch, program)
    placed = place_chained(program, arch.rows, fold_of(program, arch.rows))
    planes = sum(
        walk_of(program, layer, arch).stored * arch.fill * stored_width(arch, layer)
        for layer in program.layers
        if isinstance(layer, MacLayer | PoolLayer) and layer.sums
    )
    return replace(
        arch.storage,
        code_width=max(program.tensor_format(name).width for name in placed.tensors),
        activation_words=placed.words,
        weight_rows=max(1, -(-planes // arch.plane_banks)),
        threshold_rows=tables.threshold_rows,
        requant_rows=tables.requant_rows,
        codebook_rows=tables.codebook_rows,
    )


def sum_places(arch: Arch) -> int:
    """Sums of a column: of two banks, each with a power of two of slots."""
    return 2 << max(1, (arch.hold - 1).bit_length())


def sum_bits(arch: Arch) -> int:
    """Bits of all memories of sums; sums that are combined have no banks, their result has."""
    places = sum_places(arch)
    places += arch.lanes.combine_cycles * places  # two halves
    return arch.cols * arch.acc_width * places


def word_bits(layer: Layer, arch: Arch) -> Count:
    """Bits of the weight word of one beat; 0 for a layer without beats."""
    if not isinstance(layer, MacLayer | PoolLayer) or not layer.sums:
        return 0
    return arch.rows * arch.cols * stored_width(arch, layer)


def weight_words(program: SizedNetwork, layer: Layer, arch: Arch) -> Count:
    """Words of a layer in the weight memory, as its passes store them (`rtl.program.passes`)."""
    if arch.holds:
        summed = isinstance(layer, MacLayer | PoolLayer) and layer.sums
        return walk_of(program, layer, arch).stored if summed else 0
    match layer:
        case MacLayer():
            pairs = _pairs(layer.out_channels, layer.in_channels, layer.groups, arch)
            return layer.taps * pairs
        case PoolLayer() if layer.sums:  # every position of the window reads the same word
            channels = program.tensor_shape(layer.input)[0]
            return _pairs(channels, channels, channels, arch)
        case PoolLayer() | ThresholdLayer() | ConcatLayer() | UpsampleLayer():
            return 0
        case _:
            assert_never(layer)


def _pairs(outputs: int, inputs: int, groups: int, arch: Arch) -> Count:
    pairs: Count = elementwise(
        lambda rows, cols: block_pairs(outputs, inputs, groups, rows=rows, cols=cols),
        arch.rows,
        arch.cols,
    )
    return pairs


def stored_bits(program: SizedNetwork, layer: Layer, arch: Arch) -> Count:
    """Bits of a layer in the weight memory: its words and the levels of its codebook."""
    return weight_bits(program, layer, arch) + codebook_bits(layer, arch)


def weight_bits(program: SizedNetwork, layer: Layer, arch: Arch) -> Count:
    """Bits of a layer's words in the weight memory."""
    return weight_words(program, layer, arch) * word_bits(layer, arch)


def parameter_bits(program: SizedNetwork, layer: Layer, arch: Arch) -> int:
    """Bits of a layer's rows in the memory of its output unit."""
    if not has_rows(program, layer):
        return 0
    rows = -(-output_of(layer).channels // arch.out_lanes)  # of one channel where hold is 1
    return int(rows * arch.out_lanes * row_bits(layer, arch))


def row_bits(layer: Layer, arch: Arch) -> int:
    """One row of the memory of the layer's output unit: it is read whole."""
    if isinstance(layer.output, Threshold):
        return threshold_row_bits(arch)
    return requant_row_bits(arch)


def codebook_bits(layer: Layer, arch: Arch) -> int:
    """Bits of the codebook that the array loads before the layer; 0 where it decodes nothing."""
    book = codebook_of(arch, layer)
    return 0 if book is None else len(book.levels) * book.level_format.width


def stage_bits(layer: Layer) -> int:
    """Packed bits of a layer's output-stage parameters, each in its own width: what the program's
    file holds of them."""
    match layer.output:
        case Threshold() as output:
            return int(output.channels * (output.tau.shape[1] * output.tau_format.width + 1))
        case Requant() as output:
            return output.channels * sum(requant_widths(output))
        case None:
            return 0
        case _:
            assert_never(layer.output)


def threshold_row_bits(arch: Arch) -> int:
    """One row of the threshold unit's memory: it is read whole for every sum."""
    return arch.thresholds * arch.tau_width + 1


def requant_row_bits(arch: Arch) -> int:
    """One row of the requant unit's memory."""
    return arch.requant.multiplier_width + arch.requant.bias_width


def peak_live_bits(program: SizedNetwork) -> int:
    """Largest sum of map bits that are alive together while some layer runs."""
    lives, last = lifetimes(program), len(program.layers)
    lives[program.layers[-1].name] = last - 1, last
    changes = [0] * (last + 2)  # by position: a tensor comes, or is read no more
    for tensor, (birth, death) in lives.items():
        bits = map_bits(program, tensor)
        changes[birth] += bits
        changes[death + 1] -= bits
    return max(accumulate(changes))


def map_bits(program: SizedNetwork, tensor: str) -> int:
    """Bits of one tensor of one image."""
    return math.prod(program.tensor_shape(tensor)) * program.tensor_format(tensor).width
