"""Descriptor of one pass for the sequencer: a layer, or a part of it with one geometry."""

from dataclasses import replace
from enum import IntEnum

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from ...spec.errors import InputError
from ..arch.arch import Arch
from ..arch.storage import address_width
from .payloads import config_layout

EXTENT_WIDTH = 10
"""Bits of a map's height or width, and of a stride."""
COUNT_WIDTH = 16
"""Bits of a number of channels or blocks."""
KERNEL_WIDTH = 8
"""Bits of a kernel extent or a padding."""
LAYER_WIDTH = 12
"""Bits of a layer's number."""


class PassKind(IntEnum):
    """Operation of a pass on the tensor that it reads."""

    INPUT = 0
    """Stores the image stream."""
    ARRAY = 1
    """Convolution, linear or average pooling: beats through the array and the output stage."""
    DIRECT = 2
    """Codes one by one through the output stage."""
    MAX_POOL = 3
    """Words through the lane-wise maximum."""


def walk_layout(arch: Arch) -> data.StructLayout:
    """A walk over single codes: per block, pixel (row-major) and column of the group.

    start, row_step, pixel_step: word addresses. lane: that of the first code. channel: of the
    first code, negative before the tensor begins; codes with 0 <= channel < channels are inside.
    whole: a step goes to the next word instead of the next lane.
    """
    address = unsigned(address_width(arch.storage.activation_words))
    extent, count = unsigned(EXTENT_WIDTH), unsigned(COUNT_WIDTH)
    return data.StructLayout(
        {
            "start": address,
            "row_step": address,
            "pixel_step": address,
            "height": extent,
            "width": extent,
            "group": count,
            "blocks": count,
            "channel": signed(COUNT_WIDTH + 1),
            "channels": count,
            "lane": unsigned(address_width(arch.rows)),
            "whole": unsigned(1),
        }
    )


def feed_layout(arch: Arch) -> data.StructLayout:
    """A walk over words: per block, pixel, kernel row, kernel column and channel block.

    start: word address of the first pixel's window, padding included (it may wrap below 0).
    row_step, cell_step: to the next line and column of the map; down_step, right_step: to the next
    window. pad_base: words of padding codes, when pad_stored; else padding is code 0.
    stride, padding: in both directions; with `axes` 2 of the array vertical and at the top, and
    stride_right, padding_left are the horizontal ones.
    planes: first weight plane; weight_hold: every kernel position uses the same weights.
    """
    address = unsigned(address_width(arch.storage.activation_words))
    extent, count = unsigned(EXTENT_WIDTH), unsigned(COUNT_WIDTH)
    kernel = unsigned(KERNEL_WIDTH)
    across = {"stride_right": extent, "padding_left": kernel} if arch.axes == 2 else {}
    return data.StructLayout(
        {
            "start": address,
            "row_step": address,
            "cell_step": address,
            "down_step": address,
            "right_step": address,
            "block_step": unsigned(1),
            "pad_base": address,
            "pad_stored": unsigned(1),
            "height": extent,
            "width": extent,
            "out_height": extent,
            "out_width": extent,
            "stride": extent,
            "padding": kernel,
            "kernel_height": kernel,
            "kernel_width": kernel,
            "channel_blocks": count,
            "blocks": count,
            "planes": unsigned(plane_width(arch)),
            "weight_width": unsigned(weight_width_width(arch)),
            "weight_hold": unsigned(1),
            **across,
        }
    )


def pass_layout(arch: Arch) -> data.StructLayout:
    """One descriptor. codes_signed: stored codes that are read one by one are two's complement."""
    return data.StructLayout(
        {
            "kind": unsigned(2),
            "layer": unsigned(LAYER_WIDTH),
            "final": unsigned(1),
            "to_stream": unsigned(1),
            "codes_signed": unsigned(1),
            "codebook_base": unsigned(address_width(arch.storage.codebook_rows)),
            "codebook_count": unsigned(arch.weight_width + 1),
            "parameter_base": unsigned(arch.channel_width),
            "feed_bank": unsigned(1),
            "read_bank": unsigned(1),
            "write_banks": unsigned(2),
            "config": config_layout(arch),
            "feed": feed_layout(arch),
            "read": walk_layout(arch),
            "write": walk_layout(arch),
        }
    )


def plane_width(arch: Arch) -> int:
    """Bits of a plane number: bank in the low bits, row above."""
    return address_width(arch.storage.weight_rows) + (arch.plane_banks - 1).bit_length()


def weight_width_width(arch: Arch) -> int:
    """Bits that count the planes of one field."""
    return arch.plane_banks.bit_length()


def with_row_numbers(arch: Arch) -> Arch:
    """`arch` whose channel numbers are rows of the parameter memories, of all layers together."""
    storage = arch.storage
    return replace(arch, channels=max(storage.threshold_rows, storage.requant_rows))


def limit(what: str, value: int, width: int) -> None:
    """Refuse what a field of `width` bits of the descriptor does not hold."""
    if value >= 1 << width:
        raise InputError(f"{what} must be below {1 << width} in the accelerator, not {value}")
