"""Loader: rows of the memories from words that a host writes, and whether the program is whole."""

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.ports import (
    TARGET_WIDTH,
    Target,
    descriptor_layout,
    load_layout,
    target_rows,
)
from ..arch.arch import Arch
from .registers import WORD, load_words


class Loader(wiring.Component):
    """Words shift in from the top; the last one of a row loads it, in the next cycle.

    The host port ensures that nothing is written during a run, that TARGET is `known` and that
    no word of a row `beyond` the memory is written. Throughput: a word every 2 cycles.

    Members
    -------
    value : the word written; set_target, set_row, set_data : its register.
    target, row : the registers. known : `value` is a memory's number. beyond : it has no such row.
    load : of the accelerator. loaded : descriptors 0 to n came in this order, n with its final bit.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "value": In(WORD),
                **{f"set_{name}": In(1) for name in ("target", "row", "data")},
                "target": Out(TARGET_WIDTH),
                "row": Out(WORD),
                "known": Out(1),
                "beyond": Out(1),
                "load": Out(stream.Signature(load_layout(arch), always_ready=True)),
                "loaded": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        words = load_words(self.arch)
        longest = max(words.values())
        shifted, row = Signal(longest * WORD), Signal(longest * WORD)
        count, needed = Signal(range(longest + 1)), Signal(range(longest + 1))
        with m.Switch(self.value), m.Case(*words):
            m.d.comb += self.known.eq(1)
        with m.Switch(self.target):
            for target, rows in target_rows(self.arch).items():
                with m.Case(target):
                    m.d.comb += [
                        needed.eq(words[target]),
                        row.eq(shifted[(longest - words[target]) * WORD :]),
                        self.beyond.eq(self.row >= rows),
                    ]
        m.d.sync += self.load.valid.eq(0)
        with m.If(self.load.valid):
            m.d.sync += self.row.eq(self.row + 1)
        with m.If(self.set_target):
            m.d.sync += [self.target.eq(self.value), count.eq(0)]
        with m.If(self.set_row):
            m.d.sync += [self.row.eq(self.value), count.eq(0)]
        with m.If(self.set_data):
            m.d.sync += [shifted.eq(Cat(shifted[WORD:], self.value)), count.eq(count + 1)]
            with m.If(count + 1 == needed):
                m.d.sync += [count.eq(0), self.load.valid.eq(1)]
        m.d.comb += self.load.payload.eq(Cat(self.target, self.row[: self._row_width()], row))
        self._follow(m, row[descriptor_layout(self.arch)["final"].offset])
        return m

    def _row_width(self) -> int:
        return int(load_layout(self.arch)["row"].width)

    def _follow(self, m: Module, final: Value) -> None:
        """Descriptors written in order, up to the last one."""
        written = Signal(range(self.arch.storage.passes + 1))
        with m.If(self.load.valid & (self.target == Target.PASSES)):
            with m.If(self.row == 0):  # a program begins, without the rest of another one
                m.d.sync += [written.eq(1), self.loaded.eq(final)]
            with m.Elif(~self.loaded & (self.row == written)):
                m.d.sync += [written.eq(written + 1), self.loaded.eq(final)]
            with m.Elif(self.row + 1 == written):  # the last one is written again
                m.d.sync += self.loaded.eq(final)
