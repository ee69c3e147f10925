"""Passes: a program as descriptors of an array that holds weights, and the weights they read."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

import numpy as np

from ...spec.formats import Int64Array
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import Program
from ..arch.arch import Arch
from ..layouts.descriptor import PassKind
from ..layouts.words import Word
from ..networks.plans import Pass, Plan
from ..networks.regions import Placement
from ..networks.unsigned import as_unsigned
from ..timing.chaining import chains
from ..timing.folding import fold_of
from ..timing.grouping import grouping
from ..timing.schedule import layer_schedule, schedule_word
from ..timing.tables import codebook_of, stored_weights, tables_of
from ..timing.tiling import Tile, held_tiles, tile_fields
from .fold import folded
from .moves import Moves
from .placement import place
from .walks import Target

Placing = Callable[..., Placement]
"""Addresses of a program's tensors: of the program, its chains and, by name, `padded`."""


def held_plan(
    arch: Arch, program: Program, *, placing: Placing | None = None, most_planes: int | None = None
) -> Plan:
    """Passes of `program`; the sizes of memories are `rtl.program.fit.check_storage`'s.

    placing: by default every tensor as a whole. most_planes: of a pass; layers with more weights
    are cut between column blocks.
    """
    program, offsets = as_unsigned(program)
    fold = fold_of(program, arch.rows)
    if fold is not None:
        program = folded(program, fold)
    chained = chains(program)
    padded = fold.layer if fold is not None and fold.is_padded else None
    plan = Plan(
        program=program,
        offsets=offsets,
        placement=(placing or partial(place, rows=arch.rows))(program, chained, padded=padded),
        tables=tables_of(arch, program),
        passes=[],
        fold=fold,
        chains=chained,
    )
    planner = _Planner(arch, plan, most_planes)
    plan.passes.append(planner.input_pass())
    for number, layer in enumerate(program.layers):
        plan.passes.extend(planner.layer_passes(number, layer))
    planes = 0
    for entry in plan.passes:
        if entry.fields is not None:
            entry.word["feed"]["planes"] = planes
            planes += entry.planes
    plan.passes[-1].word["final"] = 1
    return plan


class _Planner(Moves):
    def __init__(self, arch: Arch, plan: Plan, most_planes: int | None) -> None:
        super().__init__(arch, plan)
        self.most_planes = most_planes

    def layer_passes(self, number: int, layer: Layer) -> list[Pass]:
        match layer:
            case ThresholdLayer():
                if self.plan.chains.get(layer.input) == layer.name:
                    return []
                return [self.direct(layer, layer.input, layer.name)]
            case PoolLayer() if layer.output is None:
                window = self.walks.geometry.window(layer)
                passes = [self.moved(layer, layer.input, self.walks.words(layer.input, window))]
            case MacLayer() | PoolLayer():
                return self._array(layer)
            case ConcatLayer():
                passes = self.concat(layer)
            case UpsampleLayer():
                passes = self.upsample(layer)
            case _:
                assert_never(layer)
        if number == len(self.program.layers) - 1:
            passes.append(self.direct(layer, layer.name, None))
        return passes

    def _array(self, layer: MacLayer | PoolLayer) -> list[Pass]:
        arch, channels = self.arch, self.channels(layer.input)
        weights, width = stored_weights(arch, layer, channels)
        groups = channels if isinstance(layer, PoolLayer) else layer.groups
        passes: list[Pass] = []
        whole = held_tiles(layer, channels, rows=arch.rows, cols=arch.cols)
        for tile in self._cut(whole, layer.taps * width):
            fields = tile_fields(tile, weights, groups, rows=arch.rows, cols=arch.cols)
            constant = isinstance(layer, PoolLayer) and tile.input_blocks == 1
            if isinstance(layer, PoolLayer) and not constant:
                fields = np.repeat(fields, layer.taps, axis=1)
            entry = self._tile(layer, tile, fields, width)
            entry.word["feed"]["constant"] = int(constant)
            if not passes:
                self._codebook(entry.word, layer)
            passes.append(entry)
        return passes

    def _cut(self, tiles: list[Tile], planes: int) -> list[Tile]:
        """Tiles of at most `most_planes` weight planes. planes: of an input block and column."""
        if self.most_planes is None:
            return tiles
        parts = []
        for tile in tiles:
            each = max(1, self.most_planes // (planes * tile.input_blocks * self.arch.fill))
            for block in range(0, tile.blocks, each):
                part = replace(
                    tile,
                    first=tile.first + block * self.arch.cols,
                    blocks=min(each, tile.blocks - block),
                    input_block=tile.input_block + block * tile.block_step,
                )
                parts.append(part)
        return parts

    def _tile(
        self, layer: MacLayer | PoolLayer, tile: Tile, fields: Int64Array, width: int
    ) -> Pass:
        arch, skip = self.arch, layer.skip
        word = self.word(layer.name, PassKind.ARRAY)
        word["bypass"] = int(codebook_of(arch, layer) is None)
        work = layer_schedule(arch, self.program, layer)
        word["schedule"] = schedule_word(arch, work)
        window = self.walks.geometry.window(layer)
        groups = grouping(window.positions[0] * window.positions[1], arch.hold)
        feed = self.walks.feed(layer.input, window, groups=groups, skip=skip)
        feed |= {"blocks": tile.blocks, "block_step": tile.block_step}
        feed |= {"channel_blocks": tile.input_blocks, "weight_width": width}
        feed["start"] += tile.input_block
        if layer.name in self.plan.placement.pads:
            base = self.plan.placement.pads[layer.name].base + tile.input_block
            feed |= {"pad_stored": 1, "pad_base": base}
        word["feed"] = feed
        chained = self.plan.chains.get(layer.name)
        channels = min(tile.blocks * arch.cols, self.channels(layer.name) - tile.first)
        word["walk"] = self.walks.write(
            Target(
                name=layer.name,
                channels=channels,
                group=arch.cols,
                first=tile.first,
                blocks=tile.blocks,
                second=chained,
            )
        )
        if skip is not None:
            self.walks.read(word["walk"], skip, tile.first, other=feed["bank"])
        self.stage(word, layer, tile.first)
        if layer is self.program.layers[-1]:
            self.to_stream(word)
        return Pass(
            layer=layer.name, kind=PassKind.ARRAY, word=word, tile=tile, fields=fields,
            weight_width=width, fill=arch.fill, second=chained,
        )  # fmt: skip

    def _codebook(self, word: Word, layer: Layer) -> None:
        """The codebook is loaded in the first pass of its layer."""
        book = codebook_of(self.arch, layer)
        if book is not None:
            word["codebook_base"] = self.plan.tables.codebooks[layer.name]
            word["codebook_count"] = len(book.levels)
