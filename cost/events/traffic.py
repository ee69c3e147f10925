"""Events of the memories and of DRAM: the memory rows of the table in `events`.

What is read is what the RTL reads, from the schedule that its cycles come from
(`network_cycles`): whole words of `rows` codes, also where a single code is wanted (residuals,
read activations), and the columns that no output channel fills too.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...rtl.accelerator.ports import Target
from ...rtl.arch.arch import Arch
from ...rtl.networks.regions import BOTH
from ...rtl.program.placement import place
from ...rtl.timing.elementwise import elementwise, real
from ...rtl.timing.network_cycles import TensorCycles
from ...rtl.timing.tables import has_rows, output_of, stored_width
from ...spec.activation import Threshold
from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.layers import Layer, MacLayer
from ...spec.program import SizedNetwork
from .memories import (
    Count,
    Real,
    codebook_bits,
    map_bits,
    parameter_bits,
    row_bits,
    stage_bits,
    weight_bits,
    word_bits,
)

MOST_IMAGES = 10**12


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Assumptions about everything but the array."""

    weights_from_dram: bool = True
    """Count the transfer of the packed network from DRAM; False: it is resident, never counted."""
    batch: int = 1
    """Images processed per load of the network; 1 is the cold start, the dearest case."""

    def __post_init__(self) -> None:
        whole = isinstance(self.batch, int) and not isinstance(self.batch, bool)
        if not whole or not 1 <= self.batch <= MOST_IMAGES:
            raise InputError(
                f"Batch must be a positive number of images up to {MOST_IMAGES:,}, "
                f"not {shown(self.batch)}"
            )


def memory_events(
    program: SizedNetwork,
    layer: Layer,
    arch: Arch,
    timing: TensorCycles,
    outputs: int,
    banks: Mapping[str, Count],
) -> dict[str, Any]:
    """Activation reads and writes, weight reads, the codebook and the parameter reads.

    banks: `written_banks`.
    """
    codebook = codebook_bits(layer, arch)
    words = activation_words(layer, timing)
    counts = {
        "activation_read_bit": sum(
            real(count) * arch.rows * program.tensor_format(tensor).width
            for tensor, count in words.items()
        ),
        "activation_write_bit": real(_written(program, layer, arch, timing, banks)),
        "codebook_register_bit": float(codebook),
        "table_read_bit": float(codebook),
    }
    if layer.sums:
        counts["weight_read_bit"] = real(timing.beats * word_bits(layer, arch))
        counts["drain_register_bit"] = real(timing.groups * arch.cols**2 * arch.acc_width)
    if has_rows(program, layer):
        reads = parameter_reads(layer, arch, timing, outputs)
        counts["parameter_read_bit"] = real(reads * row_bits(layer, arch))
    return counts


def stored_codes(program: SizedNetwork, layer: Layer, timing: TensorCycles) -> Count:
    """Codes of a layer that leaves them as they are which are stored one by one."""
    result = math.prod(program.tensor_shape(layer.name)) if layer is program.layers[-1] else 0
    return timing.codes - result


def _written(
    program: SizedNetwork, layer: Layer, arch: Arch, timing: TensorCycles,
    banks: Mapping[str, Count],
) -> Count:  # fmt: skip
    """Bits of the layer's map, and before the first layer those of the image. What is moved in
    whole words is written so, the lanes beyond its last channel too."""
    bits: Count = map_bits(program, layer.name)
    if layer.output is None:
        codes = timing.words // layer.taps * arch.rows + stored_codes(program, layer, timing)
        bits = codes * program.tensor_format(layer.name).width
    written = bits * banks[layer.name]
    if layer is program.layers[0]:
        written = written + map_bits(program, layer.input) * banks[layer.input]
    return written


def activation_words(layer: Layer, timing: TensorCycles) -> dict[str, Count]:
    """Words of `rows` codes read, by a tensor of the format that they have.

    A beat reads one, padding included; a single code (read activations, residuals, codes that leave
    without being summed) the one it lies in, for idle columns too.
    """
    if not layer.sums:
        return {layer.input: timing.words + timing.codes}
    words: dict[str, Count] = {layer.input: timing.beats}
    if layer.skip is not None:
        words[layer.skip.tensor] = timing.drained + words.pop(layer.skip.tensor, 0)
    return words


def parameter_reads(layer: Layer, arch: Arch, timing: TensorCycles, outputs: int) -> Count:
    """Rows read: one per sum or code, but the unit holds its row until the channel changes."""
    if output_of(layer).channels == 1:
        return 1 if layer.output is not None else elementwise(lambda n: int(n > 0), timing.codes)
    if not layer.sums:
        return outputs
    reads: Count = elementwise(
        lambda cols, drained, blocks: drained if cols > 1 else blocks,
        arch.cols,
        timing.drained,
        timing.column_blocks,
    )
    return reads


def written_banks(program: SizedNetwork, arch: Arch) -> dict[str, Count]:
    """Banks that the codes of each tensor are written to: two where they are read in both ways at
    once, none where they leave as a result."""
    banks: dict[str, Count] = dict.fromkeys(program.tensors, 1)
    if any(layer.skip is not None for layer in program.layers):
        sizes = {rows: place(program, rows).tensors for rows in np.unique(arch.rows).tolist()}
        for name in program.tensors:
            doubled = {
                r for r, placed in sizes.items() if name in placed and placed[name].banks == BOTH
            }
            banks[name] = elementwise(lambda rows, both=doubled: 1 + (rows in both), arch.rows)
    last = program.layers[-1]
    if last.output is not None:
        banks[last.name] = 0
    return banks


def network_events(
    program: SizedNetwork, layer: Layer, arch: Arch, options: Options,
    streamed: frozenset[int] = frozenset(),
) -> dict[str, Any]:  # fmt: skip
    """Loading the network, the image in (first layer) and the logits out (last layer).

    streamed: load targets whose rows are not loaded with the network, but by jobs beside passes.
    """
    codebook = 0 if Target.CODEBOOKS in streamed else codebook_bits(layer, arch)
    packed, loaded = codebook, weight_bits(program, layer, arch)
    rows, parameters = parameter_bits(program, layer, arch), stage_bits(layer)
    thresholds = isinstance(layer.output, Threshold)
    if (Target.THRESHOLDS if thresholds else Target.REQUANTS) in streamed:
        rows = parameters = 0
    if Target.WEIGHTS in streamed:
        loaded = 0
    elif isinstance(layer, MacLayer):
        packed += layer.weights.size * stored_width(arch, layer)
    image = map_bits(program, layer.input) if layer is program.layers[0] else 0
    logits = map_bits(program, layer.name) if layer is program.layers[-1] else 0
    return {
        "weight_load_bit": _loaded(loaded + codebook, options),
        "parameter_write_bit": _loaded(rows, options),
        "dram_weight_bit": _loaded(packed + parameters, options),
        "dram_map_bit": float(image + logits),
    }


def _loaded(bits: Count, options: Options) -> Real:
    """One image's share of a load of the network."""
    share: Real = real(bits) / options.batch if options.weights_from_dram else 0.0
    return share
