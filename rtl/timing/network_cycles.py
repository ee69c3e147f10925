"""Cycle model of the accelerator: every layer of a whole network, equal to the RTL exactly."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, assert_never

import numpy as np

from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import INPUT, SizedNetwork
from ..arch.arch import Arch
from .elementwise import elementwise, least, most
from .held_cycles import held_cycles
from .schedule import layer_schedule
from .tables import codebook_of
from .tensor_cycles import TensorCycles as TensorCycles
from .tiling import Tile, concat_parts, layer_tiles
from .timing import (
    MAX_POOL_LATENCY,
    OPERAND_LATENCY,
    PASS_OVERHEAD,
    array_latency,
    build_stall,
    output_latency,
)

COUNTED = tuple(entry.name for entry in fields(TensorCycles) if entry.name not in ("name", "kind"))
SUMMED = (
    "cycles", "beats", "drain_stalls", "passes", "groups", "drained", "column_beats",
    "column_blocks",
)  # fmt: skip
"""Fields that are summed over a layer's tiles."""


def network_cycles(arch: Arch, program: SizedNetwork) -> list[TensorCycles]:
    """The input and every layer, in order, with streams that do not stall.

    Of arrays that hold weights: `held_cycles`. Of others every pass costs PASS_OVERHEAD, every
    codebook a cycle per level. Then:

        input      a cycle per code
        threshold  OPERAND_LATENCY + codes + latency of the output stage
        max_pool   OPERAND_LATENCY + words of all windows + MAX_POOL_LATENCY
        upsample   per position within a repeated pixel, the same with the words of the input
        concat     per source, the same with its words where they begin and end on words; else
                   OPERAND_LATENCY + codes + latency of the output stage
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
    if arch.holds:
        return _held(arch, program)
    channels, height, width = program.tensor_shape(INPUT)
    codes = channels * height * width
    timings = [TensorCycles(name=INPUT, kind=INPUT, cycles=PASS_OVERHEAD + codes)]
    timings += [_layer(arch, program, layer) for layer in program.layers]
    return timings


def _held(points: Any, program: SizedNetwork) -> list[TensorCycles]:
    """Of one array, or vectors of `cost.estimate.points`, one array after the other."""
    if isinstance(points.rows, int):
        return held_cycles(points, program)
    arrays = [held_cycles(arch, program) for arch in points.arrays]
    return [_together(timings, COUNTED) for timings in zip(*arrays, strict=True)]


def _together(timings: Sequence[TensorCycles], names: Sequence[str]) -> TensorCycles:
    """One layer on many arrays, as vectors."""
    vectors: dict[str, Any] = {
        name: np.array([getattr(timing, name) for timing in timings], np.int64) for name in names
    }
    return TensorCycles(name=timings[0].name, kind=timings[0].kind, **vectors)


def _layer(arch: Arch, program: SizedNetwork, layer: Layer) -> TensorCycles:
    match layer:
        case ThresholdLayer():
            codes = math.prod(program.tensor_shape(layer.name))
            cycles = _direct(arch, codes, requant=False)
            return TensorCycles(name=layer.name, kind=str(layer.kind), cycles=cycles, codes=codes)
        case PoolLayer() if layer.output is None:
            _, height, width = program.tensor_shape(layer.name)
            windows = _words(arch, program, layer.input, height * width)
            moved = _Moved(words=windows * layer.taps, passes=1)
        case MacLayer() | PoolLayer():
            return _sums(arch, program, layer)
        case ConcatLayer():
            moved = _concat(arch, program, layer)
        case UpsampleLayer():
            _, height, width = program.tensor_shape(layer.name)
            moved = _Moved(
                words=_words(arch, program, layer.input, height * width),
                passes=math.prod(layer.factor),
            )
        case _:
            assert_never(layer)
    if layer is program.layers[-1]:  # the result leaves in a pass of its own
        moved += _Moved(codes=math.prod(program.tensor_shape(layer.name)), code_passes=1)
    return moved.cycles_of(arch, layer)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Moved:
    """What a layer of codes moves: words in passes of their own, codes one by one in others."""

    words: Any = 0
    passes: Any = 0
    codes: Any = 0
    code_passes: Any = 0

    def __add__(self, other: "_Moved") -> "_Moved":
        return _Moved(
            words=self.words + other.words,
            passes=self.passes + other.passes,
            codes=self.codes + other.codes,
            code_passes=self.code_passes + other.code_passes,
        )

    def cycles_of(self, arch: Arch, layer: Layer) -> TensorCycles:
        cycles = self.passes * (PASS_OVERHEAD + OPERAND_LATENCY + MAX_POOL_LATENCY) + self.words
        cycles += self.code_passes * _direct(arch, 0, requant=True) + self.codes
        return TensorCycles(
            name=layer.name, kind=str(layer.kind), cycles=cycles,
            passes=self.passes + self.code_passes, words=self.words, codes=self.codes,
        )  # fmt: skip


def _direct(arch: Arch, codes: int, *, requant: bool) -> int:
    return PASS_OVERHEAD + OPERAND_LATENCY + codes + output_latency(arch, requant=requant)


def _words(arch: Arch, program: SizedNetwork, tensor: str, pixels: int) -> Any:
    """Words of `pixels` pixels of a tensor."""
    return -(-program.tensor_shape(tensor)[0] // arch.rows) * pixels


def _concat(arch: Arch, program: SizedNetwork, layer: ConcatLayer) -> _Moved:
    shapes = [program.tensor_shape(name) for name in layer.inputs]
    counts, pixels = [shape[0] for shape in shapes], math.prod(shapes[0][1:])

    def total(by_words: bool, of: Callable[[int, int], int]) -> Any:
        return elementwise(
            lambda rows: sum(
                of(part.channels, rows)
                for part in concat_parts(counts, rows)
                if part.words == by_words
            ),
            arch.rows,
        )

    return _Moved(
        words=total(True, lambda channels, rows: -(-channels // rows)) * pixels,
        passes=total(True, lambda channels, rows: 1),
        codes=total(False, lambda channels, rows: channels) * pixels,
        code_passes=total(False, lambda channels, rows: 1),
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
    return _together([_sums(arch, program, layer) for arch in points.arrays], SUMMED)
