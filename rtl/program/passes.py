"""Passes: a program as the descriptors that the sequencer walks, and the weights they read."""

from dataclasses import dataclass, field
from typing import assert_never

import numpy as np

from ...spec.codebook import Codebook
from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ...spec.layers import Layer, LayerKind, MacLayer, PoolLayer, ThresholdLayer
from ...spec.program import INPUT, Program
from ..arch.arch import Arch
from ..layouts.descriptor import COUNT_WIDTH, EXTENT_WIDTH, KERNEL_WIDTH, LAYER_WIDTH, PassKind
from ..layouts.words import Word, config_word
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
from ..timing.tiling import Tile, layer_tiles, tile_fields
from .placement import Placement, Region, place


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """One descriptor and what it needs: `fields` (blocks, kernel, inputs, cols, rows) weights."""

    layer: str
    kind: PassKind
    word: Word
    tile: Tile | None = None
    fields: Int64Array | None = field(default=None, repr=False)
    weight_width: int = 0

    @property
    def planes(self) -> int:
        """Weight planes of the pass."""
        if self.fields is None:
            return 0
        return int(np.prod(self.fields.shape[:3])) * self.weight_width


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A program on an array: the passes in order, addresses of tensors and tables."""

    program: Program
    placement: Placement
    tables: Tables
    passes: list[Pass]


def plan(arch: Arch, program: Program) -> Plan:
    """Passes of `program`; the sizes of memories are `fit.check_storage`'s."""
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
    return Plan(program=program, placement=placement, tables=tables, passes=passes)


class _Planner:
    def __init__(self, arch: Arch, program: Program, placement: Placement, tables: Tables) -> None:
        self.arch, self.program, self.placement, self.tables = arch, program, placement, tables

    def input_pass(self) -> Pass:
        word = self._word(-1, PassKind.INPUT)
        self._write(word, INPUT)
        return Pass(layer=INPUT, kind=PassKind.INPUT, word=word)

    def layer_passes(self, number: int, layer: Layer) -> list[Pass]:
        match layer:
            case ThresholdLayer():
                return [self._direct(number, layer, layer.input, layer.name)]
            case PoolLayer(kind=LayerKind.MAX_POOL):
                passes = [self._max_pool(number, layer)]
                if number == len(self.program.layers) - 1:
                    passes.append(self._direct(number, layer, layer.name, None))
                return passes
            case MacLayer() | PoolLayer():
                return self._array(number, layer)
            case _:
                assert_never(layer)

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
        _limit("Number of a layer", number + 1, LAYER_WIDTH)
        return word

    def _walk(self, region: Region, tensor: str, stride: int = 1) -> Word:
        """Every pixel of a stored tensor (of every stride-th line and column), all channels."""
        channels, height, width = self.program.tensor_shape(tensor)
        blocks = -(-channels // self.arch.rows)
        for what, extent in (("height", height), ("width", width)):
            _limit(f"Tensor {tensor!r} {what}", extent, EXTENT_WIDTH)
        _limit(f"Tensor {tensor!r} channels", channels, COUNT_WIDTH)
        return {
            "start": region.base,
            "row_step": width * blocks * stride,
            "pixel_step": blocks * stride,
            "height": -(-height // stride),
            "width": -(-width // stride),
            "group": channels,
            "blocks": 1,
            "channel": 0,
            "channels": channels,
        }

    def _write(self, word: Word, tensor: str) -> None:
        """Destination of the codes of `tensor`: its region, or the result."""
        region = self.placement.tensors.get(tensor)
        if region is None:
            word["to_stream"] = 1
            region = Region(banks=0, base=0, words=0)
        word["write_banks"] = region.banks
        word["write"] = self._walk(region, tensor)

    def _direct(self, number: int, layer: Layer, source: str, target: str | None) -> Pass:
        word = self._word(number, PassKind.DIRECT, direct=True)
        region = self.placement.tensors[source]
        word["read"] = self._walk(region, source)
        word["read_bank"] = _bank(region)
        word["codes_signed"] = int(self.program.tensor_format(source).signed)
        self._write(word, target or layer.name)
        if target is None:
            word["to_stream"], word["write_banks"] = 1, 0
            limit = 1 << (self.arch.out_width - 1)  # the stage must hold the codes, no more
            word["config"] |= {"out_min": -limit, "out_max": limit - 1}
        return Pass(layer=layer.name, kind=PassKind.DIRECT, word=word)

    def _feed(self, word: Word, layer: MacLayer | PoolLayer, kernel: tuple[int, int]) -> None:
        """The windows of a layer on the map it reads."""
        region = self.placement.tensors[layer.input]
        channels, height, width = self.program.tensor_shape(layer.input)
        _, out_height, out_width = self.program.tensor_shape(layer.name)
        blocks = -(-channels // self.arch.rows)
        for extent in kernel:
            _limit(f"Layer {layer.name!r} kernel", extent, KERNEL_WIDTH)
        padding, stride = layer.padding[0], layer.stride[0]
        _limit(f"Layer {layer.name!r} padding", padding, KERNEL_WIDTH)
        _limit(f"Layer {layer.name!r} stride", stride, EXTENT_WIDTH)
        line = width * blocks
        word["feed_bank"] = _bank(region)
        word["feed"] = {
            "start": region.base - padding * (line + blocks),
            "row_step": line,
            "cell_step": blocks,
            "down_step": line * stride,
            "right_step": blocks * stride,
            "height": height,
            "width": width,
            "out_height": out_height,
            "out_width": out_width,
            "stride": stride,
            "padding": padding,
            "kernel_height": kernel[0],
            "kernel_width": kernel[1],
            "channel_blocks": 1,
            "blocks": blocks,
        }

    def _max_pool(self, number: int, layer: PoolLayer) -> Pass:
        word = self._word(number, PassKind.MAX_POOL)
        word["config"] = config_word(OUTPUT)
        self._feed(word, layer, layer.kernel)
        word["feed"]["block_step"] = 1
        word["codes_signed"] = int(self.program.tensor_format(layer.input).signed)
        self._write(word, layer.name)
        blocks = word["feed"]["blocks"]
        word["write"] |= {"group": 1, "blocks": blocks, "channels": blocks, "whole": 1}
        return Pass(layer=layer.name, kind=PassKind.MAX_POOL, word=word)

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
        self._feed(word, layer, layer.kernel)
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
        self._write(word, layer.name)
        self._columns(word["write"], tile, tile.first)
        if skip is not None:
            region = self.placement.tensors[skip.tensor]
            word["read"] = self._walk(region, skip.tensor, skip.stride)
            word["read_bank"] = _bank(region, other=word["feed_bank"])
            word["codes_signed"] = int(self.program.tensor_format(skip.tensor).signed)
            self._columns(word["read"], tile, tile.first - skip.channel_offset)
        return Pass(
            layer=layer.name, kind=PassKind.ARRAY, word=word, tile=tile, fields=fields,
            weight_width=width,
        )  # fmt: skip

    def _columns(self, walk: Word, tile: Tile, first: int) -> None:
        """A walk over the channels of a tile, from channel `first` of the walk's tensor."""
        walk |= {"group": self.arch.cols, "blocks": tile.blocks, "channel": first}
        walk["start"] += max(first, 0) // self.arch.rows
        walk["lane"] = max(first, 0) % self.arch.rows


def _bank(region: Region, other: int = 1) -> int:
    """The bank to read a tensor from: one that holds it, not `other` when it is in both."""
    return {1: 0, 2: 1}.get(region.banks, 1 - other)


def _limit(what: str, value: int, width: int) -> None:
    if value >= 1 << width:
        raise InputError(f"{what} must be below {1 << width} in the accelerator, not {value}")
