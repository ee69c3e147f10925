"""Passes: a program as descriptors of an array that holds weights, and the weights they read."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import assert_never

import numpy as np

from ...spec.activation import Threshold
from ...spec.formats import Int64Array, IntFormat
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    Skip,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import INPUT, Program
from ...spec.requant import Requant
from ..arch.arch import Arch
from ..layouts.descriptor import LAYER_WIDTH, PassKind, limit
from ..layouts.words import Word
from ..networks.plans import Pass, Plan
from ..networks.regions import Placement
from ..networks.unsigned import as_unsigned
from ..timing.chaining import chains
from ..timing.folding import Fold, fold_of
from ..timing.grouping import grouping
from ..timing.schedule import layer_schedule, schedule_word
from ..timing.tables import codebook_of, output_of, stored_weights, tables_of
from ..timing.tiling import Tile, concat_parts, held_tiles, tile_fields
from .fold import folded
from .placement import place
from .walks import HeldWalks, Target

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


class _Planner:
    def __init__(self, arch: Arch, plan: Plan, most_planes: int | None) -> None:
        self.arch, self.plan, self.program = arch, plan, plan.program
        self.most_planes = most_planes
        self.walks = HeldWalks(arch=arch, program=plan.program, placement=plan.placement)
        names = [INPUT, *(layer.name for layer in plan.program.layers)]
        self.numbers = {name: number for number, name in enumerate(names)}
        limit("Number of a layer", len(names) - 1, LAYER_WIDTH)

    def input_pass(self) -> Pass:
        channels, height, width = self.program.tensor_shape(INPUT)
        rows, fold = self.arch.rows, self.plan.fold
        if fold is None:
            fold = Fold(
                layer=INPUT, columns=1, stride=1, padding=0, channels=channels, height=height,
                width=width, out_width=width,
            )  # fmt: skip
        words = -(-channels // rows)
        pad = self.plan.placement.pads.get(fold.layer)
        word = self._word(INPUT, PassKind.INPUT)
        word["walk"] = self.walks.write(Target(name=INPUT, channels=channels, group=channels))
        word["fold"] = {
            "columns": fold.columns,
            "stride": fold.stride,
            "padding": fold.padding,
            "width": fold.width,
            "height": fold.height,
            "out_width": fold.out_width,
            "channels": fold.channels,
            "words": words,
            "rest": channels - (words - 1) * rows,
            "pad_stored": int(pad is not None),
            "pad_base": 0 if pad is None else pad.base,
        }
        return Pass(layer=INPUT, kind=PassKind.INPUT, word=word)

    def layer_passes(self, number: int, layer: Layer) -> list[Pass]:
        match layer:
            case ThresholdLayer():
                if self.plan.chains.get(layer.input) == layer.name:
                    return []
                return [self._direct(layer, layer.input, layer.name)]
            case PoolLayer() if layer.output is None:
                window = self.walks.geometry.window(layer)
                passes = [self._moved(layer, layer.input, self.walks.words(layer.input, window))]
            case MacLayer() | PoolLayer():
                return self._array(layer)
            case ConcatLayer():
                passes = self._concat(layer)
            case UpsampleLayer():
                passes = self._upsample(layer)
            case _:
                assert_never(layer)
        if number == len(self.program.layers) - 1:
            passes.append(self._direct(layer, layer.name, None))
        return passes

    def _word(self, name: str, kind: PassKind) -> Word:
        """A descriptor without geometry; number 0 is the input."""
        number = self.numbers[name]
        return {"kind": int(kind), "layer": number, "stage": {}, "walk": {}, "feed": {}, "fold": {}}

    def _stage(self, word: Word, layer: Layer, first: int = 0) -> None:
        """The output stage of a layer and its first row of parameters, for channels from `first`
        on; also of the thresholds chained to it."""
        output = output_of(layer)
        match output:
            case Requant():
                out, values = output.format, {"shift": output.shift}
                values["skip_multiplier"] = output.skip_multiplier
            case Threshold():
                out, values = IntFormat(width=1), {}
            case _:
                assert_never(output)
        word["stage"] |= {
            **values,
            "requant": int(isinstance(output, Requant)),
            "skip": int(layer.skip is not None),
            "out_min": out.min,
            "out_max": out.max,
        }
        self._parameters(word, layer, first, "shared", "parameter_base")
        chained = self.plan.chains.get(layer.name)
        if chained is not None:
            word["second_layer"], word["stage"]["chained"] = self.numbers[chained], 1
            second = self.program.layer(chained)
            self._parameters(word, second, first, "second_shared", "second_base")

    def _parameters(self, word: Word, layer: Layer, first: int, shared: str, base: str) -> None:
        row = self.plan.tables.parameters[layer.name]
        one = output_of(layer).channels == 1
        word["stage"][shared] = int(one)
        word["walk"][base] = row if one else row + first // self.arch.out_lanes

    def _direct(self, layer: Layer, source: str, target: str | None) -> Pass:
        """Codes of `source` through the output stage, to `target` or as the result."""
        word, channels = self._word(layer.name, PassKind.DIRECT), self._channels(source)
        word["walk"] = self.walks.write(Target(name=layer.name, channels=channels, group=channels))
        self.walks.read(word["walk"], Skip(tensor=source), 0)
        self._stage(word, layer)
        if layer.output is None:
            most = 1 << (self.arch.out_width - 1)  # the stage must hold the codes, no more
            word["stage"] |= {"out_min": -most, "out_max": most - 1}
        if target is None or target not in self.plan.placement.tensors:
            self._to_stream(word)
        return Pass(layer=layer.name, kind=PassKind.DIRECT, word=word)

    @staticmethod
    def _to_stream(word: Word) -> None:
        word["to_stream"] = word["walk"]["narrow"] = 1
        word["walk"]["write"]["banks"] = 0

    def _moved(self, layer: Layer, source: str, feed: Word) -> Pass:
        """Maxima of windows of words of `source`, as words of the layer's tensor."""
        word = self._word(layer.name, PassKind.MAX_POOL)
        word["feed"] = feed
        word["feed_signed"] = int(self.program.tensor_format(source).signed)
        word["walk"] = self.walks.whole(source, layer.name)
        return Pass(layer=layer.name, kind=PassKind.MAX_POOL, word=word)

    def _copy(self, layer: ConcatLayer | UpsampleLayer, source: str) -> Pass:
        """Words of `source` unchanged, as maxima of windows of one."""
        window = self.walks.geometry.words(source)
        entry = self._moved(layer, source, self.walks.words(source, window))
        height, width = window.positions
        entry.word["walk"] |= {"height": height, "width": width}
        return entry

    def _concat(self, layer: ConcatLayer) -> list[Pass]:
        """Every source behind those before it."""
        passes, rows = [], self.arch.rows
        counts = [self._channels(name) for name in layer.inputs]
        for source, part in zip(layer.inputs, concat_parts(counts, rows), strict=True):
            if part.words:
                entry = self._copy(layer, source)
                entry.word["walk"]["write"]["start"] += part.first // rows
            else:
                entry = self._direct(layer, source, layer.name)
                target = Target(
                    name=layer.name, channels=part.channels, group=part.channels, first=part.first
                )
                entry.word["walk"] |= self.walks.write(target)
            passes.append(entry)
        return passes

    def _upsample(self, layer: UpsampleLayer) -> list[Pass]:
        """A copy of the map for every position within a repeated pixel."""
        down, right = layer.factor
        width = self.program.tensor_shape(layer.name)[2]
        blocks = self.walks.geometry.blocks(layer.name)
        passes = []
        for y in range(down):
            for x in range(right):
                entry = self._copy(layer, layer.input)
                place = entry.word["walk"]["write"]
                place["start"] += (y * width + x) * blocks
                place |= {"row_step": down * width * blocks, "pixel_step": right * blocks}
                passes.append(entry)
        return passes

    def _array(self, layer: MacLayer | PoolLayer) -> list[Pass]:
        arch, channels = self.arch, self._channels(layer.input)
        weights, width = stored_weights(arch, layer, channels)
        groups = channels if isinstance(layer, PoolLayer) else layer.groups
        passes = []
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
        word = self._word(layer.name, PassKind.ARRAY)
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
        channels = min(tile.blocks * arch.cols, self._channels(layer.name) - tile.first)
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
        self._stage(word, layer, tile.first)
        if layer is self.program.layers[-1]:
            self._to_stream(word)
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

    def _channels(self, tensor: str) -> int:
        return self.program.tensor_shape(tensor)[0]
