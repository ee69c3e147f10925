"""Steps of convolutions and fully connected layers."""

from typing import assert_never

import numpy as np

from ...spec.activation import Threshold
from ...spec.formats import CODE_FORMAT, Int64Array
from ...spec.layers import MacLayer
from ...spec.requant import Requant
from ..kernels import dot
from ..kernels.convolve import DEPTHWISE, WIDEST
from ..kernels.op import Kind, op
from ..kernels.simd import Avx2
from ..kernels.stages import RUN
from . import operands
from .layout import Place
from .lower import Lowering, Step, serves

SUMS = Requant(
    multiplier=np.ones(1, np.int64), bias=np.zeros(1, np.int64), shift=0, out=CODE_FORMAT
)
"""The output stage that leaves sums of at most 32 bits as they are."""


def lower_mac(low: Lowering, layer: MacLayer) -> None:
    """Emit the steps of one MAC layer."""
    source, target = low.places[layer.input], low.places[layer.name]
    halo = max(layer.padding)
    if halo and not (serves(source, layer) and source.halo >= halo):
        source = low.copied(source, element=source.element, halo=halo, pads=layer.pad_codes)
    if low.counting:
        _count_nonzero(low, layer, source)
    into = _tile_target(low, layer, target)
    low.border(into)
    depthwise = source.element == 1 and layer.groups == layer.in_channels == layer.out_channels > 1
    parts = 1 if depthwise else layer.groups
    for part in range(parts):
        _convolve(low, layer, source, into, part, parts, depthwise)
    if into is target:
        return
    low.border(target)
    if isinstance(layer.output, Threshold) and into.element == 4:
        low.compare(layer.output, into, target)
    else:
        low.convert(into, target)


def _tile_target(low: Lowering, layer: MacLayer, target: Place) -> Place:
    """The map that tiles write: the layer's own, or one that a further step reads.

    Tiles write threshold codes as bytes, though a later layer may want this map wide. Sums that
    use every value of s32 leave tiles no limit for a threshold never reached: they are stored.
    """
    if not isinstance(layer.output, Threshold):
        return target
    element = 1 if operands.fits_threshold(low.program.bounds[layer.name]) else 4
    if element == target.element == 1:
        return target
    into = Place(shape=target.shape, element=element)
    low.spare.append(into)
    return into


def _convolve(
    low: Lowering, layer: MacLayer, source: Place, target: Place,
    part: int, parts: int, depthwise: bool,
) -> None:  # fmt: skip
    """One step: all channels, or those of one group."""
    ins, outs = layer.in_channels // parts, layer.out_channels // parts
    channels = slice(part * outs, (part + 1) * outs)
    levels = layer.levels[channels]
    fmt = low.program.tensors[layer.input].format
    if depthwise:
        form, vectors, panels = DEPTHWISE, 2, -(-outs // RUN)
    else:
        form = operands.choose_form(low.tag, levels, source, fmt.max - fmt.min)
        vectors, panels = operands.panels_of(outs)
    fields = _window(layer, source, target, ins, parts, WIDEST // vectors)
    piece_channels = fields["piece"] // source.element // (1 if parts > 1 else layer.kernel[1])
    weights = operands.pack_weights(low.tag, form, levels, piece_channels, vectors)
    fields |= {
        "form": form, "vectors": vectors, "panels": panels, "channels": outs,
        "weights": low.constants.add(weights), "panel_bytes": weights[0].nbytes,
    }  # fmt: skip
    if form == dot.BYTES and isinstance(low.tag, Avx2):
        segments = fields["rows"] if fields["direct"] else 1
        fields["together"] = operands.units_together(weights, segments, fmt.max - fmt.min)
    first = source.low * levels.reshape(outs, -1).sum(axis=1)  # stored = code - low
    first, more = _stage(low, layer, target, channels, vectors, first)
    fields |= more
    lanes = operands.per_lane(first, vectors)[:, : 16 * vectors]
    fields["first"] = low.constants.add((lanes & 0xFFFFFFFF).astype(np.uint32))
    skip = low.places[layer.skip.tensor] if layer.skip else None
    if skip is not None and layer.skip is not None:
        fields |= operands.skip_fields(layer.skip, skip, channels.start)
    if not fields["direct"]:
        packed = fields["rows"] * fields["cols"] * fields["piece"]
        low.packed_bytes = max(low.packed_bytes, packed)
    low.emit(
        Step(
            record=op(Kind.CONVOLVE, **fields), source=source, target=target, skip=skip,
            source_padding=layer.padding[:2],
            source_shift=part * ins * source.element * (parts > 1),
            target_shift=channels.start * target.element,
        )
    )  # fmt: skip


def _window(
    layer: MacLayer, source: Place, target: Place, ins: int, parts: int, tile: int
) -> dict[str, int]:
    """Geometry: a row of a window is one piece, unless it takes only some of the channels."""
    kernel_h, kernel_w = layer.kernel
    pixel = source.pixel
    if parts == 1:
        cols, piece = 1, kernel_w * pixel
    else:
        size = ins * source.element
        cols, piece = kernel_w, (size + 3) // 4 * 4
    _, height, width = target.shape
    return {
        "source_row": layer.stride[0] * source.row,
        "source_pixel": layer.stride[1] * pixel,
        "source_element": source.element,
        "rows": kernel_h,
        "cols": cols,
        "row_stride": source.row,
        "col_stride": pixel,
        "piece": piece,
        "kernel_w": kernel_w,
        "direct": int(parts == 1 and width % tile == 0),
        "target_row": target.row,
        "target_pixel": target.pixel,
        "target_element": target.element,
        "height": height,
        "width": width,
    }


def _stage(
    low: Lowering, layer: MacLayer, target: Place, channels: slice, vectors: int, first: Int64Array
) -> tuple[Int64Array, dict[str, int]]:
    match layer.output:
        case Threshold() as threshold:
            if target.element == 4:
                fields = operands.requant_fields(low.constants, SUMS, channels, vectors, target)
                return first, fields
            bounds = low.program.bounds[layer.name]
            fields, middle = operands.threshold_fields(
                low.constants, threshold, bounds, channels, vectors
            )
            return first - middle, fields
        case Requant() as requant:
            fields = operands.requant_fields(low.constants, requant, channels, vectors, target)
            return first, fields
        case _:
            assert_never(layer.output)


def _count_nonzero(low: Lowering, layer: MacLayer, source: Place) -> None:
    """A step that counts the codes != 0 at each kernel position of this layer's windows."""
    padded = -(-layer.in_channels // RUN) * RUN
    kernel_h, kernel_w = layer.kernel
    _, height, width = low.program.tensor_shape(layer.name)
    record = op(
        Kind.NONZERO, source_row=source.row, source_pixel=source.pixel,
        source_element=source.element, rows=kernel_h, cols=kernel_w, height=height, width=width,
        stride_h=layer.stride[0], stride_w=layer.stride[1], channels=layer.in_channels,
        offset=-source.low, counter=4 * low.counter_words,
    )  # fmt: skip
    low.counters[layer.name] = (low.counter_words, (kernel_h, kernel_w, padded))
    low.counter_words += kernel_h * kernel_w * padded
    low.packed_bytes = max(low.packed_bytes, kernel_w * padded * 4)
    low.emit(Step(record=record, source=source, target=source, source_padding=layer.padding[:2]))
