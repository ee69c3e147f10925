"""Max pool: the lane-wise largest code of a window of words."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from .activation_memory import word_layout
from .feeder import fed_layout


class MaxPool(wiring.Component):
    """`rows` maxima at once, a word of the window per cycle; words outside do not take part.

    Latency: 1 cycle from the window's last word. Throughput: 1 word per cycle, never waits.

    Members
    -------
    beats : `fed_layout`; only word, outside, first and last are used.
    codes_signed : codes are two's complement. words : `word_layout`, always taken.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "beats": In(stream.Signature(fed_layout(arch))),
                "codes_signed": In(1),
                "words": Out(stream.Signature(word_layout(arch), always_ready=True)),
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
        width = self.arch.storage.code_width
        beat = self.beats.payload
        lowest = Mux(self.codes_signed, Const(-1 << (width - 1), signed(width + 1)), 0)
        m.d.comb += self.beats.ready.eq(1)
        m.d.sync += self.words.valid.eq(self.beats.valid & beat.last)
        with m.If(self.beats.valid):
            for row, best in enumerate(self.words.payload):
                new = Signal(signed(width + 1), name=f"new_{row}")
                old = Signal(signed(width + 1), name=f"old_{row}")
                m.d.comb += [
                    new.eq(Mux(beat.outside, lowest, self._number(beat.word[row]))),
                    old.eq(Mux(beat.first, lowest, self._number(best))),
                ]
                m.d.sync += best.eq(Mux(new > old, new, old))
        return m

    def _number(self, stored: Value) -> Value:
        return Mux(self.codes_signed, stored.as_signed(), stored)
