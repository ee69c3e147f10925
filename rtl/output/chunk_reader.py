"""Chunk reader: stored codes of a map, chunk by chunk (residuals, read activations)."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.activation_memory import BANKS, word_layout
from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.descriptor import COUNT_WIDTH
from ..layouts.held import chunk_walk_layout
from .payloads import chunk_layout
from .place_tracker import PlaceTracker
from .selection import above, masked, selected


class ChunkReader(wiring.Component):
    """Reads the words of a walk's chunks; codes outside the channels of the map are 0.

    A word is not read again while it stays the same, nor for a chunk outside.

    Stages: position, address, request, memory, word, codes. Latency: 5 cycles from a chunk to its
    codes. Throughput: a chunk per cycle.

    Members
    -------
    walk : `chunk_walk_layout`. enable : the walk reads. setup : begin. advance : the stages move.
    valid, chunk : the next chunk.
    address, request : the activation memory's port. words : of both banks, the one that `bank` says
    counts; a cycle after the request.
    codes : of the chunk accepted 5 steps before, as numbers; in a narrow pass all the same one.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.parts = arch.rows // arch.out_lanes
        code = signed(arch.storage.code_width + 1)
        super().__init__(
            {
                "walk": In(chunk_walk_layout(arch)),
                "enable": In(1),
                "setup": In(1),
                "advance": In(1),
                "valid": In(1),
                "chunk": In(chunk_layout(arch)),
                "address": Out(address_width(arch.storage.activation_words)),
                "request": Out(1),
                "words": In(data.ArrayLayout(word_layout(arch), BANKS)),
                "bank": In(1),
                "codes": Out(data.ArrayLayout(code, arch.out_lanes)),
            }
        )

    @property
    def latency(self) -> int:
        return 5

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walk, lanes = self.walk, self.arch.out_lanes
        channel, lane = self._position(m)
        m.submodules.place = place = PlaceTracker(self.arch)
        moves = Signal()
        m.d.comb += [
            place.place.eq(walk.read),
            place.lane.eq(walk.read_lane),
            place.setup.eq(self.setup),
            place.advance.eq(self.advance),
            place.valid.eq(self.valid),
            place.chunk.eq(self.chunk),
            place.forward.eq((channel >= 0) & (~walk.narrow | lane[-1])),
        ]
        # Address: how many channels are left from this one on.
        left, before, valid = Signal.like(channel), Signal(), Signal()
        # Request, memory, word: which codes of the word.
        at = [
            {
                "inside": Signal(lanes, name=f"inside_{i}"),
                "part": Signal(range(self.parts), name=f"part_{i}"),
                "lane": Signal(lanes, name=f"lane_{i}"),
            }
            for i in range(3)
        ]
        lane_of_address = Signal(lanes)
        inside = Signal(lanes)
        known, request, arrived = Signal(), Signal(), Signal()
        # A register per bank: between a memory and its register there is no choice.
        held = [Signal(word_layout(self.arch), name=f"held_word_{i}") for i in range(BANKS)]
        m.d.comb += [
            inside.eq(Cat(~before & ~left[-1] & above(left[:-1], i) for i in range(lanes))),
            moves.eq(valid & self.enable & inside.any()),
            self.request.eq(self.advance & request),
        ]
        with m.If(self.setup):
            m.d.sync += [known.eq(0), request.eq(0), valid.eq(0)]
        with m.Elif(self.advance):
            m.d.sync += [
                left.eq(walk.read_channels - channel),
                before.eq(channel < 0),
                lane_of_address.eq(lane),
                valid.eq(self.valid),
                request.eq(moves & ~(known & (place.address == self.address))),
                arrived.eq(request),
                at[0]["inside"].eq(Mux(walk.narrow, inside[0].replicate(lanes), inside)),
                at[0]["part"].eq(place.part),
                at[0]["lane"].eq(lane_of_address),
                *(new[name].eq(old[name]) for old, new in pairwise(at) for name in old),
            ]
            with m.If(moves):
                m.d.sync += [self.address.eq(place.address), known.eq(1)]
            with m.If(arrived):
                m.d.sync += [old.eq(word) for old, word in zip(held, self.words, strict=True)]
            m.d.sync += [
                code.eq(new)
                for code, new in zip(self.codes, self._codes(m, held, at[-1]), strict=True)
            ]
        return m

    def _position(self, m: Module) -> tuple[Signal, Signal]:
        """Channel of the chunk in the map that is read; in a narrow pass its lane mod out_lanes."""
        walk, lanes = self.walk, self.arch.out_lanes
        channel, block_channel, next_channel = (
            Signal(signed(COUNT_WIDTH + 2), name=n)
            for n in ("channel", "block_channel", "next_channel")
        )
        lane, block_lane, next_lane = (
            Signal(lanes, name=n, init=1) for n in ("lane", "block_lane", "next_lane")
        )
        m.d.comb += [
            next_channel.eq(channel + Mux(walk.narrow, 1, lanes)),
            next_lane.eq(Mux(channel < 0, lane, lane.rotate_left(1))),
        ]
        with m.If(self.setup):
            first = Cat(
                Cat(walk.read_lane == at for at in range(i, self.arch.rows, lanes)).any()
                for i in range(lanes)
            )
            m.d.sync += [lane.eq(first), block_lane.eq(first)]
            m.d.sync += [channel.eq(walk.read_channel), block_channel.eq(walk.read_channel)]
        with m.Elif(self.advance & self.valid):
            m.d.sync += [lane.eq(next_lane), channel.eq(next_channel)]
            with m.If(self.chunk.map_end):
                m.d.sync += [block_lane.eq(next_lane), block_channel.eq(next_channel)]
            with m.Elif(self.chunk.pixel_end):
                m.d.sync += [lane.eq(block_lane), channel.eq(block_channel)]
        return channel, lane

    def _codes(self, m: Module, words: list[data.View], at: dict[str, Signal]) -> list[Value]:
        """Codes of a part of the word; in a narrow pass of one lane of it."""
        lanes, walk = self.arch.out_lanes, self.walk
        part = []
        for lane in range(lanes):
            first, second = (
                selected([word[i * lanes + lane] for i in range(self.parts)], at["part"])
                for word in words
            )
            part.append(Mux(self.bank, second, first))
        one = Signal(unsigned(self.arch.storage.code_width), name="one_code")
        m.d.comb += one.eq(masked(part, at["lane"]))
        codes = []
        for lane in range(lanes):
            stored = Signal(self.arch.storage.code_width, name=f"stored_{lane}")
            m.d.comb += stored.eq(Mux(walk.narrow, one, part[lane]))
            code = Cat(stored, stored[-1] & walk.read_signed).as_signed()
            codes.append(Mux(at["inside"][lane], code, 0))
        return codes
