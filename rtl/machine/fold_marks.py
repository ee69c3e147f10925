"""Marks of the codes with which words of stored pixels begin, in a ring of `rows` codes."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.held import FOLD_WORDS, fold_layout
from .rounds import Rounds


class FoldMarks(wiring.Component):
    """Which words are complete when a code has entered the chain of the last `rows` codes.

    The mark of a code has bit w where word w of a pixel begins with it; `rows` codes later word
    w + 1 begins. Of an image that is not folded the pixels do not overlap and may have any number
    of words: bit 0 says that a word begins, bit 1 that it is its pixel's last.

    Latency: 0. Throughput: a code per cycle (`shift`).

    Members
    -------
    fold : `fold_layout`, constant while active. plain : the image is not folded. setup : begin.
    shift : a code enters. begins : a stored pixel begins with it. complete : mark of the first of
    the last `rows` codes, that which enters included.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "fold": In(fold_layout(arch)),
                "plain": In(1),
                "setup": In(1),
                "shift": In(1),
                "begins": In(1),
                "complete": Out(FOLD_WORDS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rows = self.arch.rows
        old, new = Signal(FOLD_WORDS), Signal(FOLD_WORDS)  # of the code before the chain; entering
        words = Rounds("word", self.fold.words)
        goes_on = self.begins | old[0]
        final = Mux(self.begins, self.fold.words == 1, words.left == 2)
        m.d.comb += new.eq((old << 1) & ((1 << self.fold.words[:4]) - 1) | self.begins)
        with m.If(self.plain):
            m.d.comb += new.eq(Mux(goes_on, Mux(final, 0b10, 0b01), 0))
        words.run(m, self.shift & self.begins, self.shift & old[0])
        with m.If(self.setup):
            m.d.sync += old.eq(0)
        with m.Elif(self.shift):
            m.d.sync += old.eq(self.complete)
        if rows == 1:
            m.d.comb += self.complete.eq(new)
            return m
        m.submodules.ring = ring = memory.Memory(shape=unsigned(FOLD_WORDS), depth=rows, init=[])
        read, write = ring.read_port(domain="comb"), ring.write_port()
        index, filled = Signal(range(rows)), Signal()
        following = Signal(range(rows), init=1)  # of the code after that which enters
        m.d.comb += [
            write.addr.eq(index),
            write.data.eq(new),
            write.en.eq(self.shift),
            read.addr.eq(following),
            self.complete.eq(Mux(filled | (following == 0), read.data, 0)),
        ]
        with m.If(self.setup):
            m.d.sync += [index.eq(0), following.eq(1), filled.eq(0)]
        with m.Elif(self.shift):
            m.d.sync += [index.eq(following), filled.eq(filled | (following == 0))]
            m.d.sync += following.eq(Mux(following == rows - 1, 0, following + 1))
        return m
