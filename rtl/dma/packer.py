"""RowPacker: words of the activation memory to beats for external memory."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.activation_memory import word_layout
from ..accelerator.ports import Target
from ..arch.arch import Arch
from ..arch.storage import address_width
from ..layouts.jobs import JOB_ROW_WIDTH, external_of, slot_number_width
from ..layouts.memory_port import write_beat_layout
from .slots import transfer_slots


class RowPacker(wiring.Component):
    """Reads consecutive words and gives the beats they fill; bytes of no word are not written.

    Latency: a word is read in the cycle after `begin`, its (last) beat is offered 2 cycles later.
    Throughput: a word or a beat per cycle, whichever are more.

    Members
    -------
    begin : in this cycle slot, row and rows are those of the next job.
    read_address, read_enable, read_word : activation memory; the word of the last enable.
    writes : beats.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "begin": In(1),
                "slot": In(slot_number_width(arch)),
                "row": In(JOB_ROW_WIDTH),
                "rows": In(JOB_ROW_WIDTH),
                "read_address": Out(address_width(arch.storage.activation_words)),
                "read_enable": Out(1),
                "read_word": In(word_layout(arch)),
                "writes": Out(stream.Signature(write_beat_layout(arch))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place = transfer_slots(self.arch)[Target.ACTIVATIONS]
        number, unread, left = (Signal(JOB_ROW_WIDTH, name=n) for n in ("number", "unread", "left"))
        slot, part = Signal.like(self.slot), Signal(range(max(2, place.beats)))
        fetched, free, moved, used, full = (
            Signal(name=n) for n in ("fetched", "free", "moved", "used", "full")
        )
        self.registers = {  # for proofs
            "number": number, "unread": unread, "left": left, "slot": slot, "part": part,
            "fetched": fetched, "moved": moved, "used": used, "full": full,
        }  # fmt: skip
        m.d.comb += [
            free.eq(~full | self.writes.ready),
            moved.eq(fetched & free),
            used.eq(moved & (part == place.beats - 1)),
            self.read_address.eq(number),
            self.read_enable.eq((unread != 0) & (~fetched | used)),
            self.writes.valid.eq(full),
        ]
        with m.If(used):
            m.d.sync += [fetched.eq(0), left.eq(left - 1)]
        with m.If(self.read_enable):
            m.d.sync += [fetched.eq(1), number.eq(number + 1), unread.eq(unread - 1)]
        payload, word = self.writes.payload, self.read_word.as_value()
        with m.If(full & self.writes.ready):
            m.d.sync += [full.eq(0), payload.strobes.eq(0)]
        with m.If(moved):
            if place.beats > 1:
                bus = external_of(self.arch).bus_width
                padded = Cat(word, Const(0, place.bits - place.width))
                m.d.sync += [
                    payload.data.eq(padded.word_select(part, bus)),
                    payload.strobes.eq(~0),
                    part.eq(Mux(used, 0, part + 1)),
                    full.eq(1),
                ]
            else:
                last = (slot == place.per_beat - 1) | (left == 1)
                mask = ((1 << place.bytes) - 1) << (slot * place.bytes)
                kept = Mux(full, 0, payload.strobes)
                at = slot[: (place.per_beat - 1).bit_length()] if place.per_beat > 1 else 0
                m.d.sync += [
                    payload.data.word_select(at, place.bits).eq(word),
                    payload.strobes.eq(kept | mask),
                    slot.eq(Mux(last, 0, slot + 1)),
                    full.eq(last),
                ]
        with m.If(self.begin):
            m.d.sync += [
                number.eq(self.row),
                unread.eq(self.rows),
                left.eq(self.rows),
                slot.eq(self.slot),
                part.eq(0),
                fetched.eq(0),
                full.eq(0),
                payload.strobes.eq(0),
            ]
        return m
