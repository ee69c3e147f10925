"""Beat buffer: between feeder and array, so that the array's choice reaches no walker."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.held import held_beat_layout


class BeatBuffer(wiring.Component):
    """A beat that is not taken at once waits here, and only then the source waits: its `ready` is
    a register.

    Latency: 0. Throughput: a beat per cycle.

    Members
    -------
    source, beats : `held_beat_layout`.
    """

    def __init__(self, arch: Arch) -> None:
        # For proofs too.
        self.full = Signal()
        self.waiting = Signal(held_beat_layout(arch))
        super().__init__(
            {
                "source": In(stream.Signature(held_beat_layout(arch))),
                "beats": Out(stream.Signature(held_beat_layout(arch))),
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
        source, beats = self.source, self.beats
        offered, waiting = Value.cast(source.payload), Value.cast(self.waiting)
        m.d.comb += [
            source.ready.eq(~self.full),
            beats.valid.eq(self.full | source.valid),
            Value.cast(beats.payload).eq(Mux(self.full, waiting, offered)),
        ]
        m.d.sync += self.full.eq(beats.valid & ~beats.ready)
        with m.If(source.valid & ~self.full & ~beats.ready):
            m.d.sync += waiting.eq(offered)
        return m
