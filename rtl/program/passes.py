"""Passes: a program as the descriptors that the sequencer walks, and the weights they read."""

from typing import assert_never

from ...spec.codebook import Codebook
from ...spec.formats import Int64Array
from ...spec.layers import (
    ConcatLayer,
    Layer,
    MacLayer,
    PoolLayer,
    ThresholdLayer,
    UpsampleLayer,
)
from ...spec.program import INPUT, Program
from ..arch.arch import Arch
from ..layouts.descriptor import LAYER_WIDTH, PassKind, limit
from ..layouts.words import Word, config_word
from ..networks.plans import Pass, Plan
from ..networks.regions import Placement
from ..networks.unsigned import as_unsigned
from ..timing.schedule import layer_schedule, schedule_word
from ..timing.tables import (
    OUTPUT,
    Tables,
    codebook_of,
    has_rows,
    output_of,
    stored_weights,
    tables_of,
)
from ..timing.tiling import Tile, concat_parts, layer_tiles, tile_fields
from .placement import place
from .walks import Walks


def plan(arch: Arch, program: Program) -> Plan:
    """Passes of `program`; the sizes of memories are `fit.check_storage`'s."""
    program, offsets = as_unsigned(program)
    placement, tables = place(program, arch.rows), tables_of(arch, program)
    planner = _Planner(arch, program, placement, tables)
    passes = [planner.input_pass()]
    for number, layer in enumerate(program.layers):
        passes += planner.layer_passes(number, layer)
    planes = 0
    for entry in passes:
        if entry.fields is not None:
            entry.word["feed"]["planes"] = planes
            planes += entry.planes
    passes[-1].word["final"] = 1
    return Plan(program=program, offsets=offsets, placement=placement, tables=tables, passes=passes)


class _Planner:
    def __init__(self, arch: Arch, program: Program, placement: Placement, tables: Tables) -> None:
        self.arch, self.program, self.placement, self.tables = arch, program, placement, tables
        self.walks = Walks(arch=arch, program=program, placement=placement)

    def input_pass(self) -> Pass:
        word = self._word(-1, PassKind.INPUT)
        self.walks.write(word, INPUT)
        return Pass(layer=INPUT, kind=PassKind.INPUT, word=word)

    def layer_passes(self, number: int, layer: Layer) -> list[Pass]:
        match layer:
            case ThresholdLayer():
                return [self._direct(number, layer, layer.input, layer.name)]
            case PoolLayer() if layer.output is None:
                passes = [self._max_pool(number, layer)]
            case MacLayer() | PoolLayer():
                return self._array(number, layer)
            case ConcatLayer():
                passes = self._concat(number, layer)
            case UpsampleLayer():
                passes = self._upsample(number, layer)
            case _:
                assert_never(layer)
        if number == len(self.program.layers) - 1:
            passes.append(self._direct(number, layer, layer.name, None))
        return passes

    def _word(self, number: int, kind: PassKind, **config: bool) -> Word:
        """A descriptor without geometry; layer 0 is the input."""
        layer = self.program.layers[number] if number >= 0 else None
        zero = config_word(OUTPUT)
        word: Word = {
            "kind": int(kind),
            "layer": number + 1,
            "config": zero,
            "feed": {},
            "read": {},
        }
        if layer is not None and has_rows(self.program, layer):
            output, base = output_of(layer), self.tables.parameters[layer.name]
            word["config"] = config_word(output, **config)
            if output.channels == 1:
                word["config"] |= {"shared": 1, "shared_channel": base}
            word["parameter_base"] = base
        limit("Number of a layer", number + 1, LAYER_WIDTH)
        return word

    def _direct(self, number: int, layer: Layer, source: str, target: str | None) -> Pass:
        word = self._word(number, PassKind.DIRECT, direct=True)
        self.walks.codes(word, source)
        self.walks.write(word, target or layer.name)
        if target is None:
            word["to_stream"], word["write_banks"] = 1, 0
        if layer.output is None:
            most = 1 << (self.arch.out_width - 1)  # the stage must hold the codes, no more
            word["config"] |= {"out_min": -most, "out_max": most - 1}
        return Pass(layer=layer.name, kind=PassKind.DIRECT, word=word)

    def _max_pool(self, number: int, layer: PoolLayer) -> Pass:
        word = self._word(number, PassKind.MAX_POOL)
        word["config"] = config_word(OUTPUT)
        self.walks.windows(word, layer)
        self.walks.whole(word, layer.input, layer.name)
        return Pass(layer=layer.name, kind=PassKind.MAX_POOL, word=word)

    def _copy(self, number: int, layer: ConcatLayer | UpsampleLayer, source: str) -> Pass:
        """Words of `source` unchanged, as maxima of windows of one, into the tensor of `layer`."""
        word = self._word(number, PassKind.MAX_POOL)
        word["config"] = config_word(OUTPUT)
        self.walks.words(word, source)
        self.walks.whole(word, source, layer.name)
        _, height, width = self.program.tensor_shape(source)
        word["write"] |= {"height": height, "width": width}
        return Pass(layer=layer.name, kind=PassKind.MAX_POOL, word=word)

    def _concat(self, number: int, layer: ConcatLayer) -> list[Pass]:
        """Every source behind those before it."""
        passes = []
        counts = [self.program.tensor_shape(name)[0] for name in layer.inputs]
        for source, part in zip(layer.inputs, concat_parts(counts, self.arch.rows), strict=True):
            if part.words:
                entry = self._copy(number, layer, source)
            else:
                entry = self._direct(number, layer, source, layer.name)
                entry.word["write"] |= {"group": part.channels, "channels": part.channels}
                entry.word["write"]["lane"] = part.first % self.arch.rows
            entry.word["write"]["start"] += part.first // self.arch.rows
            passes.append(entry)
        return passes

    def _upsample(self, number: int, layer: UpsampleLayer) -> list[Pass]:
        """A copy of the map for every position within a repeated pixel."""
        down, right = layer.factor
        width, blocks = self.program.tensor_shape(layer.name)[2], self.walks.blocks(layer.name)
        passes = []
        for y in range(down):
            for x in range(right):
                entry = self._copy(number, layer, layer.input)
                walk = entry.word["write"]
                walk["start"] += (y * width + x) * blocks
                walk |= {"row_step": down * width * blocks, "pixel_step": right * blocks}
                passes.append(entry)
        return passes

    def _array(self, number: int, layer: MacLayer | PoolLayer) -> list[Pass]:
        arch = self.arch
        channels = self.program.tensor_shape(layer.input)[0]
        fields, width = stored_weights(arch, layer, channels)
        groups = channels if isinstance(layer, PoolLayer) else layer.groups
        return [
            self._tile(
                number,
                layer,
                tile,
                tile_fields(tile, fields, groups, rows=arch.rows, cols=arch.cols),
                width,
                book=None if position else codebook_of(arch, layer),
            )
            for position, tile in enumerate(
                layer_tiles(layer, channels, rows=arch.rows, cols=arch.cols)
            )
        ]

    def _tile(
        self, number: int, layer: MacLayer | PoolLayer, tile: Tile, fields: Int64Array, width: int,
        *, book: Codebook | None,
    ) -> Pass:  # fmt: skip
        arch, skip, pool = self.arch, layer.skip, isinstance(layer, PoolLayer)
        bypass = codebook_of(arch, layer) is None
        word = self._word(number, PassKind.ARRAY, bypass=bypass, skip=skip is not None)
        work = layer_schedule(arch, self.program, layer)
        word["config"] |= schedule_word(arch, work)
        if not word["config"]["shared"]:
            word["parameter_base"] += tile.first
        self.walks.windows(word, layer)
        feed = word["feed"]
        feed |= {"blocks": tile.blocks, "channel_blocks": tile.input_blocks}
        feed |= {"weight_width": width, "weight_hold": int(pool)}
        feed["start"] += tile.input_block
        if layer.name in self.placement.pads:
            base = self.placement.pads[layer.name].base + tile.input_block
            feed |= {"pad_stored": 1, "pad_base": base}
        if book is not None:
            word["codebook_base"] = self.tables.codebooks[layer.name]
            word["codebook_count"] = len(book.levels)
        self.walks.write(word, layer.name)
        self.walks.columns(word["write"], tile, tile.first)
        if skip is not None:
            self.walks.codes(word, skip.tensor, skip.stride)
            self.walks.columns(word["read"], tile, tile.first - skip.channel_offset)
        return Pass(
            layer=layer.name, kind=PassKind.ARRAY, word=word, tile=tile, fields=fields,
            weight_width=width,
        )  # fmt: skip
