"""Banks of sums: which group fills one, which one is read."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch

BANKS = 2


def group_layout(arch: Arch) -> data.StructLayout:
    """A group whose sums are complete; count: of its slots."""
    return data.StructLayout({"count": arch.hold.bit_length()})


class Banks(wiring.Component):
    """Groups take the two banks in turn and are read in the order in which they came.

    Latency: a group is offered in the cycle after `complete`; its bank is free in the cycle after
    it was accepted. Throughput: a group every cycle.

    Members
    -------
    opens : a group begins to fill a bank; only when `free`. closes : its last beat is taken.
    filling : bank of the beats up to that one. complete : the last sum of the oldest incomplete
    group is being written; last : its slot. groups : `group_layout`. reading : bank of the group.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        # For proofs too.
        self.taken = Signal(range(BANKS + 1))
        self.completed = Signal(range(BANKS + 1))
        self.completing = Signal()
        self.counts = [Signal(range(arch.hold + 1), name=f"count_{i}") for i in range(BANKS)]
        super().__init__(
            {
                **{name: In(1) for name in ("opens", "closes", "complete")},
                "last": In(range(arch.hold)),
                "groups": Out(stream.Signature(group_layout(arch))),
                **{name: Out(1) for name in ("free", "filling", "reading")},
            }
        )

    @property
    def latency(self) -> int:
        return 1

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        completing, read = self.completing, Signal()
        m.d.comb += [
            self.free.eq(self.taken != BANKS),
            self.groups.valid.eq(self.completed != 0),
            read.eq(self.groups.valid & self.groups.ready),
            Value.cast(self.groups.payload).eq(Mux(self.reading, self.counts[1], self.counts[0])),
        ]
        m.d.sync += [
            self.filling.eq(self.filling ^ self.closes),
            completing.eq(completing ^ self.complete),
            self.reading.eq(self.reading ^ read),
            self.taken.eq(self.taken + self.opens - read),
            self.completed.eq(self.completed + self.complete - read),
        ]
        for bank, count in enumerate(self.counts):
            with m.If(self.complete & (completing == bank)):
                m.d.sync += count.eq(self.last + 1)
        return m
