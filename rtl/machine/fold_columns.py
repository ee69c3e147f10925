"""Columns of an image as it is stored: its codes, the padding beside them, where pixels begin."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.descriptor import COUNT_WIDTH, EXTENT_WIDTH
from ..layouts.held import fold_layout
from .rounds import Rounds


class FoldColumns(wiring.Component):
    """Per line, column and channel: is the code one of the image, does a stored pixel begin here.

    A line has `padding` columns, `width` of the image, and at the right as many as its last stored
    pixel still needs.

    Latency: 0, its outputs are registers and a gate. Throughput: a code per cycle (`step`).

    Members
    -------
    fold : `fold_layout`, constant while active. setup : begin in the next cycle. step : this code
    is done. active : the outputs describe a code. inside : it is one of the image; 0 when not
    active. channel : its number in the column. begins : a stored pixel begins with it. last : it is
    the image's last one.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "fold": In(fold_layout(arch)),
                "setup": In(1),
                "step": In(1),
                "active": Out(1),
                "inside": Out(1),
                "channel": Out(COUNT_WIDTH),
                "begins": Out(1),
                "last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        fold = self.fold
        channels, lines = Rounds("channel", fold.channels), Rounds("line", fold.height)
        moving, column_end, line_end = Signal(), Signal(), Signal()
        ends, new_line, begins_column = Signal(), Signal(), Signal()
        m.d.comb += [
            moving.eq(self.active & self.step),
            column_end.eq(moving & channels.end),
            line_end.eq(column_end & ends),
            new_line.eq(self.setup | line_end),
        ]
        channels.run(m, self.setup, moving)
        lines.run(m, self.setup, line_end)
        with m.If(self.setup):
            m.d.sync += [self.active.eq(1), self.channel.eq(0), begins_column.eq(1)]
        with m.Elif(moving):
            m.d.sync += self.channel.eq(Mux(channels.end, 0, self.channel + 1))
            m.d.sync += begins_column.eq(channels.end)
            with m.If(line_end & lines.end):
                m.d.sync += self.active.eq(0)
        image_end, behind = self._parts(m, new_line, column_end)
        with m.If(~self.setup & line_end & lines.end):
            m.d.sync += self.inside.eq(0)
        begins, complete = self._pixels(m, new_line, column_end)
        m.d.comb += [
            ends.eq((image_end | behind) & complete),
            self.begins.eq(begins & begins_column),
            self.last.eq(image_end & lines.end & channels.end),
        ]
        return m

    def _parts(self, m: Module, new_line: Value, column_end: Value) -> tuple[Value, Value]:
        """Left padding, image, right padding: this is the image's last column; one behind it."""
        fold = self.fold
        left, end, behind = Signal(EXTENT_WIDTH), Signal(), Signal()
        padded = fold.padding.any()
        with m.If(new_line):
            m.d.sync += [self.inside.eq(~padded), behind.eq(0)]
            m.d.sync += left.eq(Mux(padded, fold.padding, fold.width))
            m.d.sync += end.eq(Mux(padded, fold.padding == 1, fold.width == 1))
        with m.Elif(column_end & ~behind):
            m.d.sync += [left.eq(left - 1), end.eq(left == 2)]
            with m.If(end):
                m.d.sync += [self.inside.eq(~self.inside), behind.eq(self.inside)]
                m.d.sync += [left.eq(fold.width), end.eq(fold.width == 1)]
        return self.inside & end, behind

    def _pixels(self, m: Module, new_line: Value, column_end: Value) -> tuple[Value, Value]:
        """A stored pixel begins with this column; the line's last one is complete with it."""
        fold = self.fold
        phase, pixels = Rounds("phase", fold.stride), Rounds("pixel", fold.out_width)
        begins, begins_next = Signal(), Signal()
        left, complete = Signal.like(fold.columns), Signal()  # of the pixel that began last
        m.d.comb += begins_next.eq(phase.end & ~pixels.end)
        phase.run(m, new_line, column_end)
        pixels.run(m, new_line, column_end & begins_next)
        with m.If(new_line | column_end):
            m.d.sync += begins.eq(new_line | begins_next)
            with m.If(new_line | begins_next):
                m.d.sync += [left.eq(fold.columns), complete.eq(fold.columns == 1)]
            with m.Elif(~complete):
                m.d.sync += [left.eq(left - 1), complete.eq(left == 2)]
        return begins, complete & pixels.end
