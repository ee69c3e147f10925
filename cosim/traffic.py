"""Events of the memories and of DRAM: the memory rows of the table in `events`."""

from dataclasses import dataclass
from typing import Any, Protocol

from ..rtl.arch import Arch
from ..spec.activation import Threshold
from ..spec.errors import InputError
from ..spec.layers import Layer, LayerKind, MacLayer, PoolLayer
from ..spec.program import Program
from ..spec.text import shown
from .elementwise import real
from .memories import (
    codebook_bits,
    map_bits,
    requant_row_bits,
    stored_width,
    table_bits,
    threshold_row_bits,
    word_bits,
)


class Timing(Protocol):
    """What the cycle model says of a layer; depth: beats of one group."""

    @property
    def beats(self) -> int: ...
    @property
    def groups(self) -> int: ...
    @property
    def cycles(self) -> int: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class OffArray:
    """Timing of a layer that the array takes no part in (max pooling)."""

    cycles: int
    beats: int = 0
    groups: int = 0


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


def on_array(layer: Layer) -> bool:
    """True when the layer's sums are made by the lanes and leave through the drain."""
    return isinstance(layer, MacLayer) or layer.kind is LayerKind.AVG_POOL


def pooled_words(program: Program, layer: Layer, arch: Arch) -> int:
    """Words that a max pool reads, one per cycle: a window of every pixel and channel block."""
    assert isinstance(layer, PoolLayer)
    channels, height, width = program.tensor_shape(layer.name)
    return -(-channels // arch.rows) * height * width * layer.kernel**2


def memory_events(
    program: Program, layer: Layer, arch: Arch, timing: Timing, outputs: int
) -> dict[str, Any]:
    """Activation reads, residual reads, the tables of the layer and the parameter reads."""
    width = program.tensor_format(layer.input).width
    streamed = on_array(layer)
    read = timing.beats * arch.rows * width if streamed else map_bits(program, layer.input)
    if layer.kind is LayerKind.MAX_POOL:
        read = pooled_words(program, layer, arch) * arch.rows * width
        if layer is program.layers[-1]:  # its codes are read again to become results
            read += map_bits(program, layer.name)
    if isinstance(layer, MacLayer) and layer.skip is not None:
        read += outputs * program.tensor_format(layer.skip.tensor).width
    codebook = codebook_bits(layer, arch.micro)
    counts = {
        "activation_read_bit": real(read),
        "codebook_register_bit": float(codebook),
        "table_read_bit": float(table_bits(layer, arch.micro)),
    }
    if isinstance(layer, MacLayer):
        counts["weight_read_bit"] = real(timing.beats * word_bits(layer, arch))
    if streamed:
        acc_width = program.acc_width(layer.name)
        counts["drain_register_bit"] = real(timing.groups * arch.cols**2 * acc_width)
    if layer.output is not None:
        threshold = isinstance(layer.output, Threshold)
        row = threshold_row_bits(arch) if threshold else requant_row_bits(arch)
        channels = program.tensor_shape(layer.name)[0] if streamed else layer.output.channels
        counts["parameter_write_bit"] = float(channels * row)
        # the unit holds its row: it reads again only when the channel changes
        shared = 1 if layer.output.channels == 1 else outputs
        sums = timing.groups * arch.cols if streamed else shared
        counts["parameter_read_bit"] = real(sums * row)
    return counts


def network_events(
    program: Program, layer: Layer, arch: Arch, options: Options
) -> dict[str, float]:
    """Loading the network, the image in (first layer) and the logits out (last layer)."""
    packed = table_bits(layer, arch.micro)
    if isinstance(layer, MacLayer):
        packed += layer.weights.size * stored_width(layer, arch.micro)
    loaded = packed / options.batch if options.weights_from_dram else 0.0
    image = map_bits(program, layer.input) if layer is program.layers[0] else 0
    logits = map_bits(program, layer.name) if layer is program.layers[-1] else 0
    return {
        "weight_load_bit": loaded,
        "dram_weight_bit": loaded,
        "activation_write_bit": float(image),
        "dram_map_bit": float(image + logits),
    }
