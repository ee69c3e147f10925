"""The streams between the jobs of an accelerator and the AXI master beside it."""

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from .jobs import BEAT_COUNT_WIDTH, beat_address_width, external_of


def request_layout(arch: Arch) -> data.StructLayout:
    """Beats to read or (store) to write, from beat `at` on."""
    return data.StructLayout(
        {
            "store": unsigned(1),
            "at": unsigned(beat_address_width(arch)),
            "beats": unsigned(BEAT_COUNT_WIDTH),
        }
    )


def write_beat_layout(arch: Arch) -> data.StructLayout:
    """A beat to write; strobes: which of its bytes."""
    external = external_of(arch)
    return data.StructLayout(
        {"data": unsigned(external.bus_width), "strobes": unsigned(external.bus_bytes)}
    )


def memory_signature(arch: Arch) -> wiring.Signature:
    """Of the side that has jobs. request, writes; reads; ended: nothing of the request is left."""
    return wiring.Signature(
        {
            "request": Out(stream.Signature(request_layout(arch))),
            "reads": In(stream.Signature(unsigned(external_of(arch).bus_width))),
            "writes": Out(stream.Signature(write_beat_layout(arch))),
            "ended": In(1),
        }
    )
