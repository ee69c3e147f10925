"""Held feeder: reads activation words in the order of the group walker, one per cycle."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.activation_memory import BANKS, word_layout
from ..accelerator.feeder import fed_layout
from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.held import held_beat_layout, held_feed_layout
from ..timing.held_timing import feed_latency
from .group_walker import FLAGS, GroupWalker


class HeldFeeder(wiring.Component):
    """Walks the words of a pass: addresses, activation memory, padding.

    Stages: those of the walker, memory, beat. All stand while a beat is not taken. Padding that is
    not stored is not read. A bank has a register of its own, as a read of it takes a whole cycle.

    Latency: `feed_latency`, from `setup` to the first beat. Throughput: one per cycle.

    Members
    -------
    feed : of the descriptor. setup : begin in the next cycle, the pass before has ended.
    pooling : words go to the maximum instead of the array; constant while a pass runs.
    address, enable : reads of bank `feed.bank` of the activation memory. banks : the word read last
    from each bank, which stays until the bank is read again.
    beats : `held_beat_layout`. words : `fed_layout`.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        self.walker = GroupWalker(arch)
        super().__init__(
            {
                "feed": In(held_feed_layout(arch)),
                "setup": In(1),
                "pooling": In(1),
                "address": Out(address_width(arch.storage.activation_words)),
                "enable": Out(1),
                "banks": In(data.ArrayLayout(word_layout(arch), BANKS)),
                "beats": Out(stream.Signature(held_beat_layout(arch))),
                "words": Out(stream.Signature(fed_layout(arch))),
            }
        )

    @property
    def latency(self) -> int:
        return feed_latency(self.arch)

    @property
    def initiation_interval(self) -> int:
        return 1

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.walker = walker = self.walker
        beat, fed = self.beats.payload, self.words.payload
        advance, offered, read = Signal(), Signal(), Signal()
        blank = walker.outside & ~self.feed.pad_stored
        control = Cat(walker.outside, walker.slot, *(getattr(walker, name) for name in FLAGS))
        kept = Signal.like(control)
        kept_blank, blank_now, outside = Signal(), Signal(), Signal()
        self.registers = {"read": read, "offered": offered, "flags": kept}  # for proofs
        m.d.comb += [
            advance.eq(~offered | Mux(self.pooling, self.words.ready, self.beats.ready)),
            walker.feed.eq(self.feed),
            walker.setup.eq(self.setup),
            walker.step.eq(advance),
            self.address.eq(walker.address),
            self.enable.eq(advance & walker.active & ~blank),
            self.beats.valid.eq(offered & ~self.pooling),
            self.words.valid.eq(offered & self.pooling),
            *(code.eq(stored) for code, stored in zip(beat.activations, fed.word, strict=True)),
            fed.outside.eq(outside),
            fed.first.eq(beat.first),
            fed.last.eq(beat.last),
        ]
        with m.If(advance):
            m.d.sync += [Cat(read, offered).eq(Cat(walker.active, read))]
            m.d.sync += [kept.eq(control), kept_blank.eq(blank)]
            with m.If(read):
                m.d.sync += Cat(outside, beat.slot, *(getattr(beat, n) for n in FLAGS)).eq(kept)
                m.d.sync += blank_now.eq(kept_blank)
        words = self._words(m, advance & read & ~kept_blank)
        m.d.comb += [
            code.eq(Mux(blank_now, 0, Mux(self.feed.bank, two, one)))
            for code, one, two in zip(fed.word, *words, strict=True)
        ]
        return m

    def _words(self, m: Module, take: Value) -> list[data.View]:
        """Registers of the banks; only that of the bank that is read moves."""
        words = []
        for bank, read in enumerate(self.banks):
            word = Signal(word_layout(self.arch), name=f"word_of_{bank}")
            with m.If(take & (self.feed.bank == bank)):
                m.d.sync += word.eq(read)
            words.append(word)
        return words
