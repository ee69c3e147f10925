"""Watchdog: ends a run without progress."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .registers import WORD


class Watchdog(wiring.Component):
    """Counts the cycles of a run since the last progress.

    Latency: 1 cycle from the last of `limit` such cycles to `expired`, which lasts 1 cycle.

    Members
    -------
    limit : cycles, 0: never. busy : a run is under way. progress : of `Accelerator`.
    """

    def __init__(self) -> None:
        super().__init__({"limit": In(WORD), "busy": In(1), "progress": In(1), "expired": Out(1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count, waiting = Signal(WORD), Signal()
        following = count + 1
        m.d.comb += waiting.eq(self.busy & ~self.progress & ~self.expired)
        m.d.sync += [
            count.eq(0),
            self.expired.eq(waiting & (self.limit != 0) & (following >= self.limit)),
        ]
        with m.If(waiting):
            m.d.sync += count.eq(following)
        return m
