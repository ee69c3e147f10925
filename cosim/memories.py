"""On-chip memories a program needs on an array: widths of stored fields, capacities, tables.

Three memories, each one bank, each as large as this program needs and no larger:

* weights: for every layer with weights, one word of `rows * cols` fields per beat of a pixel group
  (padded lanes are stored as code 0), and the packed tables (codebook, thresholds, requants) of all
  layers;
* activations: the largest sum of maps alive at once (input map, output map, residual stream);
* parameters: the memories of threshold and requant unit, as the RTL builds them.
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ..rtl.arch import Arch, Micro
from ..spec.activation import Threshold
from ..spec.layers import Layer, MacLayer
from ..spec.program import Program
from ..spec.requant import Requant
from .weight_facts import requant_widths


@dataclass(frozen=True, kw_only=True, slots=True)
class Memories:
    """Capacities in bits."""

    weight_bits: Any
    activation_bits: int
    parameter_bits: int


def memories(program: Program, arch: Arch) -> Memories:
    """Capacities of the three memories for `program` on `arch`."""
    weights = 0
    for layer in program.layers:
        weights += table_bits(layer, arch.micro)
        if isinstance(layer, MacLayer):
            weights += weight_words(layer, arch) * word_bits(layer, arch)
    rows = 1 << arch.channel_width
    return Memories(
        weight_bits=weights,
        activation_bits=peak_live_bits(program),
        parameter_bits=rows * (threshold_row_bits(arch) + requant_row_bits(arch)),
    )


def stored_width(layer: MacLayer, micro: Micro) -> int:
    """Bits of one stored weight: the code for `decode`, the level itself for `uniform`."""
    if micro is Micro.UNIFORM and layer.codebook is not None:
        return layer.level_width
    return layer.weight_width


def word_bits(layer: MacLayer, arch: Arch) -> Any:
    """Bits of the weight word of one beat."""
    return arch.rows * arch.cols * stored_width(layer, arch.micro)


def weight_words(layer: MacLayer, arch: Arch) -> Any:
    """Words of a layer: kernel positions x channel blocks x column blocks, per group."""
    kernel_h, kernel_w = layer.kernel
    channel_blocks = -(-int(layer.weights.shape[1]) // arch.rows)
    column_blocks = -(-(layer.out_channels // layer.groups) // arch.cols)
    return kernel_h * kernel_w * channel_blocks * column_blocks * layer.groups


def codebook_bits(layer: Layer, micro: Micro = Micro.DECODE) -> int:
    """Bits of the codebook that the array loads before the layer; 0 where it decodes nothing."""
    if not isinstance(layer, MacLayer) or layer.codebook is None or micro is Micro.UNIFORM:
        return 0
    return len(layer.codebook.levels) * layer.level_width


def table_bits(layer: Layer, micro: Micro = Micro.DECODE) -> int:
    """Packed bits of a layer's codebook and output-stage parameters, each in its own width."""
    bits = codebook_bits(layer, micro)
    match layer.output:
        case Threshold() as output:
            bits += output.channels * (output.tau.shape[1] * output.tau_format.width + 1)
        case Requant() as output:
            bits += output.channels * sum(requant_widths(output))
        case None:
            pass
    return bits


def threshold_row_bits(arch: Arch) -> int:
    """One row of the threshold unit's memory: it is read whole for every sum."""
    return arch.thresholds * arch.tau_width + 1


def requant_row_bits(arch: Arch) -> int:
    """One row of the requant unit's memory."""
    return arch.requant.multiplier_width + arch.requant.bias_width


def peak_live_bits(program: Program) -> int:
    """Largest sum of map bits that are alive together while some layer runs."""
    last: dict[str, int] = {program.layers[-1].name: len(program.layers)}
    for position, layer in enumerate(program.layers):
        skip = getattr(layer, "skip", None)
        for name in (layer.input, *((skip.tensor,) if skip is not None else ())):
            last[name] = max(position, last.get(name, 0))
    born = {layer.name: i for i, layer in enumerate(program.layers)}
    for position, layer in enumerate(program.layers):  # what comes from outside
        born.setdefault(layer.input, position)
    changes = [0] * (len(program.layers) + 2)  # by position: a tensor comes, or is read no more
    for tensor, start in born.items():
        bits = map_bits(program, tensor)
        changes[start] += bits
        changes[last.get(tensor, start) + 1] -= bits
    return max(accumulate(changes))


def map_bits(program: Program, tensor: str) -> int:
    """Bits of one tensor of one image."""
    return math.prod(program.tensor_shape(tensor)) * program.tensor_format(tensor).width
