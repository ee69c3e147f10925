"""Events of the lanes, adder trees and output units: the datapath rows of the table in `events`."""

import math
from typing import Any, assert_never

from ...rtl.arch.arch import Arch
from ...rtl.lanes.terms import LaneLoad
from ...rtl.timing.elementwise import elementwise, least, real, tree_add_bits
from ...rtl.timing.network_cycles import TensorCycles
from ...rtl.timing.schedule import layer_schedule
from ...rtl.timing.tables import codebook_of
from ...rtl.timing.tiling import used_lanes
from ...spec.activation import Threshold
from ...spec.layers import Layer, MacLayer, PoolLayer
from ...spec.program import SizedNetwork
from ...spec.requant import Requant
from .held_walks import Walk
from .weight_facts import requant_widths, weight_facts


def _pixels(program: SizedNetwork, name: str) -> int:
    return math.prod(program.tensor_shape(name)[1:])


def gated_macs(program: SizedNetwork, layer: MacLayer, arch: Arch) -> float:
    """MACs whose field is 0: the code in a decoding lane, the level elsewhere."""
    facts = weight_facts(layer)
    zeros = facts.zero_levels if arch.lanes.stores_levels else facts.zero_fields
    return float(zeros * _pixels(program, layer.name))


def nonzero_level_macs(program: SizedNetwork, layer: MacLayer) -> float:
    nonzero = layer.weights.size - weight_facts(layer).zero_levels
    return float(nonzero * _pixels(program, layer.name))


def lane_events(
    program: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch, timing: TensorCycles,
    *, ungated: float, active: float, held: Walk | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Lanes, adder trees and accumulators of a layer with sums.

    held: its walk on an array that holds weights, where fields are looked up once per word.
    """
    load = _lane_load(program, layer, arch, timing, ungated, active, held)
    shape = arch.lanes.adders(arch, load)
    if shape.tree_cycles:
        tree = _tree_bits(program, layer, arch, shape.width, held) * shape.tree_cycles
        steps = load.column_beats * shape.tree_cycles
    else:  # the bins of a finished sum
        steps = load.sums * load.work.final_cycles
        tree = steps * tree_add_bits(load.lanes, shape.width, load.acc_width)
    return arch.lanes.events(arch, load) | {
        "tree_add_bit": real(tree * shape.trees),
        "accumulate_bit": real(steps * load.acc_width * shape.trees),
        "accumulator_register_bit": real(steps * load.acc_width * shape.trees),
    }


def _tree_bits(
    program: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch, width: Any, held: Walk | None
) -> Any:
    """Adder bits of all beats of the used columns, each over the lanes that have a weight."""
    channels = program.tensor_shape(layer.input)[0]
    acc_width, beats = arch.acc_width, _pixels(program, layer.name) * layer.taps
    if held is not None:  # of a folded image
        channels, beats = held.depth, held.pixels * held.taps
    if isinstance(layer, MacLayer) and layer.groups == 1:
        full, rest = divmod(channels, arch.rows)
        one = full * tree_add_bits(arch.rows, width, acc_width)
        return beats * layer.out_channels * (one + tree_add_bits(rest, width, acc_width))

    def of_blocks(rows: int, term: int) -> int:
        lanes = used_lanes(layer, channels, rows=rows)
        return sum(blocks * tree_add_bits(n, term, acc_width) for n, blocks in lanes.items())

    return beats * elementwise(of_blocks, arch.rows, width)


def _lane_load(
    program: SizedNetwork, layer: MacLayer | PoolLayer, arch: Arch, timing: TensorCycles,
    ungated: float, active: float, held: Walk | None,
) -> LaneLoad:  # fmt: skip
    """Levels and sums are as wide as the array: a narrower one is extended with its sign, which
    moves in all bits; the bits above a narrower activation are constantly 0. In an average
    pool the level is 1: one partial product, no bit more than the activation has, no sign."""
    book, level_width = codebook_of(arch, layer), arch.level_width
    channels, factor, set_bits = 1, 1, ungated
    if isinstance(layer, PoolLayer):
        level_width = 1 if arch.lanes.single_cycle else 2
    else:
        channels = int(layer.weights.shape[1])
        if book is not None:
            factor = weight_facts(layer).factor
        elif arch.lanes.bitwise_levels:
            set_bits = float(weight_facts(layer).level_ones * _pixels(program, layer.name))
    return LaneLoad(
        work=layer_schedule(arch, program, layer),
        act_width=program.tensor_format(layer.input).width,
        level_width=level_width,
        acc_width=arch.acc_width,
        codes=None if book is None else book.width,
        ungated=ungated,
        active=active,
        set_bits=set_bits,
        beats=timing.beats,
        sums=math.prod(program.tensor_shape(layer.name)),
        column_beats=timing.column_beats,
        lanes=least(channels, arch.rows),
        factor=factor,
        lookups=None if held is None else float(held.words * arch.rows * arch.cols),
    )


def output_events(program: SizedNetwork, layer: Layer, outputs: int) -> dict[str, float]:
    """Threshold or requant unit; unused columns carry 0 and cost only their parameter read."""
    acc_width = program.acc_width(layer.name)
    match layer.output:
        case Threshold() as output:
            return {"compare_bit": float(outputs * output.tau.shape[1] * acc_width)}
        case Requant() as output:
            width, _ = requant_widths(output)
            product, adds = width * acc_width, 2  # bias, rounding half
            if layer.skip is not None:
                skip = abs(output.skip_multiplier).bit_length() + 1
                product += skip * program.tensor_format(layer.skip.tensor).width
                adds = 3
            return {
                "requant_multiply_bit2": float(outputs * product),
                "requant_add_bit": float(outputs * adds * (width + acc_width)),
            }
        case None:
            return {}
        case _:
            assert_never(layer.output)
