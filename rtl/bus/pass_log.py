"""Pass log: the counters at the end of every pass of a run."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width, memory_depth
from ..layouts.counters import counters_layout, events_of
from .registers import ALL_PASSES, WORD


class PassLog(wiring.Component):
    """Shows one record, or the counters themselves.

    Latency: 2 cycles from `chosen` or `record` to `shown`.

    Members
    -------
    start : a run begins, its passes have not ended. counters, record, ended : of the sequencer.
    chosen : number of a pass, or `ALL_PASSES`. count : passes of the run that have ended.
    shown : counters of the pass. known : that pass has ended; `shown` is valid.
    """

    def __init__(self, arch: Arch) -> None:
        self.passes = arch.storage.passes
        self.layout = counters_layout(events=events_of(arch))
        super().__init__(
            {
                "start": In(1),
                "counters": In(self.layout),
                "record": In(1),
                "ended": In(address_width(self.passes)),
                "chosen": In(WORD),
                "count": Out(WORD),
                "shown": Out(self.layout),
                "known": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.store = store = memory.Memory(
            shape=self.layout, depth=memory_depth(self.passes), init=[]
        )
        write, read = store.write_port(), store.read_port()
        number, recorded = Signal(WORD, init=ALL_PASSES), Signal()
        m.d.comb += [
            write.en.eq(self.record),
            write.addr.eq(self.ended),
            write.data.eq(self.counters),
            read.addr.eq(self.chosen),
            self.shown.eq(Mux(number.all(), self.counters, read.data)),
            self.known.eq(number.all() | (number < self.count)),
        ]
        # The record can be read in the cycle after it was written: it counts from then on.
        m.d.sync += [number.eq(self.chosen), recorded.eq(self.record)]
        with m.If(self.start):
            m.d.sync += [self.count.eq(0), recorded.eq(0)]
        with m.Elif(recorded):
            m.d.sync += self.count.eq(self.count + 1)
        return m
