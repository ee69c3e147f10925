"""Place tracker: word addresses of the chunks of a walk in one of the maps that it touches."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.held import place_layout
from .payloads import chunk_layout


class PlaceTracker(wiring.Component):
    """Follows a walk by the ends of its chunks; so the walk's addresses need not be carried along.

    Stages: position, address. Latency: 1 cycle from a chunk to its address.
    Throughput: a chunk per cycle.

    Members
    -------
    place : `place_layout`. lane : of channel 0 in its first word. setup : begin with them.
    advance : the stages move. valid, chunk : the next chunk. forward : its channels end a part of
    `out_lanes` lanes. whole : a chunk is a word.
    address, part : word of the chunk accepted last, and which part of its lanes.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.parts = arch.rows // arch.out_lanes
        super().__init__(
            {
                "place": In(place_layout(arch)),
                "lane": In(address_width(arch.rows)),
                "setup": In(1),
                "advance": In(1),
                "valid": In(1),
                "chunk": In(chunk_layout(arch)),
                "forward": In(1),
                "whole": In(1),
                "address": Out(address_width(arch.storage.activation_words)),
                "part": Out(range(self.parts)),
            }
        )

    @property
    def latency(self) -> int:
        return 1

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place, chunk = self.place, self.chunk
        row, pixel, word, block_word, next_word = (
            Signal.like(self.address, name=name)
            for name in ("row", "pixel", "word", "block_word", "next_word")
        )
        part, block_part, next_part = (
            Signal(range(self.parts), name=name) for name in ("place", "block_place", "next_place")
        )
        below = Signal.like(self.address)
        m.d.comb += [next_word.eq(word), next_part.eq(part), below.eq(row + place.row_step)]
        with m.If(self.whole | (self.forward & (part == self.parts - 1))):
            m.d.comb += [next_word.eq(word + 1), next_part.eq(0)]
        with m.Elif(self.forward):
            m.d.comb += next_part.eq(part + 1)
        with m.If(self.setup):
            m.d.sync += [row.eq(place.start), pixel.eq(place.start)]
            m.d.sync += [word.eq(0), block_word.eq(0)]
            first = self._first_part(m)
            m.d.sync += [part.eq(first), block_part.eq(first)]
        with m.Elif(self.advance & self.valid):
            m.d.sync += [self.address.eq(pixel + word), self.part.eq(part)]
            m.d.sync += [word.eq(next_word), part.eq(next_part)]
            with m.If(chunk.map_end):  # the next block begins where this one ends
                m.d.sync += [row.eq(place.start), pixel.eq(place.start)]
                m.d.sync += [block_word.eq(next_word), block_part.eq(next_part)]
            with m.Elif(chunk.pixel_end):
                m.d.sync += [word.eq(block_word), part.eq(block_part)]
                m.d.sync += pixel.eq(pixel + place.pixel_step)
                with m.If(chunk.line_end):
                    m.d.sync += [row.eq(below), pixel.eq(below)]
        return m

    def _first_part(self, m: Module) -> Signal:
        """Part of the first lane: lanes / out_lanes, a table."""
        first = Signal(range(self.parts))
        with m.Switch(self.lane):
            for lane in range(self.arch.rows):
                with m.Case(lane):
                    m.d.comb += first.eq(lane // self.arch.out_lanes)
        return first
