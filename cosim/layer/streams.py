"""One layer and one image as the engine's streams: beats, loads, residuals, expected order.

The lanes take unsigned codes: streams are of the program that runs (`rtl.networks.unsigned`), and
`LayerStream.collect` gives the codes of the program that was asked for.
"""

from dataclasses import dataclass, field, replace
from typing import Any, assert_never

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.layouts.words import Word, codebook_words, config_word, requant_words, threshold_words
from ...rtl.networks.unsigned import as_unsigned
from ...rtl.timing.cycles import streamed
from ...rtl.timing.schedule import Schedule, layer_schedule, schedule_word
from ...rtl.timing.tables import codebook_of
from ...spec.activation import Threshold
from ...spec.layers import MacLayer, PoolLayer, ThresholdLayer
from ...spec.program import Program
from ...spec.requant import Requant
from ...spec.windows import Pair

Codes = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerStream:
    """Inputs of the engine, order of its outputs; G groups of `depth` beats, or direct codes.

    groups: (G, 3) input base, weight base, channel of column 0; beat s of a group is input word
    base + s with weight word base + s. inputs: (words, rows), or (codes, 2) of acc and channel
    when direct. weights: (words, cols, rows) fields. skips: one per output, or empty.
    positions: (outputs,) index of each output in the layer's flattened (C, H, W) map, -1 for the
    unused columns that the consumer drops. offset: what the outputs have more than the program's
    codes.
    """

    name: str
    config: Word
    output_words: list[Word]
    inputs: Codes
    positions: Codes
    codebook_words: list[Word] = field(default_factory=list)
    groups: Codes = field(default_factory=lambda: np.zeros((0, 3), np.int64))
    weights: Codes = field(default_factory=lambda: np.zeros((0, 1, 1), np.int64))
    skips: Codes = field(default_factory=lambda: np.zeros(0, np.int64))
    depth: int = 0
    offset: int = 0

    @property
    def direct(self) -> bool:
        return bool(self.config["direct"])

    def collect(self, outputs: Codes, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
        """The layer's (C, H, W) codes from its outputs in stream order."""
        kept = self.positions >= 0
        codes = np.zeros(int(np.prod(shape)), dtype=np.int64)
        codes[self.positions[kept]] = np.asarray(outputs, dtype=np.int64)[kept] - self.offset
        return codes.reshape(shape)


def layer_stream(
    arch: Arch, program: Program, name: str, tensors: dict[str, Codes], image: int = 0
) -> LayerStream:
    """Streams of layer `name` for one image of `tensors` (name -> codes (N, C, H, W))."""
    program, offsets = as_unsigned(program)
    layer = streamed(program.layer(name))
    maps = {
        source: np.asarray(tensors[source][image : image + 1], np.int64) + offsets.get(source, 0)
        for source in layer.reads
    }
    source, skip = maps[layer.input][0], None
    if layer.skip is not None:
        skip = layer.skip.read(maps[layer.skip.tensor], program.tensor_shape(name)[0])[0]
    match layer:
        case ThresholdLayer():
            return _direct(arch, layer, source)
        case PoolLayer():
            stream = _pool(arch, layer, source, skip)
        case MacLayer():
            stream = _mac(arch, layer, source, skip)
        case _:
            assert_never(layer)
    schedule = schedule_word(arch, layer_schedule(arch, program, layer))
    return replace(stream, config=stream.config | schedule, offset=offsets.get(name, 0))


def output_words(arch: Arch, output: Threshold | Requant, channels: int) -> list[Word]:
    """Parameter rows of the layer's output stage."""
    if isinstance(output, Threshold):
        return threshold_words(arch, output, channels)
    return requant_words(arch, output, channels)


def _direct(arch: Arch, layer: ThresholdLayer, source: Codes) -> LayerStream:
    channels = np.arange(source.shape[0]) if layer.output.channels > 1 else np.zeros(len(source))
    per_code = np.broadcast_to(channels.reshape(-1, 1, 1), source.shape)
    return LayerStream(
        name=layer.name,
        config=config_word(layer.output, direct=True) | schedule_word(arch, Schedule()),
        output_words=output_words(arch, layer.output, layer.output.channels),
        inputs=np.stack([source.ravel(), per_code.ravel()], axis=1).astype(np.int64),
        positions=np.arange(source.size),
    )


def _pool(arch: Arch, layer: PoolLayer, source: Codes, skip: Codes | None) -> LayerStream:
    """A group per channel and position: the window in the rows, level 1 in column 0."""
    assert layer.output is not None
    windows = _windows(source, layer.kernel, layer.stride)  # (C, H', W', kh, kw)
    channels, count = len(source), layer.taps
    depth = -(-count // arch.rows)
    terms = windows.reshape(-1, count)
    inputs = np.zeros((len(terms), depth * arch.rows), np.int64)
    inputs[:, :count] = terms
    weights = np.zeros((depth, arch.cols, arch.rows), np.int64)
    weights[:, 0] = (np.arange(depth * arch.rows) < count).reshape(depth, arch.rows)
    groups = np.zeros((len(terms), 3), np.int64)
    groups[:, 0] = np.arange(len(terms)) * depth
    groups[:, 2] = np.arange(len(terms)) // (len(terms) // channels)
    positions = np.full((len(terms), arch.cols), -1)
    positions[:, 0] = np.arange(len(terms))
    return LayerStream(
        name=layer.name,
        config=config_word(layer.output, bypass=True, skip=skip is not None),
        output_words=output_words(arch, layer.output, channels),
        inputs=inputs.reshape(-1, arch.rows),
        positions=positions.ravel(),
        skips=_skips(positions.ravel(), skip),
        groups=groups,
        weights=weights,
        depth=depth,
    )


def _mac(arch: Arch, layer: MacLayer, source: Codes, skip: Codes | None) -> LayerStream:
    """Per convolution group and column block, every output position: kernel, then channels."""
    rows, cols, parts = arch.rows, arch.cols, layer.groups
    per_in, per_out = layer.in_channels // parts, layer.out_channels // parts
    blocks = -(-per_out // cols)
    inputs = _mac_inputs(layer, source, rows)  # (parts, pixels, depth, rows)
    pixels, depth = inputs.shape[1:3]
    weights = _mac_weights(layer, _fields(arch, layer), rows, cols)  # (parts, blocks, depth, ...)

    part, block, pixel = np.indices((parts, blocks, pixels)).reshape(3, -1)
    first = part * per_out + block * cols
    groups = np.stack(
        [(part * pixels + pixel) * depth, (part * blocks + block) * depth, first], axis=1
    )
    in_part = block[:, None] * cols + np.arange(cols)
    channel = first[:, None] + np.arange(cols)
    positions = np.where(in_part < per_out, channel * pixels + pixel[:, None], -1).ravel()
    assert per_in * parts == len(source)
    book = codebook_of(arch, layer)
    return LayerStream(
        name=layer.name,
        config=config_word(layer.output, bypass=layer.codebook is None, skip=skip is not None),
        codebook_words=[] if book is None else codebook_words(arch, book),
        output_words=output_words(arch, layer.output, layer.out_channels),
        inputs=inputs.reshape(-1, rows),
        positions=positions,
        groups=groups,
        weights=weights.reshape(-1, cols, rows),
        skips=_skips(positions, skip),
        depth=depth,
    )


def _skips(positions: Codes, skip: Codes | None) -> Codes:
    """The residual code of every output, from those of the layer's map."""
    if skip is None:
        return np.zeros(0, np.int64)
    return np.where(positions >= 0, skip.ravel()[positions], 0)


def _fields(arch: Arch, layer: MacLayer) -> Codes:
    """Weight fields (Cout, Cin/groups, kh, kw) as the lanes take them: codes or levels."""
    if codebook_of(arch, layer) is None:
        return layer.levels & ((1 << arch.level_width) - 1)
    return np.asarray(layer.weights, dtype=np.int64)


def _mac_inputs(layer: MacLayer, source: Codes, rows: int) -> Codes:
    """(parts, pixels, depth, rows) activation codes; rows beyond the channels are 0."""
    assert layer.pad_codes is not None
    top, left, bottom, right = layer.padding
    channels, height, width = source.shape
    padded = np.empty((channels, top + height + bottom, left + width + right), np.int64)
    padded[:] = layer.pad_codes.reshape(-1, 1, 1)
    padded[:, top : top + height, left : left + width] = source
    windows = _windows(padded, layer.kernel, layer.stride)  # (Cin, H', W', kh, kw)
    per_part = channels // layer.groups
    split = windows.reshape(layer.groups, per_part, -1, *layer.kernel)
    ordered = split.transpose(0, 2, 3, 4, 1)  # (parts, pixels, kh, kw, channels)
    lanes = _pad_last(ordered, rows)
    return lanes.reshape(layer.groups, ordered.shape[1], -1, rows)


def _mac_weights(layer: MacLayer, fields: Codes, rows: int, cols: int) -> Codes:
    """(parts, blocks, depth, cols, rows) weight fields; unused lanes are 0, which gates them."""
    per_out = layer.out_channels // layer.groups
    split = fields.reshape(layer.groups, per_out, *fields.shape[1:])
    ordered = split.transpose(0, 3, 4, 2, 1)  # (parts, kh, kw, Cin/groups, Cout/groups)
    by_col = _pad_last(ordered, cols)
    by_row = _pad_last(np.moveaxis(by_col, 3, -1), rows)  # (parts, kh, kw, Cout', Cin')
    parts, kh, kw, out, channels = by_row.shape
    tiles = by_row.reshape(parts, kh, kw, out // cols, cols, channels // rows, rows)
    return tiles.transpose(0, 3, 1, 2, 5, 4, 6).reshape(parts, out // cols, -1, cols, rows)


def _pad_last(array: Codes, multiple: int) -> Codes:
    """Zeros behind the last axis, up to a multiple of `multiple`."""
    lack = -array.shape[-1] % multiple
    return np.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, lack)])


def _windows(maps: Codes, kernel: Pair, stride: Pair) -> Codes:
    views = np.lib.stride_tricks.sliding_window_view(maps, kernel, axis=(1, 2))
    return views[:, :: stride[0], :: stride[1]]
