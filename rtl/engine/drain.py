"""Drain: serializes the sums of all columns, one per cycle."""

from itertools import pairwise

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.payloads import acc_layout, sums_layout
from ..timing.timing import drain_latency


class Drain(wiring.Component):
    """Accepts `cols` sums at once and outputs them one per cycle, column 0 first.

    Unused columns are drained too; the consumer drops them, so time does not depend on them.

    Latency: 1 cycle from accepted sums to the first one. Initiation interval: `cols` cycles; new
    sums are accepted in the cycle in which the last one of the previous sums leaves.

    Members
    -------
    sums : `sums_layout`. accs : `acc_layout`, channels counting up from the sums' channel.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "sums": In(stream.Signature(sums_layout(arch))),
                "accs": Out(stream.Signature(acc_layout(arch))),
            }
        )

    @property
    def latency(self) -> int:
        return drain_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return self.arch.cols

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch = self.arch
        waiting = [Signal(signed(arch.acc_width), name=f"acc_{col}") for col in range(arch.cols)]
        channel = Signal(arch.channel_width)
        left = Signal(range(arch.cols + 1))
        self.registers = {"left": left, "waiting": waiting, "channel": channel}  # for proofs
        m.d.comb += [
            self.accs.valid.eq(left != 0),
            self.accs.payload.acc.eq(waiting[0]),
            self.accs.payload.channel.eq(channel),
            self.sums.ready.eq((left == 0) | ((left == 1) & self.accs.ready)),
        ]
        with m.If(self.accs.valid & self.accs.ready):
            m.d.sync += [left.eq(left - 1), channel.eq(channel + 1)]
            m.d.sync += [a.eq(b) for a, b in pairwise(waiting)]
        with m.If(self.sums.valid & self.sums.ready):
            m.d.sync += [left.eq(arch.cols), channel.eq(self.sums.payload.channel)]
            m.d.sync += [a.eq(self.sums.payload.acc[col]) for col, a in enumerate(waiting)]
        return m
