"""Payloads inside and around the output stage."""

from enum import IntEnum

from amaranth.hdl import unsigned
from amaranth.lib import data

from ..arch.arch import Arch
from ..layouts.held import parameter_row_width


class Source(IntEnum):
    """What a pass sends through the output stage."""

    ARRAY = 0
    """Sums of groups of pixels."""
    DIRECT = 1
    """Stored codes, in place of sums."""
    MAXIMA = 2
    """Words, which are written as they are."""


SOURCE_WIDTH = 2


def chunk_layout(arch: Arch) -> data.StructLayout:
    """A step of a chunk walk. lanes: output lanes that have a channel; then what the chunk ends."""
    ends = {name: unsigned(1) for name in ("pixel_end", "line_end", "map_end", "last")}
    return data.StructLayout({"lanes": unsigned(arch.out_lanes), **ends})


def row_load_layout(arch: Arch, row: data.Layout) -> data.StructLayout:
    """A whole row of parameters to load."""
    return data.StructLayout(
        {"row": unsigned(parameter_row_width(arch)), "bits": unsigned(row.size)}
    )
