"""Chunk walker: the order in which an output stage takes chunks."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.descriptor import COUNT_WIDTH, EXTENT_WIDTH
from ..layouts.held import chunk_walk_layout
from .payloads import chunk_layout
from .selection import above


class ChunkWalker(wiring.Component):
    """Per block, pixel (row-major) and chunk of the block: which lanes have a channel, what ends.

    Every end is known one step ahead, so that a step is one subtraction or comparison.

    Latency: 0, its outputs are registers plus a small comparison. Throughput: a chunk per cycle.

    Members
    -------
    walk : `chunk_walk_layout`, constant while active. setup : begin that walk in the next cycle.
    step : this chunk is done. active : `chunk` is one of the walk. chunk : `chunk_layout`.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "walk": In(chunk_walk_layout(arch)),
                "setup": In(1),
                "step": In(1),
                "active": Out(1),
                "chunk": Out(chunk_layout(arch)),
            }
        )

    @property
    def latency(self) -> int:
        return 0

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        walk, lanes = self.walk, self.arch.out_lanes
        single = walk.narrow | walk.whole  # a step is one channel (or word), else `lanes` channels
        left, size, rest = (Signal(COUNT_WIDTH, name=n) for n in ("left", "size", "rest"))
        whole_pixel, following = Signal(), Signal(COUNT_WIDTH)
        self.registers = {"left": left, "size": size, "rest": rest, "whole": whole_pixel}
        ends = {name: Signal(name=f"{name}_end") for name in ("chunk", "column", "line", "block")}
        self.registers["chunk_end"] = ends["chunk"]
        m.d.comb += [
            # Channels of the block after this one.
            following.eq(Mux(rest < walk.group, rest, walk.group)),
            self.chunk.pixel_end.eq(ends["chunk"]),
            self.chunk.line_end.eq(ends["chunk"] & ends["column"]),
            self.chunk.map_end.eq(ends["chunk"] & ends["column"] & ends["line"]),
            self.chunk.last.eq(self.chunk.map_end & ends["block"]),
        ]
        first = Mux(walk.channels < walk.group, walk.channels, walk.group)

        def one_step(*channels: Value) -> Value:
            """Whether the smallest of them is."""
            return Cat(~Mux(single, above(c, 1), above(c, lanes)) for c in channels).any()

        with m.If(self.setup):
            m.d.sync += [
                self.active.eq(1),
                *(count.eq(first) for count in (left, size)),
                *(
                    end.eq(one_step(walk.channels, walk.group))
                    for end in (ends["chunk"], whole_pixel)
                ),
                rest.eq(walk.channels - walk.group),
            ]
        with m.Elif(self.active & self.step):
            m.d.sync += [
                self.active.eq(~self.chunk.last),
                left.eq(left - Mux(single, 1, lanes)),
                ends["chunk"].eq(~Mux(single, above(left, 2), above(left, 2 * lanes))),
            ]
            with m.If(ends["chunk"]):
                m.d.sync += [left.eq(size), ends["chunk"].eq(whole_pixel)]
            with m.If(self.chunk.map_end):
                m.d.sync += [
                    *(count.eq(following) for count in (left, size)),
                    *(end.eq(one_step(rest, walk.group)) for end in (ends["chunk"], whole_pixel)),
                    rest.eq(rest - walk.group),
                ]
        step = self.active & self.step
        self._count(m, step & self.chunk.pixel_end, walk.width, ends["column"], EXTENT_WIDTH)
        self._count(m, step & self.chunk.line_end, walk.height, ends["line"], EXTENT_WIDTH)
        self._count(m, step & self.chunk.map_end, walk.blocks, ends["block"], COUNT_WIDTH)
        self._lanes(m, left, step)
        return m

    def _count(self, m: Module, step: Value, total: Value, end: Signal, width: int) -> None:
        """A counter down from `total`, which begins again; `end`: it is at 1."""
        count = Signal(width, name=f"{end.name}_count")
        with m.If(self.setup | (step & end)):
            m.d.sync += [count.eq(total), end.eq(~above(total, 1))]
        with m.Elif(step):
            m.d.sync += [count.eq(count - 1), end.eq(~above(count, 2))]
        self.registers |= {end.name: end, count.name: count}  # for proofs, as the others

    def _lanes(self, m: Module, left: Value, step: Value) -> None:
        """Lanes of the channels left; in a narrow pass the one lane of the channel written."""
        count = self.arch.out_lanes
        lane, block_lane = Signal(count, init=1), Signal(count, init=1)
        turned = lane.rotate_left(1)
        self.registers |= {"lane": lane, "block_lane": block_lane}
        m.d.comb += self.chunk.lanes.eq(
            Mux(self.walk.narrow, lane, Cat(above(left, i) for i in range(count)))
        )
        with m.If(self.setup):
            first = Cat(
                Cat(self.walk.lane == at for at in range(i, self.arch.rows, count)).any()
                for i in range(count)
            )
            m.d.sync += [lane.eq(first), block_lane.eq(first)]
        with m.Elif(step):
            m.d.sync += lane.eq(turned)
            with m.If(self.chunk.map_end):  # the next block begins where this one ends
                m.d.sync += block_lane.eq(turned)
            with m.Elif(self.chunk.pixel_end):
                m.d.sync += lane.eq(block_lane)
