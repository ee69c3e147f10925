"""Fold unit: stores an image as it comes, or every pixel with its neighbours to the right."""

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.activation_memory import word_layout, word_write_layout
from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.descriptor import COUNT_WIDTH
from ..layouts.held import FOLD_WORDS, chunk_walk_layout, fold_layout
from .fold_columns import FoldColumns
from .fold_marks import FoldMarks
from .fold_places import FoldPlaces
from .rounds import Rounds


class FoldUnit(wiring.Component):
    """Words of stored pixels out of the codes of an image, one code per cycle.

    The last `rows` codes of the padded lines are in a chain of registers; a word is written when
    the chain is that word. Where several words begin at one code, as pixels overlap, each of them
    is written, and the chain waits for all but the first. A last word that is not full is written
    when codes of the pixels behind it have moved it into its lanes.

    Latency: `fold_cycles`, from `setup` to `finished`. Throughput: a code of the padded lines per
    cycle, beside what waits.

    Members
    -------
    fold, walk : of the descriptor; of the walk only `write` counts. setup : begin in the next
    cycle, the pass before has ended. image : codes, pixel by pixel, channels innermost.
    image_last : the next code is the image's last one. address, enable, word : a port of bank 0 of
    the activation memory, for the padding codes. write : whole words, where `lanes` is not 0; codes
    that a pixel does not have are 0. finished : every code has come and every word is written.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "fold": In(fold_layout(arch)),
                "walk": In(chunk_walk_layout(arch)),
                "setup": In(1),
                "image": In(stream.Signature(unsigned(arch.storage.code_width))),
                "image_last": Out(1),
                "address": Out(address_width(arch.storage.activation_words)),
                "enable": Out(1),
                "word": In(word_layout(arch)),
                "write": Out(word_write_layout(arch)),
                "finished": Out(1, init=1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.columns = columns = FoldColumns(self.arch)
        m.submodules.marks = marks = FoldMarks(self.arch)
        m.submodules.places = places = FoldPlaces(self.arch)
        running, more, shift = Signal(), Signal(), Signal()  # more words wait than one
        written, plain = Signal(), Signal()
        m.d.comb += [
            columns.fold.eq(self.fold),
            columns.setup.eq(self.setup),
            columns.step.eq(shift),
            marks.fold.eq(self.fold),
            marks.plain.eq(plain),
            marks.setup.eq(self.setup),
            marks.shift.eq(shift),
            marks.begins.eq(columns.active & columns.begins),
            places.setup.eq(self.setup),
            self.image.ready.eq(running & ~more & columns.inside),
            self.image_last.eq(columns.active & columns.last),
            shift.eq(running & ~more & (~columns.inside | self.image.valid)),
        ]
        chain = self._chain(m, shift, columns)
        mark, following = Signal(FOLD_WORDS), Signal(FOLD_WORDS)  # words that the chain is
        number = Signal(range(FOLD_WORDS))  # of the lowest one, which is written
        self.registers = {  # for proofs
            "active": columns.active,
            "shift": shift,
            "mark": mark,
            "chain": chain,
            "complete": marks.complete,
            "more": more,
            "number": number,
            "running": running,
            "before": places.busy,
            "written": written,
        }
        fewer = mark & (mark - 1)
        m.d.comb += following.eq(Mux(shift, marks.complete, fewer))
        m.d.sync += [
            plain.eq(self.fold.columns == 1),  # constant from the cycle after setup on
            mark.eq(following),
            more.eq(Mux(shift, _several(marks.complete), _several(fewer))),
            places.number.eq(0),
        ]
        for bit in reversed(range(FOLD_WORDS)):
            with m.If(following[bit]):
                m.d.sync += [number.eq(bit), places.number.eq(Mux(plain, 0, bit))]
        self._write(m, places, mark.any(), number, plain, chain, written)
        with m.If(self.setup):
            m.d.sync += [self.finished.eq(0), running.eq(0), mark.eq(0), more.eq(0)]
        with m.Elif(places.ready):
            m.d.sync += running.eq(1)
        with m.Elif(written & ~columns.active):
            m.d.sync += [self.finished.eq(1), running.eq(0)]
        return m

    def _chain(self, m: Module, shift: Value, columns: FoldColumns) -> Value:
        """The last `rows` codes, the newest one in the highest lane."""
        padding, chain = Signal(word_layout(self.arch)), Signal(word_layout(self.arch))
        m.d.comb += [
            self.address.eq(self.fold.pad_base),
            self.enable.eq(self.setup & self.fold.pad_stored),
        ]
        code, fetch = Signal(self.arch.storage.code_width), Signal()
        m.d.sync += fetch.eq(self.setup)
        with m.If(fetch & self.fold.pad_stored):
            m.d.sync += padding.eq(self.word)
        with m.If(columns.inside):
            m.d.comb += code.eq(self.image.payload)
        with m.Elif(columns.active & self.fold.pad_stored):
            m.d.comb += code.eq(padding[columns.channel[: address_width(self.arch.rows)]])
        with m.If(shift):
            codes = [*(chain[row] for row in range(1, self.arch.rows)), code]
            m.d.sync += [chain[row].eq(new) for row, new in enumerate(codes)]
        return chain

    def _write(
        self, m: Module, places: FoldPlaces, taken: Value, number: Value, plain: Value,
        chain: Value, written: Value,
    ) -> None:  # fmt: skip
        """The word of that number where `taken`: its place and codes."""
        fold, write = self.fold, self.write
        behind, final = Signal(COUNT_WIDTH), Signal()  # words of the pixel before it; its last one
        lines = Rounds("written_line", fold.height)
        m.d.comb += [
            final.eq(Mux(plain, number == 1, number + 1 == fold.words)),
            places.place.eq(self.walk.write),
            places.width.eq(fold.out_width),
            places.step.eq(taken & (final | ~plain)),
            write.banks.eq(self.walk.write.banks),
            write.address.eq(places.address + Mux(plain, behind, number)),
            write.lanes.eq(Mux(taken, (1 << self.arch.rows) - 1, 0)),
        ]
        lines.run(m, self.setup, taken & final & places.line_end)
        for row in range(self.arch.rows):
            m.d.comb += write.word[row].eq(Mux(final & (fold.rest <= row), 0, chain[row]))
        with m.If(self.setup):
            m.d.sync += [behind.eq(0), written.eq(0)]
        with m.Elif(taken):
            m.d.sync += behind.eq(Mux(final, 0, behind + 1))
            with m.If(final & places.line_end & lines.end):
                m.d.sync += written.eq(1)


def _several(mask: Value) -> Value:
    """Whether more than one bit is set, by halves."""
    if len(mask) == 1:
        return Const(0)
    low, high = mask[: len(mask) // 2], mask[len(mask) // 2 :]
    return _several(low) | _several(high) | (low.any() & high.any())
