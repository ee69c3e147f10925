"""Cycle model of the accelerator: every layer of a whole network, equal to the RTL exactly."""

from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np

from ...spec.layers import Layer, LayerKind, MacLayer, PoolLayer, ThresholdLayer
from ...spec.program import INPUT, SizedNetwork
from ..arch.arch import Arch
from .elementwise import least, most
from .schedule import layer_schedule
from .tables import codebook_of
from .tiling import Tile, layer_tiles
from .timing import (
    MAX_POOL_LATENCY,
    OPERAND_LATENCY,
    PASS_OVERHEAD,
    array_latency,
    build_stall,
    output_latency,
)

SUMMED = (
    "cycles", "beats", "drain_stalls", "passes", "groups", "drained", "column_beats",
    "column_blocks",
)  # fmt: skip
"""Fields that are summed over a layer's tiles."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TensorCycles:
    """Cycles of all passes of a layer (or of the input), from fetch to last code, and their beats,
    sums and words, from which events are counted.
    """

    name: str
    kind: str
    cycles: int
    beats: int = 0
    """Accepted by the array."""
    drain_stalls: int = 0
    """Cycles in which the array waits for the drain."""
    passes: int = 1
    groups: int = 0
    """Sums of a column: all columns finish theirs in the same cycle."""
    drained: int = 0
    """Sums that pass the drain, those of idle columns too."""
    column_beats: int = 0
    """Beats, summed over the columns whose sums belong to an output channel."""
    column_blocks: int = 0
    """Blocks of `cols` output channels."""
    words: int = 0
    """That a max pool reads."""


def network_cycles(arch: Arch, program: SizedNetwork) -> list[TensorCycles]:
    """The input and every layer, in order, with streams that do not stall.

    Every pass costs PASS_OVERHEAD, every codebook a cycle per level. Then:

        input      a cycle per code
        threshold  OPERAND_LATENCY + codes + latency of the output stage
        max_pool   OPERAND_LATENCY + words of all windows + MAX_POOL_LATENCY
        others     per tile of `blocks` column blocks and D beats per sum, G = blocks * pixels, B
                   cycles per beat and W = D * B + final cycles per sum (`rtl.timing.schedule`):
                   OPERAND_LATENCY + build stall (product_table) + (D - 1) * B + 1
                   + (G - 1) * max(W, cols) + array latency + cols - 1
                   and (G - 1) * max(0, cols - W) stalls

    >>> from adqhw.spec.program_file import load
    >>> program = load("zoo/cifar10_resnet20_w2a2.safetensors")
    >>> [layer.cycles for layer in network_cycles(Arch(rows=16, cols=16), program)][:2]
    [3077, 16409]
    """
    channels, height, width = program.tensor_shape(INPUT)
    codes = channels * height * width
    timings = [TensorCycles(name=INPUT, kind=INPUT, cycles=PASS_OVERHEAD + codes)]
    timings += [_layer(arch, program, layer) for layer in program.layers]
    return timings


def _layer(arch: Arch, program: SizedNetwork, layer: Layer) -> TensorCycles:
    match layer:
        case ThresholdLayer():
            cycles = _direct(arch, program, layer.name, requant=False)
            return TensorCycles(name=layer.name, kind=str(layer.kind), cycles=cycles)
        case PoolLayer(kind=LayerKind.MAX_POOL):
            return _max_pool(arch, program, layer)
        case MacLayer() | PoolLayer():
            return _sums(arch, program, layer)
        case _:
            assert_never(layer)


def _direct(arch: Arch, program: SizedNetwork, name: str, *, requant: bool) -> int:
    channels, height, width = program.tensor_shape(name)
    latency = output_latency(arch, requant=requant)
    return PASS_OVERHEAD + OPERAND_LATENCY + channels * height * width + latency


def _max_pool(arch: Arch, program: SizedNetwork, layer: PoolLayer) -> TensorCycles:
    channels, height, width = program.tensor_shape(layer.name)
    words = -(-channels // arch.rows) * height * width * layer.taps
    cycles, passes = PASS_OVERHEAD + OPERAND_LATENCY + words + MAX_POOL_LATENCY, 1
    if layer is program.layers[-1]:  # the result leaves in a pass of its own
        cycles += _direct(arch, program, layer.name, requant=True)
        passes = 2
    return TensorCycles(
        name=layer.name, kind=str(layer.kind), cycles=cycles, passes=passes, words=words
    )


def _sums(arch: Arch, program: SizedNetwork, layer: MacLayer | PoolLayer) -> TensorCycles:
    channels = program.tensor_shape(layer.input)[0]
    _, height, width = program.tensor_shape(layer.name)
    size: Any = arch.rows
    if (isinstance(layer, PoolLayer) or layer.groups > 1) and not isinstance(size, int):
        return _one_by_one(arch, program, layer)
    work = layer_schedule(arch, program, layer)
    latency = array_latency(arch, requant=layer.requantizes, work=work)
    book = codebook_of(arch, layer)
    cycles = 0 if book is None else len(book.levels)
    tiles = _tiles(layer, channels, arch)
    outputs = layer.out_channels if isinstance(layer, MacLayer) else channels
    beats = stalls = sums = column_beats = 0
    for tile in tiles:
        depth, groups = layer.taps * tile.input_blocks, tile.blocks * height * width
        busy = work.group_cycles(depth)
        cycles += PASS_OVERHEAD + OPERAND_LATENCY + build_stall(arch)
        cycles += (depth - 1) * work.beat_cycles + 1 + (groups - 1) * most(busy, arch.cols)
        cycles += latency + arch.cols - 1
        beats += groups * depth
        stalls += (groups - 1) * most(0, arch.cols - busy)
        sums += groups
        columns = least(outputs - tile.first, tile.blocks * arch.cols)
        column_beats += columns * height * width * depth
    return TensorCycles(
        name=layer.name, kind=str(layer.kind), cycles=cycles, beats=beats, drain_stalls=stalls,
        passes=len(tiles), groups=sums, drained=sums * arch.cols, column_beats=column_beats,
        column_blocks=sums // (height * width),
    )  # fmt: skip


def _tiles(layer: MacLayer | PoolLayer, channels: int, arch: Arch) -> list[Tile]:
    """Tiles of the layer; a single one without groups, in arithmetic that also works on vectors."""
    if isinstance(layer, PoolLayer) or layer.groups > 1:
        return layer_tiles(layer, channels, rows=arch.rows, cols=arch.cols)
    blocks, input_blocks = -(-layer.out_channels // arch.cols), -(-channels // arch.rows)
    return [Tile(first=0, blocks=blocks, input_block=0, input_blocks=input_blocks)]


def _one_by_one(points: Any, program: SizedNetwork, layer: MacLayer | PoolLayer) -> TensorCycles:
    """Vectors of `cost.estimate.points`, where the number of tiles itself depends on the array."""
    timings = [_sums(arch, program, layer) for arch in points.arrays]
    vectors: dict[str, Any] = {
        name: np.array([getattr(timing, name) for timing in timings], np.int64) for name in SUMMED
    }
    return TensorCycles(name=layer.name, kind=str(layer.kind), **vectors)
