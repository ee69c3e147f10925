"""Events of the lanes, adder trees and output units: the datapath rows of the table in `events`."""

import numpy as np

from ..rtl.arch import Arch, Micro
from ..spec.activation import Threshold
from ..spec.layers import Layer, MacLayer, PoolLayer
from ..spec.program import Program
from ..spec.requant import Requant
from .memories import multiplier_width


def _pixels(program: Program, name: str) -> int:
    return int(np.prod(program.tensor_shape(name)[1:]))


def gated_macs(program: Program, layer: MacLayer, arch: Arch) -> float:
    """MACs whose field is 0: the code in a decoding lane, the level elsewhere."""
    fields = layer.levels if arch.micro is Micro.UNIFORM else layer.weights
    return float(np.count_nonzero(fields == 0) * _pixels(program, layer.name))


def nonzero_level_macs(program: Program, layer: MacLayer) -> float:
    return float(np.count_nonzero(layer.levels) * _pixels(program, layer.name))


def lane_events(
    program: Program, layer: MacLayer, arch: Arch, ungated: float, active: float
) -> dict[str, float]:
    """Lanes, adder tree and accumulators."""
    act_width, acc_width = program.tensor_format(layer.input).width, program.acc_width(layer.name)
    bits = act_width * layer.level_width
    counts = {
        "multiply_bit2": active * bits,
        "multiply_zero_act_bit2": (ungated - active) * bits,
    }
    if arch.micro is Micro.DECODE and layer.codebook is not None:
        counts["lookup_mux_bit"] = ungated * ((1 << layer.weight_width) - 1) * layer.level_width
    taps = layer.kernel[0] * layer.kernel[1]
    sums = _pixels(program, layer.name) * layer.out_channels
    full, rest = divmod(int(layer.weights.shape[1]), arch.rows)
    product = act_width + layer.level_width
    tree = full * tree_add_bits(arch.rows, product, acc_width)
    tree += tree_add_bits(rest, product, acc_width)
    steps = sums * taps * (full + bool(rest))
    return counts | {
        "tree_add_bit": float(sums * taps * tree),
        "accumulate_bit": float(steps * acc_width),
        "accumulator_register_bit": float(steps * acc_width),
    }


def tree_add_bits(lanes: int, product_width: int, acc_width: int) -> int:
    """Adder bits of a balanced tree over `lanes` products: lanes - 1 adders, growing a bit a stage.

    Four products of 12 bits: 2 adders of 13 bits and one of 14.
    """
    bits, width = 0, product_width
    while lanes > 1:
        width = min(width + 1, acc_width)
        bits += lanes // 2 * width
        lanes = (lanes + 1) // 2
    return bits


def pool_events(program: Program, layer: PoolLayer, arch: Arch, terms: float) -> dict[str, float]:
    width = program.tensor_format(layer.input).width
    acc_width = program.acc_width(layer.name)
    sums = float(np.prod(program.tensor_shape(layer.name)))
    full, rest = divmod(layer.kernel**2, arch.rows)
    tree = full * tree_add_bits(arch.rows, width, acc_width) + tree_add_bits(rest, width, acc_width)
    steps = sums * (full + bool(rest))
    return {
        "multiply_bit2": terms * width,  # times level 1: one partial product
        "tree_add_bit": sums * tree,
        "accumulate_bit": steps * acc_width,
        "accumulator_register_bit": steps * acc_width,
    }


def output_events(program: Program, layer: Layer, outputs: int) -> dict[str, float]:
    """Threshold or requant unit; unused columns carry 0 and cost only their parameter read."""
    acc_width = program.acc_width(layer.name)
    match layer.output:
        case Threshold() as output:
            return {"compare_bit": float(outputs * output.tau.shape[1] * acc_width)}
        case Requant() as output:
            width = multiplier_width(output)
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
