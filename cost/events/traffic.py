"""Events of the memories and of DRAM: the memory rows of the table in `events`.

What is read is what the RTL reads, from the schedule that its cycles come from
(`network_cycles`): whole words of `rows` codes, also where a single code is wanted (residuals,
read activations), and the columns that no output channel fills too.
"""

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from ...rtl.arch.arch import Arch
from ...rtl.program.placement import BOTH, place
from ...rtl.timing.elementwise import elementwise, real
from ...rtl.timing.network_cycles import TensorCycles
from ...rtl.timing.tables import has_rows, output_of, stored_width
from ...spec.errors import InputError
from ...spec.host.text import shown
from ...spec.layers import Layer, LayerKind, MacLayer, PoolLayer
from ...spec.program import Program
from .memories import (
    codebook_bits,
    has_sums,
    map_bits,
    parameter_bits,
    row_bits,
    stored_bits,
    table_bits,
    word_bits,
)

MOST_IMAGES = 10**12


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What is assumed around the array."""

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
    program: Program, layer: Layer, arch: Arch, timing: TensorCycles, outputs: int
) -> dict[str, Any]:
    """Activation reads and writes, weight reads, the codebook and the parameter reads."""
    codebook = codebook_bits(layer, arch)
    words = activation_words(program, layer, timing, outputs)
    counts = {
        "activation_read_bit": sum(
            real(count) * arch.rows * program.tensor_format(tensor).width
            for tensor, count in words.items()
        ),
        "activation_write_bit": real(_written(program, layer, arch)),
        "codebook_register_bit": float(codebook),
        "table_read_bit": float(codebook),
    }
    if has_sums(layer):
        assert isinstance(layer, MacLayer | PoolLayer)
        counts["weight_read_bit"] = real(timing.beats * word_bits(layer, arch))
        counts["drain_register_bit"] = real(timing.groups * arch.cols**2 * arch.acc_width)
    if has_rows(program, layer):
        reads = parameter_reads(layer, arch, timing, outputs)
        counts["parameter_read_bit"] = real(reads * row_bits(layer, arch))
    return counts


def _written(program: Program, layer: Layer, arch: Arch) -> Any:
    """Bits of the layer's map, and before the first layer those of the image. A max pool writes
    whole words, the lanes beyond its last channel too."""
    bits = map_bits(program, layer.name)
    if layer.kind is LayerKind.MAX_POOL:
        channels = program.tensor_shape(layer.name)[0]
        bits = bits // channels * (-(-channels // arch.rows) * arch.rows)
    written = bits * stored_copies(program, layer.name, arch)
    if layer is program.layers[0]:
        written = written + map_bits(program, layer.input) * stored_copies(
            program, layer.input, arch
        )
    return written


def activation_words(
    program: Program, layer: Layer, timing: TensorCycles, outputs: int
) -> dict[str, Any]:
    """Words of `rows` codes read, by the tensor that they are of.

    A beat reads one, padding included; a single code (read activations, residuals, the codes of a
    last max pool on their way out) the one it lies in, for idle columns too.
    """
    if layer.kind is LayerKind.MAX_POOL:
        words = {layer.input: timing.words}
        return words | ({layer.name: outputs} if layer is program.layers[-1] else {})
    if not has_sums(layer):
        return {layer.input: outputs}
    words = {layer.input: timing.beats}
    if isinstance(layer, MacLayer) and layer.skip is not None:
        words[layer.skip.tensor] = timing.drained + words.pop(layer.skip.tensor, 0)
    return words


def parameter_reads(layer: Layer, arch: Arch, timing: TensorCycles, outputs: int) -> Any:
    """Rows read: one per sum or code, but the unit holds its row until the channel changes."""
    if output_of(layer).channels == 1:
        return 1
    if not has_sums(layer):
        return outputs
    return elementwise(
        lambda cols, drained, blocks: drained if cols > 1 else blocks,
        arch.cols,
        timing.drained,
        timing.column_blocks,
    )


def stored_copies(program: Program, tensor: str, arch: Arch) -> Any:
    """Banks that a code is written to: two where it is read in both ways at once, none where it
    leaves as a result."""
    last = program.layers[-1]
    if tensor == last.name and last.output is not None:
        return 0
    if not any(isinstance(x, MacLayer) and x.skip is not None for x in program.layers):
        return 1
    return elementwise(lambda rows: 1 + (tensor in _doubled(program, rows)), arch.rows)


_placed: WeakKeyDictionary[Program, dict[int, frozenset[str]]] = WeakKeyDictionary()


def _doubled(program: Program, rows: int) -> frozenset[str]:
    """Tensors that lie in both banks."""
    known = _placed.setdefault(program, {})
    if rows not in known:
        tensors = place(program, rows).tensors
        known[rows] = frozenset(n for n, region in tensors.items() if region.banks == BOTH)
    return known[rows]


def network_events(
    program: Program, layer: Layer, arch: Arch, options: Options
) -> dict[str, float]:
    """Loading the network, the image in (first layer) and the logits out (last layer)."""
    packed = table_bits(layer, arch)
    if isinstance(layer, MacLayer):
        packed += layer.weights.size * stored_width(arch, layer)
    image = map_bits(program, layer.input) if layer is program.layers[0] else 0
    logits = map_bits(program, layer.name) if layer is program.layers[-1] else 0
    return {
        "weight_load_bit": _loaded(stored_bits(program, layer, arch), options),
        "parameter_write_bit": _loaded(parameter_bits(program, layer, arch), options),
        "dram_weight_bit": _loaded(packed, options),
        "dram_map_bit": float(image + logits),
    }


def _loaded(bits: Any, options: Options) -> Any:
    """What of a load of the network is one image's share."""
    return real(bits) / options.batch if options.weights_from_dram else 0.0
