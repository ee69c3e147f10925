"""Result gate: results leave through a register, as frames that are always closed."""

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.ports import result_layout
from ..arch.arch import Arch

RESULT_WIDTH = 32


def frame_layout() -> data.StructLayout:
    """A result; last: of its image; cut: it is no result and closes the frame of an ended run."""
    return data.StructLayout(
        {"code": signed(RESULT_WIDTH), "last": unsigned(1), "cut": unsigned(1)}
    )


class ResultGate(wiring.Component):
    """An offered result stays until it is accepted, also when its run ends before.

    Latency: 1 cycle. Throughput: 1 result per cycle.

    Members
    -------
    results : `result_layout`, of the accelerator. frames : `frame_layout`, to outside.
    stop : the run ends, no result is accepted; if some of its results came, but not the last, a
    transfer with `last` and `cut` follows them.
    """

    def __init__(self, arch: Arch) -> None:
        super().__init__(
            {
                "results": In(stream.Signature(result_layout(arch))),
                "frames": Out(stream.Signature(frame_layout())),
                "stop": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        results, frames = self.results, self.frames
        begun, closing, free = Signal(), Signal(), Signal()
        self.registers = {"begun": begun, "closing": closing}  # for proofs
        m.d.comb += [
            free.eq(~frames.valid | frames.ready),
            results.ready.eq(free & ~closing & ~self.stop),
        ]
        with m.If(free):
            m.d.sync += frames.valid.eq(0)
        with m.If(results.valid & results.ready):
            m.d.sync += [
                frames.valid.eq(1),
                frames.payload.code.eq(results.payload.code),
                frames.payload.last.eq(results.payload.last),
                frames.payload.cut.eq(0),
                begun.eq(~results.payload.last),
            ]
        with m.If(self.stop & begun):
            m.d.sync += [closing.eq(1), begun.eq(0)]
        with m.If(free & closing):
            m.d.sync += [
                frames.valid.eq(1),
                frames.payload.code.eq(0),
                frames.payload.last.eq(1),
                frames.payload.cut.eq(1),
                closing.eq(0),
            ]
        return m
