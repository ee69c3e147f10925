"""Places of stored pixels: the address of the next pixel, for every word of a pixel."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.descriptor import EXTENT_WIDTH
from ..layouts.held import FOLD_WORDS, place_layout


class FoldPlaces(wiring.Component):
    """Words of different numbers are written at different times, each number's pixel by pixel.

    Latency: 0, after as many cycles as there are numbers behind `setup`. Throughput: a pixel of one
    number per cycle.

    Members
    -------
    place : `place_layout`, width : pixels of a line; constant. setup : begin, all numbers at the
    first pixel. ready : they are from the next cycle on. number : of a word in its pixel. step :
    its next pixel follows. address : of its pixel. line_end : that pixel is its line's last one.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.busy = Signal()  # places are prepared
        super().__init__(
            {
                "place": In(place_layout(arch)),
                "width": In(EXTENT_WIDTH),
                "setup": In(1),
                "ready": Out(1),
                "number": In(range(FOLD_WORDS)),
                "step": In(1),
                "address": Out(address_width(arch.storage.activation_words)),
                "line_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place, address = self.place, unsigned(len(self.address))
        shape = data.StructLayout(
            {"pixel": address, "line": address, "left": unsigned(EXTENT_WIDTH), "end": unsigned(1)}
        )
        m.submodules.numbers = store = memory.Memory(shape=shape, depth=FOLD_WORDS, init=[])
        read, write = store.read_port(domain="comb"), store.write_port()
        now, after = read.data, Signal(shape)
        busy, prepared = self.busy, Signal(range(FOLD_WORDS))
        jump = Signal.like(self.address)
        m.d.comb += [
            read.addr.eq(self.number),
            write.addr.eq(Mux(busy, prepared, self.number)),
            write.data.eq(after),
            write.en.eq(busy | self.step),
            self.address.eq(now.pixel),
            self.line_end.eq(now.end),
            jump.eq(
                Mux(now.end, now.line, now.pixel) + Mux(now.end, place.row_step, place.pixel_step)
            ),
            after.pixel.eq(Mux(busy, place.start, jump)),
            after.line.eq(Mux(busy, place.start, Mux(now.end, jump, now.line))),
            after.left.eq(Mux(busy | now.end, self.width, now.left - 1)),
            after.end.eq(Mux(busy | now.end, self.width == 1, now.left == 2)),
        ]
        m.d.comb += self.ready.eq(busy & (prepared == FOLD_WORDS - 1))
        with m.If(self.setup):
            m.d.sync += [busy.eq(1), prepared.eq(0)]
        with m.Elif(busy):
            m.d.sync += [busy.eq(~self.ready), prepared.eq(prepared + 1)]
        return m
