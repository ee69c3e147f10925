"""Events of arrays that hold weights: the counts of `events` for `Arch.hold` above 1.

| event | count | part |
| --- | --- | --- |
| weight_read_bit | words x rows x cols x stored width: a word once per group of pixels | weights |
| lookup_mux_bit | fields of these words, gated ones too: looked up before the station | lookup |
| station_register_bit, level_register_bit | words x rows x cols x what a lane holds | hold |
| operand_register_bit | beats x rows x activation: one register for all columns | hold |
| multiply_bit2 and all of the lanes | as in `events`; a lane with level 0 needs no gate | |
| sums_write_bit | beats x cycles x cols x acc_width | sums |
| sums_read_bit | the same without each sum's first cycle, and every sum once more | sums |
| parameter_read_bit | rows of `out_lanes` channels, when a chunk needs another one | tables |
| activation_read_bit | words: of beats inside the map, of residuals and codes when they change | |
| activation_write_bit | as in `events`; the image in whole words, as it is folded | activations |
| requant_multiply_bit2, compare_bit | all output lanes have the code of a narrow chunk | output |

A sum's memory has 2 x hold places in every column; idle columns write theirs too. A read activation
that is chained has no pass: its layer has the comparisons, parameter rows and codes, no cycles.
Multiplication by 1 of sums that are only thresholded is not counted.
"""

import math
from collections.abc import Mapping
from typing import Any, assert_never

from ...rtl.arch.arch import Arch
from ...rtl.planning.placement import place_chained
from ...rtl.timing.network_cycles import TensorCycles
from ...rtl.timing.tables import has_rows, output_of
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import SizedNetwork
from .held_walks import (
    Walk,
    chained,
    moved_of,
    narrow,
    parameter_rows,
    pooled_words,
    residual_words,
    stored_image_bits,
    stored_words,
)
from .lane_events import lane_events, output_events
from .memories import codebook_bits, row_bits, word_bits
from .weight_facts import weight_facts

Counts = dict[str, Any]


def nonzero_macs(network: SizedNetwork, layer: MacLayer) -> float:
    """MACs with a level that is not 0."""
    _, height, width = network.tensor_shape(layer.name)
    return float((layer.weights.size - weight_facts(layer).zero_levels) * height * width)


def array_counts(
    network: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch, walk: Walk, *,
    ungated: float, active: float,
) -> Counts:  # fmt: skip
    """Weights, station, lanes, trees and sums of a layer with sums."""
    words, beats, sums = walk.words, walk.beats, walk.sums
    held = float(words * arch.rows * arch.cols * arch.lanes.held_width(arch))
    width = network.tensor_format(layer.input).width
    counts = lane_events(
        network, layer, arch, timing_of(walk, layer, arch), ungated=ungated, active=active,
        held=walk,
    )  # fmt: skip
    steps, combined = beats * walk.beat_cycles, arch.lanes.combine_cycles
    trees, column = 1 + combined, arch.cols * arch.acc_width
    book = float(codebook_bits(layer, arch))
    return counts | {
        "accumulator_register_bit": 0.0,
        "weight_read_bit": float(words * word_bits(layer, arch)),
        "station_register_bit": held,
        "level_register_bit": held,
        "operand_register_bit": float(beats * arch.rows * width),
        "sums_write_bit": float((steps * trees + sums * combined) * column),
        "sums_read_bit": float(((steps - sums) * trees + sums) * column),
        "activation_read_bit": float(walk.reads * arch.rows * width),
        "codebook_register_bit": book,
        "table_read_bit": book,
    }


def timing_of(walk: Walk, layer: MacLayer | PoolLayer, arch: Arch) -> TensorCycles:
    """What the lanes' events ask of a layer's time."""
    return TensorCycles(
        name=layer.name,
        kind=str(layer.kind),
        cycles=0,
        beats=walk.beats,
        column_beats=walk.column_beats(arch.cols),
    )


def stage_counts(
    network: SizedNetwork, layer: Layer, arch: Arch, banks: Mapping[str, Any]
) -> Counts:
    """Output stage, residuals and codes that are moved, maps that are written."""
    outputs = math.prod(network.tensor_shape(layer.name))
    written = outputs
    copies = arch.out_lanes if narrow(network, layer, arch) else 1
    counts: Counts = {
        name: count * copies for name, count in output_events(network, layer, outputs).items()
    }
    width = network.tensor_format(layer.name).width
    reads = 0
    match layer:
        case MacLayer() | PoolLayer() if layer.sums:
            reads = _residual_bits(network, layer, arch)
        case PoolLayer():
            counts["compare_bit"] = float(outputs * layer.taps * width)
            reads = pooled_words(network, layer, arch) * arch.rows * width
            written = stored_words(network, layer.name, arch) * arch.rows
        case ThresholdLayer():
            if layer.name not in chained(network):
                reads = stored_words(network, layer.input, arch) * arch.rows
                reads *= network.tensor_format(layer.input).width
        case ConcatLayer() | UpsampleLayer():
            moved = moved_of(network, layer, arch)
            counts["compare_bit"] = float(moved.compared * width)
            reads, written = moved.words * arch.rows * width, moved.written
        case MacLayer():
            raise AssertionError("layers with weights have sums")
        case _:
            assert_never(layer)
    if layer.output is None and layer is network.layers[-1]:  # the result leaves by itself
        reads += stored_words(network, layer.name, arch) * arch.rows * width
    counts["activation_read_bit"] = float(reads)
    counts["activation_write_bit"] = float(written * width * banks.get(layer.name, 0))
    if layer is network.layers[0]:
        counts["activation_write_bit"] += stored_image_bits(network, arch) * banks[layer.input]
    if has_rows(network, layer):
        rows = parameter_rows(network, layer, arch)
        counts["parameter_read_bit"] = float(rows * arch.out_lanes * row_bits(layer, arch))
    return counts


def _residual_bits(network: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch) -> int:
    if layer.skip is None:
        return 0
    width = network.tensor_format(layer.skip.tensor).width
    return residual_words(network, layer, arch) * arch.rows * width


def held_banks(network: SizedNetwork, arch: Arch) -> dict[str, int]:
    """Banks that each tensor is written to; tensors that are not stored are absent."""
    placed = place_chained(network, arch.rows, None).tensors
    return {name: region.banks.bit_count() for name, region in placed.items()}


def stored_parameter_rows(network: SizedNetwork, layer: Layer, arch: Arch) -> int:
    """Rows of a layer's parameters, each with those of `out_lanes` channels."""
    if not has_rows(network, layer):
        return 0
    return -(-output_of(layer).channels // arch.out_lanes)
