"""Events of the lanes, adder trees and output units: the datapath rows of the table in `events`."""

import math
from functools import lru_cache
from typing import Any

from ..rtl.arch import Arch, Micro
from ..rtl.schedule import SINGLE_CYCLE, layer_schedule
from ..rtl.tables import uses_codebook
from ..rtl.tiling import tiles
from ..spec.activation import Threshold
from ..spec.layers import Layer, MacLayer, PoolLayer
from ..spec.program import Program
from ..spec.requant import Requant
from .elementwise import elementwise, least, real, tree_add_bits
from .family_events import LaneLoad, adders, lane_counts
from .weight_facts import requant_widths, weight_facts


def _pixels(program: Program, name: str) -> int:
    return math.prod(program.tensor_shape(name)[1:])


def gated_macs(program: Program, layer: MacLayer, arch: Arch) -> float:
    """MACs whose field is 0: the code in a decoding lane, the level elsewhere."""
    facts = weight_facts(layer)
    zeros = facts.zero_levels if arch.micro is Micro.UNIFORM else facts.zero_fields
    return float(zeros * _pixels(program, layer.name))


def nonzero_level_macs(program: Program, layer: MacLayer) -> float:
    nonzero = layer.weights.size - weight_facts(layer).zero_levels
    return float(nonzero * _pixels(program, layer.name))


def lane_events(
    program: Program, layer: MacLayer, arch: Arch, beats: Any, ungated: float, active: float
) -> dict[str, Any]:
    """Lanes, adder tree and accumulators."""
    load = _lane_load(program, layer, arch, beats, ungated, active)
    full, rest = divmod(int(layer.weights.shape[1]), arch.rows)
    taps = layer.kernel[0] * layer.kernel[1]
    return lane_counts(arch, load) | _adder_events(arch, load, full * taps, rest, taps)


def _adder_events(arch: Arch, load: LaneLoad, full: Any, rest: Any, taps: int) -> dict[str, Any]:
    """Trees and accumulators of sums with `full` beats of all lanes and `taps` of `rest` lanes."""
    shape = adders(arch, load)
    if shape.tree_cycles:
        tree = full * tree_add_bits(arch.rows, shape.width, load.acc_width)
        tree += taps * tree_add_bits(rest, shape.width, load.acc_width)
        tree *= shape.tree_cycles
        steps = load.column_beats * shape.tree_cycles
    else:  # the bins of a finished sum
        tree = load.work.final_cycles * tree_add_bits(load.lanes, shape.width, load.acc_width)
        steps = load.sums * load.work.final_cycles
    return {
        "tree_add_bit": real(load.sums * tree * shape.trees),
        "accumulate_bit": real(steps * load.acc_width * shape.trees),
        "accumulator_register_bit": real(steps * load.acc_width * shape.trees),
    }


def _lane_load(
    program: Program, layer: MacLayer, arch: Arch, beats: Any, ungated: float, active: float
) -> LaneLoad:
    channels = int(layer.weights.shape[1])
    sums = _pixels(program, layer.name) * layer.out_channels
    coded = uses_codebook(arch, layer)
    set_bits = ungated
    if not coded and arch.micro in (Micro.BINNED, Micro.SHIFT_ADD):
        set_bits = float(weight_facts(layer).level_ones * _pixels(program, layer.name))
    blocks = -(-channels // arch.rows)
    return LaneLoad(
        work=layer_schedule(arch, program, layer),
        act_width=program.tensor_format(layer.input).width,
        level_width=layer.level_width,
        acc_width=program.acc_width(layer.name),
        codes=layer.weight_width if coded else None,
        ungated=ungated,
        active=active,
        set_bits=set_bits,
        beats=beats,
        passes=_passes(layer, arch),
        sums=sums,
        column_beats=sums * layer.kernel[0] * layer.kernel[1] * blocks,
        lanes=least(channels, arch.rows),
        factor=weight_facts(layer).factor if coded else 1,
    )


def _passes(layer: MacLayer, arch: Arch) -> Any:
    """Tiles of the layer; one where every output reads every input."""
    if layer.groups == 1:
        return 1
    sizes = layer.out_channels, layer.in_channels, layer.groups
    return elementwise(lambda rows, cols: _tile_count(*sizes, rows, cols), arch.rows, arch.cols)


@lru_cache(maxsize=65536)
def _tile_count(outputs: int, inputs: int, groups: int, rows: int, cols: int) -> int:
    return len(tiles(outputs, inputs, groups, rows=rows, cols=cols))


def pool_events(
    program: Program, layer: PoolLayer, arch: Arch, beats: Any, terms: float
) -> dict[str, Any]:
    """An average pool is a sum in column 0 with level 1, stored in 2 bits, of which one is 1."""
    sums = math.prod(program.tensor_shape(layer.name))
    full, rest = divmod(layer.kernel**2, arch.rows)
    # times level 1 is one partial product, and no bit more than the activation has
    single = arch.micro in SINGLE_CYCLE
    load = LaneLoad(
        work=layer_schedule(arch, program, layer),
        act_width=program.tensor_format(layer.input).width,
        level_width=1 if single else 2,
        acc_width=program.acc_width(layer.name),
        codes=None,
        ungated=terms,
        active=terms,
        set_bits=terms,
        beats=beats,
        passes=1,
        sums=sums,
        column_beats=sums * (full + (rest > 0)),
        lanes=least(layer.kernel**2, arch.rows),
    )
    counts = lane_counts(arch, load) | _adder_events(arch, load, full, rest, 1)
    if single:
        width = load.act_width
        tree = full * tree_add_bits(arch.rows, width, load.acc_width)
        tree += tree_add_bits(rest, width, load.acc_width)
        counts["tree_add_bit"] = real(sums * tree)
    return counts


def output_events(program: Program, layer: Layer, outputs: int) -> dict[str, float]:
    """Threshold or requant unit; unused columns carry 0 and cost only their parameter read."""
    acc_width = program.acc_width(layer.name)
    match layer.output:
        case Threshold() as output:
            return {"compare_bit": float(outputs * output.tau.shape[1] * acc_width)}
        case Requant() as output:
            width, _ = requant_widths(output)
            product, adds = width * acc_width, 2  # bias, rounding half
            if isinstance(layer, MacLayer) and layer.skip is not None:
                skip = abs(output.skip_multiplier).bit_length() + 1
                product += skip * program.tensor_format(layer.skip.tensor).width
                adds = 3
            return {
                "requant_multiply_bit2": float(outputs * product),
                "requant_add_bit": float(outputs * adds * (width + acc_width)),
            }
        case None:
            return {}
