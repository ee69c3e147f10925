"""On-chip memories a program needs on an array: widths of stored fields, capacities, tables.

Three memories, each one bank, each as large as this program needs and no larger:

* weights: of every layer with sums, one word of `rows * cols` fields per beat of a pixel group
  (lanes without a weight are stored as code 0; average pooling stores its 1 once per block), and
  the levels of all codebooks;
* activations: the largest sum of maps alive at once (input map, output map, residual stream);
* parameters: a row per channel of every layer (one when all share it) of the threshold and of the
  requant unit, as wide as the RTL builds them.
"""

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from ...rtl.arch.arch import Arch
from ...rtl.timing.elementwise import elementwise
from ...rtl.timing.tables import codebook_of, has_rows, output_of, stored_width
from ...rtl.timing.tiling import block_pairs
from ...spec.activation import Threshold
from ...spec.layers import Layer, LayerKind, MacLayer, PoolLayer
from ...spec.program import Program
from ...spec.requant import Requant
from .weight_facts import requant_widths


@dataclass(frozen=True, kw_only=True, slots=True)
class Memories:
    """Capacities in bits."""

    weight_bits: Any
    activation_bits: int
    parameter_bits: int


def memories(program: Program, arch: Arch) -> Memories:
    """Capacities of the three memories for `program` on `arch`."""
    return Memories(
        weight_bits=sum(stored_bits(program, layer, arch) for layer in program.layers),
        activation_bits=peak_live_bits(program),
        parameter_bits=sum(parameter_bits(program, layer, arch) for layer in program.layers),
    )


def word_bits(layer: MacLayer | PoolLayer, arch: Arch) -> Any:
    """Bits of the weight word of one beat."""
    return arch.rows * arch.cols * stored_width(arch, layer)


def weight_words(program: Program, layer: Layer, arch: Arch) -> Any:
    """Words of a layer in the weight memory: what its passes store (`rtl.program.passes`)."""
    if not has_sums(layer):
        return 0
    channels = program.tensor_shape(layer.input)[0]
    if isinstance(layer, PoolLayer):  # every position of the window reads the same word
        return _pairs(channels, channels, channels, arch)
    return layer.taps * _pairs(layer.out_channels, layer.in_channels, layer.groups, arch)


def _pairs(outputs: int, inputs: int, groups: int, arch: Arch) -> Any:
    return elementwise(
        lambda rows, cols: block_pairs(outputs, inputs, groups, rows=rows, cols=cols),
        arch.rows,
        arch.cols,
    )


def has_sums(layer: Layer) -> bool:
    """True when the layer's sums are made by the lanes and leave through the drain."""
    return isinstance(layer, MacLayer) or layer.kind is LayerKind.AVG_POOL


def stored_bits(program: Program, layer: Layer, arch: Arch) -> Any:
    """Bits of a layer in the weight memory: its words and the levels of its codebook."""
    if not has_sums(layer):
        return 0
    assert isinstance(layer, MacLayer | PoolLayer)
    words = weight_words(program, layer, arch)
    return words * word_bits(layer, arch) + codebook_bits(layer, arch)


def parameter_bits(program: Program, layer: Layer, arch: Arch) -> int:
    """Bits of a layer's rows in the memory of its output unit."""
    if not has_rows(program, layer):
        return 0
    return int(output_of(layer).channels * row_bits(layer, arch))


def row_bits(layer: Layer, arch: Arch) -> int:
    """One row of the memory of the layer's output unit: it is read whole."""
    if isinstance(layer.output, Threshold):
        return threshold_row_bits(arch)
    return requant_row_bits(arch)


def codebook_bits(layer: Layer, arch: Arch) -> int:
    """Bits of the codebook that the array loads before the layer; 0 where it decodes nothing."""
    book = codebook_of(arch, layer)
    return 0 if book is None else len(book.levels) * book.level_format.width


def table_bits(layer: Layer, arch: Arch) -> int:
    """Packed bits of a layer's codebook and output-stage parameters, each in its own width: what
    the program's file holds of them."""
    bits = codebook_bits(layer, arch)
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
