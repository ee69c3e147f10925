"""Cycle model of arrays that hold weights: every layer of a network, equal to the RTL exactly."""

import math
from dataclasses import replace
from typing import assert_never

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
from .chaining import chains
from .folding import fold_of
from .group_pace import Blocks, tile_pace
from .grouping import grouping
from .held_timing import (
    HELD_PASS_OVERHEAD,
    STAGE_SETUP_CYCLES,
    first_times,
    fold_cycles,
    maxima_cycles,
    stage_finish_cycles,
)
from .schedule import layer_schedule
from .tables import codebook_of
from .tensor_cycles import TensorCycles
from .tiling import Tile, concat_parts, held_tiles


def held_cycles(arch: Arch, program: SizedNetwork) -> list[TensorCycles]:
    """The input and every layer, in order, with streams that do not stall.

    A pass takes HELD_PASS_OVERHEAD - 1 cycles, one per level of its codebook, and those from
    `setup` to `finished`:

        input      fold_cycles
        threshold  STAGE_SETUP_CYCLES + chunks - 1 + stage_finish_cycles; chained to the layer that
                   it reads, no cycle
        max_pool   maxima_cycles of the words of all windows
        upsample   per position within a repeated pixel, the same with the words of the input
        concat     per source, the same with its words where they begin and end on words; else that
                   of a threshold layer
        others     per tile the time of its groups, one after the other (`group_pace`), to the last
                   chunk + stage_finish_cycles

    A chunk is `out_lanes` codes of a pixel; one code where the result leaves, or where residual
    codes or those of a concatenation do not begin with an output lane.

    >>> from adqhw.spec.program_file import load
    >>> program = load("zoo/cifar10_resnet20_w4a4.safetensors")
    >>> arch = Arch(rows=16, cols=16, hold=16, fill=8, out_lanes=4)
    >>> [layer.cycles for layer in held_cycles(arch, program)][:2]
    [3285, 4177]
    """
    return _Network(arch, program).tensors()


class _Network:
    def __init__(self, arch: Arch, program: SizedNetwork) -> None:
        self.arch, self.program = arch, program
        self.fold, self.chained = fold_of(program, arch.rows), chains(program)

    def tensors(self) -> list[TensorCycles]:
        return [self._input(), *(self._layer(layer) for layer in self.program.layers)]

    def _input(self) -> TensorCycles:
        channels, height, width = self.program.tensor_shape(INPUT)
        fold = self.fold
        cycles = fold_cycles(
            self.arch,
            columns=1 if fold is None else fold.columns,
            stride=1 if fold is None else fold.stride,
            padding=0 if fold is None else fold.padding,
            channels=channels,
            height=height,
            width=width,
            out_width=width if fold is None else fold.out_width,
        )
        return TensorCycles(name=INPUT, kind=INPUT, cycles=_pass_cycles(cycles))

    def _layer(self, layer: Layer) -> TensorCycles:
        everything = [(self._channels(layer.name), False)]
        is_last = layer is self.program.layers[-1]
        match layer:
            case ThresholdLayer():
                if self.chained.get(layer.input) == layer.name:
                    return TensorCycles(name=layer.name, kind=str(layer.kind), cycles=0, passes=0)
                return self._codes(layer, everything, requant=False, results=is_last)
            case PoolLayer() if layer.output is None:
                words = self._blocks(layer.input) * layer.taps * self._pixels(layer)
                found = self._moved(layer, [words])
            case MacLayer() | PoolLayer():
                return self._sums(layer)
            case ConcatLayer():
                found = self._concat(layer)
            case UpsampleLayer():
                pixels = math.prod(self.program.tensor_shape(layer.input)[1:])
                words = self._blocks(layer.input) * pixels
                found = self._moved(layer, [words] * math.prod(layer.factor))
            case _:
                assert_never(layer)
        if is_last:  # the result leaves in a pass of its own
            return _sum(found, self._codes(layer, everything, results=True))
        return found

    def _moved(self, layer: Layer, words: list[int]) -> TensorCycles:
        """Words that are moved whole, a pass for each of the numbers."""
        cycles = sum(_pass_cycles(maxima_cycles(self.arch, count)) for count in words)
        return TensorCycles(
            name=layer.name, kind=str(layer.kind), cycles=cycles, passes=len(words),
            words=sum(words),
        )  # fmt: skip

    def _concat(self, layer: ConcatLayer) -> TensorCycles:
        counts = [self._channels(name) for name in layer.inputs]
        parts, rows = concat_parts(counts, self.arch.rows), self.arch.rows
        pixels = self._pixels(layer)
        moved = [-(-part.channels // rows) * pixels for part in parts if part.words]
        codes = [
            (part.channels, part.first % rows % self.arch.out_lanes > 0)
            for part in parts
            if not part.words
        ]
        return _sum(self._moved(layer, moved), self._codes(layer, codes))

    def _codes(
        self,
        layer: Layer,
        parts: list[tuple[int, bool]],
        *,
        requant: bool = True,
        results: bool = False,
    ) -> TensorCycles:
        """Codes through the output stage, a pass for each of `parts`: channels, one by one or
        not. results: they leave the accelerator."""
        total = TensorCycles(name=layer.name, kind=str(layer.kind), cycles=0, passes=0)
        finish = stage_finish_cycles(self.arch, requant=requant, results=results)
        for channels, narrow in parts:
            lanes = 1 if narrow or results else self.arch.out_lanes
            chunks = -(-channels // lanes) * self._pixels(layer)
            total = replace(
                total,
                cycles=total.cycles + _pass_cycles(STAGE_SETUP_CYCLES + chunks - 1 + finish),
                passes=total.passes + 1,
                codes=total.codes + channels * self._pixels(layer),
                chunks=total.chunks + chunks,
            )
        return total

    def _sums(self, layer: MacLayer | PoolLayer) -> TensorCycles:
        arch = self.arch
        work, book = layer_schedule(arch, self.program, layer), codebook_of(arch, layer)
        pixels, outputs = self._pixels(layer), self._channels(layer.name)
        finish = stage_finish_cycles(
            arch,
            requant=layer.requantizes,
            chained=layer.name in self.chained,
            results=layer is self.program.layers[-1],
        )
        cycles = 0 if book is None else len(book.levels)
        taps, tiles = self._tiles(layer)
        times, paces, sums, column_beats = first_times(arch, work), [], 0, 0
        for tile in tiles:
            used = min(outputs - tile.first, tile.blocks * arch.cols)
            blocks = Blocks(
                channels=used,
                cols=arch.cols,
                pixels=grouping(pixels, arch.hold),
                words=taps * tile.input_blocks,
                constant=isinstance(layer, PoolLayer) and tile.input_blocks == 1,
                lanes=1 if self._is_narrow(layer, tile) else arch.out_lanes,
            )
            pace = tile_pace(blocks, **times)
            paces.append(pace)
            cycles += _pass_cycles(pace.drained + finish)
            sums += used * pixels
            column_beats += used * pixels * taps * tile.input_blocks
        count = sum(tile.blocks for tile in tiles)
        return TensorCycles(
            name=layer.name,
            kind=str(layer.kind),
            cycles=cycles,
            passes=len(tiles),
            beats=sum(pace.beats for pace in paces),
            drain_stalls=sum(pace.drain_stalls for pace in paces),
            word_stalls=sum(pace.word_stalls for pace in paces),
            weight_words=sum(pace.words for pace in paces),
            chunks=sum(pace.chunks for pace in paces),
            groups=count * pixels,
            drained=sums,
            column_beats=column_beats,
            column_blocks=count,
        )

    def _tiles(self, layer: MacLayer | PoolLayer) -> tuple[int, list[Tile]]:
        """Positions of a window, and tiles; of a folded layer those of the folded one."""
        arch, channels = self.arch, self._channels(layer.input)
        if self.fold is None or layer.name != self.fold.layer:
            return layer.taps, held_tiles(layer, channels, rows=arch.rows, cols=arch.cols)
        words = -(-self.fold.columns * channels // arch.rows)
        blocks = -(-self._channels(layer.name) // arch.cols)
        return layer.kernel[0], [Tile(first=0, blocks=blocks, input_block=0, input_blocks=words)]

    def _is_narrow(self, layer: MacLayer | PoolLayer, tile: Tile) -> bool:
        """Whether sums leave one by one."""
        if layer is self.program.layers[-1]:
            return True
        offset = 0 if layer.skip is None else layer.skip.channel_offset
        return (tile.first - offset) % self.arch.out_lanes > 0

    def _channels(self, tensor: str) -> int:
        return self.program.tensor_shape(tensor)[0]

    def _blocks(self, tensor: str) -> int:
        return -(-self._channels(tensor) // self.arch.rows)

    def _pixels(self, layer: Layer) -> int:
        _, height, width = self.program.tensor_shape(layer.name)
        return height * width


def _pass_cycles(cycles: int) -> int:
    """Of a pass that takes so many from `setup` to `finished`."""
    return HELD_PASS_OVERHEAD + cycles - 1


def _sum(words: TensorCycles, codes: TensorCycles) -> TensorCycles:
    return replace(
        words,
        cycles=words.cycles + codes.cycles,
        passes=words.passes + codes.passes,
        codes=codes.codes,
        chunks=codes.chunks,
    )
