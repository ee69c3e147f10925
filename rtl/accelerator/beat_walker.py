"""Beat walker: word and weight addresses in the order in which the array takes beats."""

from amaranth.hdl import Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.descriptor import COUNT_WIDTH, EXTENT_WIDTH, KERNEL_WIDTH, feed_layout, plane_width


class BeatWalker(wiring.Component):
    """Per block, pixel, kernel row, kernel column and channel block: addresses of the operands.

    Latency: 0, its outputs are registers plus comparisons. Throughput: a beat per cycle (`step`).

    Members
    -------
    feed : `feed_layout`, constant while active. setup : begin that walk in the next cycle.
    parameter_base : parameter row of the first column. step : this beat is done.
    active : the outputs describe a beat. first, last : it begins, ends a sum.
    address : word of activations; a word of padding where the window leaves the map and padding
    codes are stored. outside : the window leaves the map here. planes : first weight plane.
    channel : parameter row of column 0.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "feed": In(feed_layout(arch)),
                "parameter_base": In(arch.channel_width),
                "setup": In(1),
                "step": In(1),
                "active": Out(1),
                "first": Out(1),
                "last": Out(1),
                "address": Out(address_width(arch.storage.activation_words)),
                "outside": Out(1),
                "planes": Out(plane_width(arch)),
                "channel": Out(arch.channel_width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        feed = self.feed
        inner = Signal(COUNT_WIDTH)
        kx, ky = Signal(KERNEL_WIDTH), Signal(KERNEL_WIDTH)
        inner_end = inner + 1 == feed.channel_blocks
        cell_end = inner_end & (kx + 1 == feed.kernel_width)
        window_end, map_end, done = Signal(), Signal(), Signal()
        moving = Signal()
        m.d.comb += [
            window_end.eq(cell_end & (ky + 1 == feed.kernel_height)),
            moving.eq(self.active & self.step),
            self.first.eq((inner == 0) & (kx == 0) & (ky == 0)),
            self.last.eq(window_end),
        ]
        with m.If(self.setup):
            m.d.sync += [self.active.eq(1), inner.eq(0), kx.eq(0), ky.eq(0)]
        with m.Elif(moving):
            m.d.sync += inner.eq(inner + 1)
            with m.If(inner_end):
                m.d.sync += [inner.eq(0), kx.eq(kx + 1)]
            with m.If(cell_end):
                m.d.sync += [kx.eq(0), ky.eq(ky + 1)]
            with m.If(window_end):
                m.d.sync += ky.eq(0)
            m.d.sync += self.active.eq(~done)
        ends = inner_end, cell_end, window_end, map_end
        self._pixels(m, moving, window_end, map_end, done)
        self._addresses(m, moving, inner, *ends)
        self._weights(m, moving, inner_end, window_end, map_end)
        self._edges(m, kx, ky)
        return m

    def _pixels(
        self, m: Module, moving: Value, window_end: Value, map_end: Value, done: Value
    ) -> None:
        """Output position and block."""
        feed = self.feed
        self.y, self.x = Signal(EXTENT_WIDTH), Signal(EXTENT_WIDTH)
        block = Signal(COUNT_WIDTH)
        self.line_end = Signal()
        m.d.comb += [
            self.line_end.eq(window_end & (self.x + 1 == feed.out_width)),
            map_end.eq(self.line_end & (self.y + 1 == feed.out_height)),
            done.eq(map_end & (block + 1 == feed.blocks)),
        ]
        with m.If(self.setup):
            m.d.sync += [self.x.eq(0), self.y.eq(0), block.eq(0)]
        with m.Elif(moving):
            with m.If(window_end):
                m.d.sync += self.x.eq(self.x + 1)
            with m.If(self.line_end):
                m.d.sync += [self.x.eq(0), self.y.eq(self.y + 1)]
            with m.If(map_end):
                m.d.sync += [self.y.eq(0), block.eq(block + 1)]

    def _addresses(
        self,
        m: Module,
        moving: Value,
        inner: Value,
        inner_end: Value,
        cell_end: Value,
        window_end: Value,
        map_end: Value,
    ) -> None:
        """One pointer per loop, at its begin; the inner ones restart from the outer ones."""
        feed = self.feed
        names = ("block", "row", "pixel", "line", "cell")
        block, row, pixel, line, cell = pointers = [
            Signal.like(self.address, name=f"{name}_address") for name in names
        ]
        here = Signal.like(self.address)
        m.d.comb += here.eq(cell + inner)
        pad = feed.pad_base + inner
        m.d.comb += self.address.eq(Mux(self.outside & feed.pad_stored, pad, here))
        with m.If(self.setup):
            m.d.sync += [pointer.eq(feed.start) for pointer in pointers]
        with m.Elif(moving):
            for condition, chain, step in (
                (inner_end, [cell], cell + feed.cell_step),
                (cell_end, [line, cell], line + feed.row_step),
                (window_end, [pixel, line, cell], pixel + feed.right_step),
                (self.line_end, [row, pixel, line, cell], row + feed.down_step),
                (map_end, pointers, block + feed.block_step),
            ):
                with m.If(condition):  # a later, outer condition overrides
                    m.d.sync += [pointer.eq(step) for pointer in chain]

    def _weights(
        self, m: Module, moving: Value, inner_end: Value, window_end: Value, map_end: Value
    ) -> None:
        """Weight planes and parameter row: the same for all pixels of a block."""
        feed = self.feed
        block = Signal.like(self.planes)
        with m.If(self.setup):
            m.d.sync += [self.planes.eq(feed.planes), block.eq(feed.planes)]
            m.d.sync += self.channel.eq(self.parameter_base)
        with m.Elif(moving):
            following = self.planes + feed.weight_width
            m.d.sync += self.planes.eq(following)
            with m.If(feed.weight_hold & inner_end | window_end):
                m.d.sync += self.planes.eq(block)
            with m.If(map_end):
                m.d.sync += [self.planes.eq(following), block.eq(following)]
                m.d.sync += self.channel.eq(self.channel + self.arch.cols)

    def _edges(self, m: Module, kx: Value, ky: Value) -> None:
        """Whether the window position is inside the map. Input coordinates count from -padding."""
        feed = self.feed
        shape = signed(EXTENT_WIDTH + 2)
        top, left = Signal(shape), Signal(shape)
        stride_right, padding_left = feed.stride, feed.padding
        if self.arch.axes == 2:
            stride_right, padding_left = feed.stride_right, feed.padding_left
        moving = self.active & self.step
        with m.If(self.setup):
            m.d.sync += [top.eq(-feed.padding), left.eq(-padding_left)]
        with m.Elif(moving & self.last):
            m.d.sync += left.eq(left + stride_right)
            with m.If(self.line_end):
                m.d.sync += [left.eq(-padding_left), top.eq(top + feed.stride)]
                with m.If(self.y + 1 == feed.out_height):
                    m.d.sync += top.eq(-feed.padding)
        y, x = Signal(shape), Signal(shape)
        m.d.comb += [
            y.eq(top + ky),
            x.eq(left + kx),
            self.outside.eq((y < 0) | (x < 0) | (y >= feed.height) | (x >= feed.width)),
        ]
