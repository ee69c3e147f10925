"""Station: where the next weight word waits until the lanes take it."""

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.held import fields_layout


class Station(wiring.Component):
    """Paces the filling of the columns' station registers; these lie in the columns.

    Latency: a field accepted in cycle t is in its column's register in t + 1; after position
    fill - 1 the station is full. Throughput: a position per cycle; a word every fill + 1 cycles,
    because the next one enters only after the lanes have taken the last.

    Members
    -------
    fields : `fields_layout`, positions 0 .. fill - 1 in order. take : the lanes take the word.
    full : there is one. enter : by position, its columns take the fields offered.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "fields": In(stream.Signature(fields_layout(arch))),
                "take": In(1),
                "full": Out(1),
                "enter": Out(arch.fill),
            }
        )

    @property
    def latency(self) -> int:
        return 1

    @property
    def initiation_interval(self) -> int:
        return self.arch.fill + 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, position = self.arch, self.fields.payload.position
        accepted = Signal()
        m.d.comb += [
            self.fields.ready.eq(~self.full),
            accepted.eq(self.fields.valid & ~self.full),
            self.enter.eq(accepted << position if arch.fill > 1 else accepted),
        ]
        with m.If(self.take):
            m.d.sync += self.full.eq(0)
        with m.Elif(accepted & (position == arch.fill - 1)):
            m.d.sync += self.full.eq(1)
        return m
