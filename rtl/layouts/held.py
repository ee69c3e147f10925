"""Layouts of arrays that hold weights (`Arch.hold` above 1): descriptor, beats, chunks, parameters.

A chunk is `out_lanes` neighbouring channels of one pixel, channel c in output lane c mod out_lanes;
in a narrow pass it is one channel, in the output lane of the channel that is written.
"""

from amaranth.hdl import signed, unsigned
from amaranth.lib import data

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..timing.folding import FOLD_WORDS as FOLD_WORDS
from ..timing.schedule import schedule_widths
from .descriptor import COUNT_WIDTH, EXTENT_WIDTH, KERNEL_WIDTH, LAYER_WIDTH, weight_width_width
from .payloads import shift_width

PIXEL_WIDTH = 2 * EXTENT_WIDTH
"""Bits of a number of pixels of a map."""


def slot_width(arch: Arch) -> int:
    """Bits of a slot: the number of a pixel within its group."""
    return max(1, (arch.hold - 1).bit_length())


def parameter_row_width(arch: Arch) -> int:
    """Bits of a row of the requant or threshold memory; a row has the parameters of a chunk."""
    return address_width(max(arch.storage.threshold_rows, arch.storage.requant_rows))


def held_plane_width(arch: Arch) -> int:
    """Bits of a plane number: one bit of every lane of `port_columns` columns; bank in the low
    bits, row above."""
    return address_width(arch.storage.weight_rows) + (arch.plane_banks - 1).bit_length()


def fields_layout(arch: Arch) -> data.StructLayout:
    """Weights of `port_columns` columns: columns position * port_columns and the following."""
    return data.StructLayout(
        {
            "position": unsigned(max(1, (arch.fill - 1).bit_length())),
            "fields": data.ArrayLayout(
                data.ArrayLayout(unsigned(arch.field_width), arch.rows), arch.port_columns
            ),
        }
    )


def held_beat_layout(arch: Arch) -> data.StructLayout:
    """One array step: the activations of a pixel at one position of its window.

    slot: of the pixel in its group. word: the beat is the first that uses the word in the station.
    first, last: it begins, ends its pixel's sums. opens, closes: it is the group's first, last
    beat. All beats of a group's word come one after the other, slot 0 first.
    """
    return data.StructLayout(
        {
            "activations": data.ArrayLayout(unsigned(arch.act_width), arch.rows),
            "slot": unsigned(slot_width(arch)),
            **{name: unsigned(1) for name in ("word", "first", "last", "opens", "closes")},
        }
    )


def lane_thresholds_layout(arch: Arch) -> data.StructLayout:
    """The thresholds of one channel; negative means sign -1."""
    return data.StructLayout(
        {
            "negative": unsigned(1),
            "tau": data.ArrayLayout(signed(arch.tau_width), arch.thresholds),
        }
    )


def lane_requant_layout(arch: Arch) -> data.StructLayout:
    """The requantization of one channel."""
    return data.StructLayout(
        {
            "multiplier": signed(arch.requant.multiplier_width),
            "bias": signed(arch.requant.bias_width),
        }
    )


def threshold_row_layout(arch: Arch) -> data.ArrayLayout:
    """A row of the threshold memory, by output lane."""
    return data.ArrayLayout(lane_thresholds_layout(arch), arch.out_lanes)


def requant_row_layout(arch: Arch) -> data.ArrayLayout:
    """A row of the requant memory, by output lane."""
    return data.ArrayLayout(lane_requant_layout(arch), arch.out_lanes)


def stage_layout(arch: Arch) -> data.StructLayout:
    """What the output stage does in a pass; constant while it runs.

    requant: sums are requantized, else thresholded. skip: a residual code is added to each.
    chained: requantized codes are thresholded too, into a second tensor. shared, second_shared: all
    chunks use the first row of parameters (of the sums, of the chained thresholds).
    """
    return data.StructLayout(
        {
            **{
                name: unsigned(1)
                for name in ("requant", "skip", "chained", "shared", "second_shared")
            },
            "shift": unsigned(shift_width(arch)),
            "skip_multiplier": signed(arch.requant.skip_multiplier_width),
            "out_min": signed(arch.out_width),
            "out_max": signed(arch.out_width),
        }
    )


def place_layout(arch: Arch) -> data.StructLayout:
    """Addresses of a map's words: pixel (y, x) begins at start + y * row_step + x * pixel_step.

    banks: mask of the activation banks that have it.
    """
    address = unsigned(address_width(arch.storage.activation_words))
    return data.StructLayout(
        {"banks": unsigned(2), "start": address, "row_step": address, "pixel_step": address}
    )


def chunk_walk_layout(arch: Arch) -> data.StructLayout:
    """A walk over the chunks of a pass: per block, pixel (row-major), chunk of the block.

    channels: of all blocks together; a block has `group` of them, the last one what is left.
    narrow: a chunk is one channel. whole: a chunk is a word (maxima), channels and group count
    words. write, second: where codes and chained codes go (no bank: nowhere), from the walk's
    channel 0 on; lane: of channel 0 in their first words, a multiple of out_lanes unless narrow.
    read: residual or direct codes; the walk's channel 0 is their channel `read_channel`, those
    outside 0 .. read_channels - 1 are 0; channel max(read_channel, 0) is in the first word, in lane
    read_lane (a multiple of out_lanes unless narrow), and before channel 0 no step is taken in it.
    parameter_base, second_base: rows of the first chunk.
    """
    extent, count = unsigned(EXTENT_WIDTH), unsigned(COUNT_WIDTH)
    return data.StructLayout(
        {
            "height": extent,
            "width": extent,
            "blocks": count,
            "group": count,
            "channels": count,
            "narrow": unsigned(1),
            "whole": unsigned(1),
            "lane": unsigned(address_width(arch.rows)),
            "write": place_layout(arch),
            "second": place_layout(arch),
            "read": place_layout(arch),
            "read_signed": unsigned(1),
            "read_channel": signed(COUNT_WIDTH + 1),
            "read_lane": unsigned(address_width(arch.rows)),
            "read_channels": count,
            "parameter_base": unsigned(parameter_row_width(arch)),
            "second_base": unsigned(parameter_row_width(arch)),
        }
    )


_FEED_ADDRESSES = (
    "start", "row_step", "cell_step", "down_step", "right_step", "block_step", "pad_base",
)  # fmt: skip


def held_feed_layout(arch: Arch) -> data.StructLayout:
    """A walk over words: per block, group of pixels, kernel row, kernel column, channel block,
    pixel of the group.

    bank: of the map. start: word address of the first pixel's window, padding included (it may
    wrap below 0). row_step, cell_step: to the next line and column of the map; down_step,
    right_step: to the window of the next pixel below and at the right; block_step: from a block to
    the next. pad_base: words of padding codes by channel block, for every block the same, when
    pad_stored, else padding is code 0.
    pixels = groups * size + larger: the first `larger` groups have size + 1 pixels.
    planes: first weight plane; a word has fill times weight_width planes. constant: all words of a
    block are the same, which is stored once.
    """
    address = unsigned(address_width(arch.storage.activation_words))
    extent, count = unsigned(EXTENT_WIDTH), unsigned(COUNT_WIDTH)
    kernel, pixels = unsigned(KERNEL_WIDTH), unsigned(PIXEL_WIDTH)
    return data.StructLayout(
        {
            "bank": unsigned(1),
            **dict.fromkeys(_FEED_ADDRESSES, address),
            "pad_stored": unsigned(1),
            "height": extent,
            "width": extent,
            "out_width": extent,
            "stride_down": extent,
            "stride_right": extent,
            "padding_top": kernel,
            "padding_left": kernel,
            "kernel_height": kernel,
            "kernel_width": kernel,
            "channel_blocks": count,
            "blocks": count,
            "groups": pixels,
            "larger": pixels,
            "size": unsigned(slot_width(arch) + 1),
            "planes": unsigned(held_plane_width(arch)),
            "weight_width": unsigned(weight_width_width(arch)),
            "constant": unsigned(1),
        }
    )


def fold_layout(arch: Arch) -> data.StructLayout:
    """How an image is stored: as it is (`columns` 1), or every word with several columns.

    The stored pixel (y, x) has the codes of the image's pixels (y, x * stride - padding + i) for i
    in 0 .. columns - 1, channels innermost. Columns outside the image are 0 or, when pad_stored,
    the first `channels` codes of word pad_base of activation bank 0.
    words: of a stored pixel, at most FOLD_WORDS with several columns; the last one has `rest` codes
    (1 .. rows) and 0 above them.
    """
    extent, kernel = unsigned(EXTENT_WIDTH), unsigned(KERNEL_WIDTH)
    return data.StructLayout(
        {
            "columns": kernel,
            "stride": kernel,
            "padding": kernel,
            "width": extent,
            "height": extent,
            "out_width": extent,
            "channels": unsigned(COUNT_WIDTH),
            "pad_stored": unsigned(1),
            "pad_base": unsigned(address_width(arch.storage.activation_words)),
            "words": unsigned(COUNT_WIDTH),
            "rest": unsigned(address_width(arch.rows + 1)),
        }
    )


def held_pass_layout(arch: Arch) -> data.StructLayout:
    """One descriptor of an array that holds weights.

    second_layer: number of the layer whose codes the chained thresholds give. direct passes read
    their codes by the walk's `read`; maxima and arrays read words by `feed`.
    jobs: transfers from and to external memory that run beside this pass, from job `first_job` on.
    idle: nothing but the jobs; `kind` does not matter. more: of an input pass: the image goes on in
    a later one.
    """
    return data.StructLayout(
        {
            "kind": unsigned(2),
            "layer": unsigned(LAYER_WIDTH),
            "second_layer": unsigned(LAYER_WIDTH),
            "final": unsigned(1),
            "idle": unsigned(1),
            "more": unsigned(1),
            "to_stream": unsigned(1),
            "feed_signed": unsigned(1),
            "bypass": unsigned(1),
            "codebook_base": unsigned(address_width(arch.storage.codebook_rows)),
            "codebook_count": unsigned(arch.weight_width + 1),
            "schedule": data.StructLayout(
                {name: unsigned(width) for name, width in schedule_widths(arch).items()}
            ),
            "stage": stage_layout(arch),
            "walk": chunk_walk_layout(arch),
            "feed": held_feed_layout(arch),
            "fold": fold_layout(arch),
            "first_job": unsigned(COUNT_WIDTH),
            "jobs": unsigned(COUNT_WIDTH),
        }
    )
