"""One step of a planned program, as the compiled interpreter (`execute.py`) reads it.

All fields are int64. Addresses are relative to the arena (maps) or the constants until a
`lowering.plan.Worker` adds the base of its memory. Strides are in bytes.
"""

from enum import IntEnum

import numpy as np


class Kind(IntEnum):
    """Operation of a step."""

    CONVOLVE = 0
    COUNT = 1
    """Shared thresholds on a map of bytes, by comparing."""
    TABLE = 2
    """Any function of the stored byte, by table, one per channel or shared."""
    LARGEST = 3
    """Max pooling of bytes."""
    AVERAGE = 4
    """Average pooling of bytes."""
    PLAIN_THRESHOLD = 5
    PLAIN_LARGEST = 6
    PLAIN_AVERAGE = 7
    """The same on wide maps: scalar loops."""
    HALO = 8
    """Fill the border of a map with the codes of real zero."""
    COPY = 9
    """The same map with another border."""
    NONZERO = 10
    """Count codes that are not 0, by kernel position and channel (activity)."""
    INPUT = 11
    """Images (planes of bytes, at an address outside the arena) into the input map."""
    MOVE = 12
    """Codes as they are into some channels of a map, each over `stride` positions."""


class Stage(IntEnum):
    """Output stage: from a sum to a code."""

    THRESHOLD_16 = 0
    """Thresholds of 16 bits: sums are centred and saturated, which keeps every comparison."""
    THRESHOLD_32 = 1
    REQUANT_BYTES = 2
    REQUANT_WORDS = 3


IN_ARENA = ("source", "target", "skip")
IN_COUNTERS = ("counter",)
IN_CONSTANTS = ("weights", "first", "tau", "flip", "multiplier", "bias", "table", "pattern")

FIELDS = (
    "kind",
    # windows: address of the first one, bytes from image to image, row to row, pixel to pixel
    "source", "source_image", "source_row", "source_pixel", "source_element",
    # parts of a window: rows x cols pieces of `piece` bytes
    "rows", "cols", "row_stride", "col_stride", "piece",
    "direct",        # 1: windows of a tile are equally spaced, no packing needed
    "target", "target_image", "target_row", "target_pixel", "target_element",
    "channels", "height", "width",  # of the output
    "together",      # units whose products fit 16 bits summed
    "form", "vectors", "panels", "panel_bytes", "weights", "first",
    "stage", "levels", "tau", "flip", "multiplier", "bias", "shift", "low", "high",
    "offset",        # stored byte = code - offset
    "skip", "skip_image", "skip_row", "skip_pixel", "skip_element",
    "skip_first", "skip_channels", "skip_offset", "skip_low", "skip_multiplier", "has_skip",
    "table", "table_stride",
    "pattern", "halo",
    "source_height", "source_width",
    # of a window that moves over a map: down and across
    "kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left",
    "counter",       # address of the first activity counter
)  # fmt: skip

OP = np.dtype([(name, np.int64) for name in FIELDS])


def op(kind: Kind, **fields: int) -> np.ndarray:
    """One step; unnamed fields are 0."""
    record = np.zeros((), OP)
    record["kind"] = kind
    for name, value in fields.items():
        record[name] = value
    return record
