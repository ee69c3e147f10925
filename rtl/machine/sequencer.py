"""Sequencer of arrays that hold weights: from pass to pass, the next descriptor at hand."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.sequencer import count_events, row_memory
from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.counters import COUNTER_WIDTH, counters_layout, events_of
from ..layouts.held import held_pass_layout
from ..layouts.payloads import codebook_layout
from ..timing.held_timing import HELD_PASS_OVERHEAD


class HeldSequencer(wiring.Component):
    """Per pass: take its descriptor, load its codebook, begin, wait for its end, record.

    The descriptor memory is read one pass ahead. Overhead: `overhead` cycles per pass, and n for a
    codebook of n levels.

    Members
    -------
    pass_load, codebook_load : rows of the descriptor and codebook memories, always ready.
    start : run all passes. busy : from then on. done : until the next start.
    descriptor : of the current pass. setup : its walks begin. finished : nothing of it is left;
    0 in the cycle after `setup` already, unless the pass is empty.
    codebook : levels for the array, the last one in the cycle of `setup`.
    events : one bit per name of `events_of`.
    counters : totals. record : a pass has ended, the counters include it; ended : which pass.
    """

    def __init__(self, arch: Arch, *, counter_width: int = COUNTER_WIDTH) -> None:
        self.arch = arch
        self.number_width = address_width(arch.storage.passes)
        level = {
            "row": unsigned(address_width(arch.storage.codebook_rows)),
            "level": signed(arch.level_width),
        }
        row = {"row": unsigned(self.number_width), "descriptor": held_pass_layout(arch)}
        super().__init__(
            {
                "pass_load": In(stream.Signature(data.StructLayout(row), always_ready=True)),
                "codebook_load": In(stream.Signature(data.StructLayout(level), always_ready=True)),
                "start": In(1),
                "busy": Out(1),
                "done": Out(1),
                "descriptor": Out(held_pass_layout(arch)),
                "setup": Out(1),
                "finished": In(1),
                "codebook": Out(stream.Signature(codebook_layout(arch), always_ready=True)),
                "events": In(len(events_of(arch))),
                "counters": Out(counters_layout(counter_width, events_of(arch))),
                "record": Out(1),
                "ended": Out(self.number_width),
            }
        )

    @property
    def overhead(self) -> int:
        """Cycles of a pass beside its codebook and its run, which begins after `setup`."""
        return HELD_PASS_OVERHEAD

    def elaborate(self, platform: object) -> Module:
        m = Module()
        number = Signal(self.number_width)  # of the pass after the current one
        current = Signal(self.number_width)
        fetched = row_memory(m, "passes", self.pass_load, self.arch.storage.passes, number)
        index = Signal(self.arch.weight_width + 1)
        level = row_memory(
            m,
            "codebooks",
            self.codebook_load,
            self.arch.storage.codebook_rows,
            self.descriptor.codebook_base + index,
        )
        m.d.sync += self.record.eq(0)
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            m.d.sync += [  # a register between the memory and the array's levels
                self.codebook.valid.eq(fsm.ongoing("LOAD") & (index != 0)),
                self.codebook.payload.code.eq(index - 1),
                self.codebook.payload.level.eq(level.level),
            ]
            with m.State("IDLE"), m.If(self.start):
                m.d.sync += [self.done.eq(0), self.counters.eq(0)]
                m.next = "LATCH"
            with m.State("LATCH"):
                m.d.sync += [self.descriptor.eq(fetched.descriptor), index.eq(0)]
                m.d.sync += [current.eq(number), number.eq(number + 1)]
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += index.eq(index + 1)
                with m.If(index == self.descriptor.codebook_count):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += self.setup.eq(1)
                m.next = "RUN"
            with m.State("RUN"), m.If(self.finished):
                m.d.sync += [self.record.eq(1), self.ended.eq(current)]
                m.next = "LATCH"
                with m.If(self.descriptor.final):
                    m.d.sync += [self.done.eq(1), number.eq(0)]
                    m.next = "IDLE"
        self.registers = {  # for proofs
            "number": number,
            "current": current,
            "index": index,
            "fetched": fetched,
            "level": level,
            "fsm": fsm,
        }
        count_events(m, self, events_of(self.arch))
        return m
