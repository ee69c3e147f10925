"""Host port: AXI4-Lite registers that load the memories, start a network and read its counters."""

from enum import IntEnum

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from .accelerator_ports import ROW_WIDTH, TARGET_WIDTH, load_layout, row_widths
from .arch import Arch
from .sequencer import COUNTER_WIDTH, counters_layout
from .storage import address_width, memory_depth

WORD = 32
ADDRESS_WIDTH = 8


class Register(IntEnum):
    """Byte addresses of the 32-bit registers."""

    CONTROL = 0x00
    """Write 1: start. Read: bit 0 busy, bit 1 done."""
    TARGET = 0x04
    """Memory to load (`accelerator_ports.Target`)."""
    ROW = 0x08
    """Its next row; one more after every row that was written."""
    DATA = 0x0C
    """A word of the row, least significant first; the row is written with its last word."""
    PASS = 0x10
    """Pass whose record the counters below show; all ones: the totals."""
    COUNTERS = 0x20
    """Cycles, then `sequencer.EVENTS`, one word each."""


class HostPort(wiring.Component):
    """AXI4-Lite subordinate without wait for data: one write or read at a time.

    Latency: 1 cycle from the accepted address and data to the response, 2 for a read.
    Throughput: a write every 2 cycles. Every address answers OKAY; unknown ones read 0.

    Members
    -------
    aw, w, b, ar, r : the channels; strobes are not looked at, words are written whole.
    load, start : of the accelerator. busy, done, counters, record, ended : of its sequencer.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.passes = arch.storage.passes
        super().__init__(
            {
                "aw": In(stream.Signature(unsigned(ADDRESS_WIDTH))),
                "w": In(stream.Signature(unsigned(WORD))),
                "b": Out(stream.Signature(unsigned(2))),
                "ar": In(stream.Signature(unsigned(ADDRESS_WIDTH))),
                "r": Out(stream.Signature(unsigned(WORD))),
                "load": Out(stream.Signature(load_layout(arch), always_ready=True)),
                "start": Out(1),
                "busy": In(1),
                "done": In(1),
                "counters": In(counters_layout()),
                "record": In(1),
                "ended": In(address_width(self.passes)),
            }
        )

    def elaborate(self, platform):
        m = Module()
        self.target, self.row = Signal(TARGET_WIDTH), Signal(ROW_WIDTH)
        self.chosen = Signal(WORD, init=(1 << WORD) - 1)
        write = Signal()
        m.d.comb += [
            write.eq(self.aw.valid & self.w.valid & (~self.b.valid | self.b.ready)),
            self.aw.ready.eq(write),
            self.w.ready.eq(write),
            self.b.payload.eq(0),
        ]
        with m.If(write):
            m.d.sync += self.b.valid.eq(1)
        with m.Elif(self.b.ready):
            m.d.sync += self.b.valid.eq(0)
        self._write(m, write)
        self._read(m)
        return m

    def _write(self, m, write):
        """Registers and the row in the making: words shift in from the top."""
        words = {target: -(-width // WORD) for target, width in row_widths(self.arch).items()}
        longest = max(words.values())
        data = Signal(longest * WORD)
        count, needed = Signal(range(longest + 1)), Signal(range(longest + 1))
        complete, row = Signal(), Signal(longest * WORD)
        value = self.w.payload
        m.d.sync += [self.start.eq(0), complete.eq(0)]
        with m.Switch(self.target):
            for target, number in words.items():
                with m.Case(target):
                    m.d.comb += [needed.eq(number), row.eq(data[(longest - number) * WORD :])]
        with m.If(write), m.Switch(self.aw.payload):
            with m.Case(Register.CONTROL):
                m.d.sync += self.start.eq(value[0])
            with m.Case(Register.TARGET):
                m.d.sync += [self.target.eq(value), count.eq(0)]
            with m.Case(Register.ROW):
                m.d.sync += [self.row.eq(value), count.eq(0)]
            with m.Case(Register.PASS):
                m.d.sync += self.chosen.eq(value)
            with m.Case(Register.DATA):
                m.d.sync += [data.eq(Cat(data[WORD:], value)), count.eq(count + 1)]
                with m.If(count + 1 == needed):
                    m.d.sync += [count.eq(0), complete.eq(1)]
        with m.If(complete):
            m.d.sync += self.row.eq(self.row + 1)
        m.d.comb += [
            self.load.valid.eq(complete),
            self.load.payload.eq(Cat(self.target, self.row, row)),
        ]

    def _read(self, m):
        """Status, and the counters: totals, or as they stood at the end of the chosen pass."""
        log = memory.Memory(shape=counters_layout(), depth=memory_depth(self.passes), init=[])
        m.submodules.log = log
        record, recorded = log.write_port(), log.read_port()
        m.d.comb += [
            record.en.eq(self.record),
            record.addr.eq(self.ended),
            record.data.eq(self.counters),
            recorded.addr.eq(self.chosen),
        ]
        totals = self.chosen.all()
        shown = Signal(counters_layout())
        m.d.comb += shown.eq(Mux(totals, self.counters, recorded.data))
        m.d.comb += self.ar.ready.eq(~self.r.valid | self.r.ready)
        with m.If(self.ar.ready):
            m.d.sync += [self.r.valid.eq(self.ar.valid), self.r.payload.eq(0)]
            with m.Switch(self.ar.payload):
                with m.Case(Register.CONTROL):
                    m.d.sync += self.r.payload.eq(Cat(self.busy, self.done))
                with m.Case(Register.TARGET):
                    m.d.sync += self.r.payload.eq(self.target)
                with m.Case(Register.ROW):
                    m.d.sync += self.r.payload.eq(self.row)
                with m.Case(Register.PASS):
                    m.d.sync += self.r.payload.eq(self.chosen)
                for word in range(counters_layout().size // COUNTER_WIDTH):
                    with m.Case(Register.COUNTERS + 4 * word):
                        field = shown.as_value().word_select(word, COUNTER_WIDTH)
                        m.d.sync += self.r.payload.eq(field)
