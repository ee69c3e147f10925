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

    Latency: 0. Throughput: a pixel of one number per cycle.

    Members
    -------
    place : `place_layout`, width : pixels of a line; constant. setup : begin, all numbers at the
    first pixel. number : of a word in its pixel. step : its next pixel follows. address : of its
    pixel. line_end : that pixel is its line's last one.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "place": In(place_layout(arch)),
                "width": In(EXTENT_WIDTH),
                "setup": In(1),
                "number": In(range(FOLD_WORDS)),
                "step": In(1),
                "address": Out(address_width(arch.storage.activation_words)),
                "line_end": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        address = unsigned(len(self.address))
        shape = data.StructLayout(
            {"pixel": address, "line": address, "left": unsigned(EXTENT_WIDTH)}
        )
        m.submodules.numbers = store = memory.Memory(shape=shape, depth=FOLD_WORDS, init=[])
        read, write = store.read_port(domain="comb"), store.write_port()
        begun = Signal(FOLD_WORDS)  # numbers whose place is stored
        now, after = Signal(shape), Signal(shape)
        m.d.comb += [
            read.addr.eq(self.number),
            write.addr.eq(self.number),
            write.data.eq(after),
            write.en.eq(self.step),
            now.eq(read.data),
            self.address.eq(now.pixel),
            self.line_end.eq(now.left == 1),
            after.left.eq(Mux(self.line_end, self.width, now.left - 1)),
            after.line.eq(now.line),
            after.pixel.eq(now.pixel + self.place.pixel_step),
        ]
        with m.If(~begun.bit_select(self.number, 1)):
            m.d.comb += [now.pixel.eq(self.place.start), now.line.eq(self.place.start)]
            m.d.comb += now.left.eq(self.width)
        with m.If(self.line_end):
            m.d.comb += after.line.eq(now.line + self.place.row_step)
            m.d.comb += after.pixel.eq(now.line + self.place.row_step)
        with m.If(self.setup):
            m.d.sync += begun.eq(0)
        with m.Elif(self.step):
            m.d.sync += begun.bit_select(self.number, 1).eq(1)
        return m
