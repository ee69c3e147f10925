"""Sequencer: walks the descriptors of a network, one pass after the other, from start to done."""

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..arch.storage import address_width, memory_depth
from ..layouts.counters import COUNTER_WIDTH, EVENTS, counters_layout
from ..layouts.descriptor import pass_layout
from ..layouts.payloads import codebook_layout


class Sequencer(wiring.Component):
    """Per pass: fetch its descriptor, load its codebook, begin, wait for its last code, record.

    Overhead: `overhead` cycles per pass, and n for a codebook of n levels.

    Members
    -------
    pass_load, codebook_load : rows of the descriptor and codebook memories, always ready.
    start : run all passes. busy : from then on. done : until the next start.
    descriptor : of the current pass. setup : its walks begin. finished : its last code is out.
    codebook : levels for the array. events : one bit per name of `EVENTS`.
    counters : totals. record : a pass has ended, the counters include it; ended : which pass.
    """

    def __init__(self, arch: Arch, *, counter_width: int = COUNTER_WIDTH) -> None:
        self.arch = arch
        self.number_width = address_width(arch.storage.passes)
        level = {
            "row": unsigned(address_width(arch.storage.codebook_rows)),
            "level": signed(arch.level_width),
        }
        row = {"row": unsigned(self.number_width), "descriptor": pass_layout(arch)}
        super().__init__(
            {
                "pass_load": In(stream.Signature(data.StructLayout(row), always_ready=True)),
                "codebook_load": In(stream.Signature(data.StructLayout(level), always_ready=True)),
                "start": In(1),
                "busy": Out(1),
                "done": Out(1),
                "descriptor": Out(pass_layout(arch)),
                "setup": Out(1),
                "finished": In(1),
                "codebook": Out(stream.Signature(codebook_layout(arch), always_ready=True)),
                "events": In(len(EVENTS)),
                "counters": Out(counters_layout(counter_width)),
                "record": Out(1),
                "ended": Out(self.number_width),
            }
        )

    @property
    def overhead(self) -> int:
        """Cycles of a pass beside its codebook and its run."""
        return 5

    def elaborate(self, platform: object) -> Module:
        m = Module()
        number = Signal(self.number_width)
        fetched = row_memory(m, "passes", self.pass_load, self.arch.storage.passes, number)
        index = Signal(self.arch.weight_width + 1)
        level = row_memory(
            m,
            "codebooks",
            self.codebook_load,
            self.arch.storage.codebook_rows,
            self.descriptor.codebook_base + index,
        )
        m.d.comb += [
            self.codebook.payload.code.eq(index - 1),
            self.codebook.payload.level.eq(level.level),
        ]
        m.d.sync += self.record.eq(0)
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [number.eq(0), self.done.eq(0), self.counters.eq(0)]
                m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "LATCH"
            with m.State("LATCH"):
                m.d.sync += [self.descriptor.eq(fetched.descriptor), index.eq(0)]
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += index.eq(index + 1)
                m.d.comb += self.codebook.valid.eq(index != 0)
                with m.If(index == self.descriptor.codebook_count):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += self.setup.eq(1)
                m.next = "RUN"
            with m.State("RUN"), m.If(self.finished):
                m.d.sync += [self.record.eq(1), self.ended.eq(number), number.eq(number + 1)]
                m.next = "FETCH"
                with m.If(self.descriptor.final):
                    m.d.sync += self.done.eq(1)
                    m.next = "IDLE"
        count_events(m, self, EVENTS)
        return m


def row_memory(
    m: Module, name: str, load: stream.Interface, depth: int, address: Value
) -> data.View:
    """A memory written through `load` (its field `row` is the address), read every cycle."""
    row = {name: s for name, s in load.payload.shape().members.items() if name != "row"}
    store = memory.Memory(shape=data.StructLayout(row), depth=memory_depth(depth), init=[])
    m.submodules[name] = store
    write, read = store.write_port(), store.read_port()
    m.d.comb += [
        write.addr.eq(load.payload.row),
        *(getattr(write.data, field).eq(getattr(load.payload, field)) for field in row),
        write.en.eq(load.valid),
        read.addr.eq(address),
    ]
    return read.data


def count_events(m: Module, sequencer: wiring.Component, names: tuple[str, ...]) -> None:
    """Counters of a sequencer while it is busy: cycles, and the events of these names."""
    counters = sequencer.counters
    with m.If(sequencer.busy):
        m.d.sync += counters.cycles.eq(counters.cycles + 1)
        for bit, name in enumerate(names):
            counter = getattr(counters, name)
            m.d.sync += counter.eq(counter + sequencer.events[bit])
