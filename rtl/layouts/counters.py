"""Counters of a run, beside its cycles."""

from amaranth.hdl import unsigned
from amaranth.lib import data

from ..arch.arch import Arch

COUNTER_WIDTH = 32
EVENTS = ("beats", "drain_stalls", "input_stalls", "output_stalls")
"""Beats accepted by the array; cycles in which the array waits for the drain, the input pass for
the image, the engine for the consumer of results."""
HELD_EVENTS = (*EVENTS, "word_stalls")
"""Of arrays that hold weights. drain_stalls: a beat that opens a group waits for free accumulators;
word_stalls: one that uses a new word waits for the station."""


EXTERNAL_EVENTS = (*HELD_EVENTS, "external_stalls", "beats_read", "beats_written")
"""Of arrays with external memory. external_stalls: cycles in which a pass that is complete waits
for its jobs; beats of the memory's bus, read and written."""


def events_of(arch: Arch) -> tuple[str, ...]:
    """The counters beside the cycles."""
    if arch.external is not None:
        return EXTERNAL_EVENTS
    return HELD_EVENTS if arch.holds else EVENTS


def counters_layout(
    width: int = COUNTER_WIDTH, events: tuple[str, ...] = EVENTS
) -> data.StructLayout:
    """Totals since `start`, modulo 2^width."""
    return data.StructLayout({name: unsigned(width) for name in ("cycles", *events)})
