"""RowUnpacker: beats of external memory to rows of the load port."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator.ports import Target, load_layout
from ..arch.arch import Arch
from ..layouts.jobs import (
    JOB_ROW_WIDTH,
    JOB_TARGET_WIDTH,
    Slot,
    external_of,
    slot_number_width,
)
from .slots import transfer_slots


class RowUnpacker(wiring.Component):
    """Rows narrower than a beat one after the other, wider ones when their last beat has come.

    Latency: a beat's first row is loaded in the next cycle. Throughput: a beat or row per cycle.

    Members
    -------
    begin : in this cycle target, slot, row and rows are those of the next job.
    beats : from external memory. load : rows. finished : the job's last row is loaded.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "begin": In(1),
                "target": In(JOB_TARGET_WIDTH),
                "slot": In(slot_number_width(arch)),
                "row": In(JOB_ROW_WIDTH),
                "rows": In(JOB_ROW_WIDTH),
                "beats": In(stream.Signature(unsigned(external_of(arch).bus_width))),
                "load": Out(stream.Signature(load_layout(arch), always_ready=True)),
                "finished": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        slots = transfer_slots(self.arch)
        bus, longest = external_of(self.arch).bus_width, max(s.beats for s in slots.values())
        shifted, count = Signal(longest * bus), Signal(range(longest + 1))
        self.target_now, number = Signal.like(self.target), Signal.like(self.row)
        left, slot = Signal.like(self.rows), Signal.like(self.slot)
        have, last, taken = Signal(), Signal(), Signal()
        needed, last_slot = Signal.like(count), Signal.like(slot)
        self.registers = {  # for proofs
            "number": number, "left": left, "slot": slot, "have": have, "count": count,
            "shifted": shifted,
        }  # fmt: skip
        bits = Signal(self.load.payload.data.shape())
        with m.Switch(self.target_now):
            for target, place in slots.items():
                with m.Case(target):
                    m.d.comb += [
                        needed.eq(place.beats),
                        last_slot.eq(place.per_beat - 1),
                        bits.eq(self._row(shifted, place, slot)),
                    ]
        m.d.comb += [
            last.eq((slot == last_slot) | (left == 1)),
            self.beats.ready.eq(~have | last),
            taken.eq(self.beats.valid & self.beats.ready),
            self.load.valid.eq(have),
            self.load.payload.data.eq(bits),
            self.finished.eq(have & (left == 1)),
        ]
        self._place(m, number)
        with m.If(have):
            m.d.sync += [number.eq(number + 1), left.eq(left - 1), slot.eq(slot + 1)]
            with m.If(last):
                m.d.sync += [have.eq(0), slot.eq(0)]
        with m.If(taken):
            m.d.sync += [shifted.eq(Cat(shifted[bus:], self.beats.payload)), count.eq(count + 1)]
            with m.If(count + 1 == needed):
                m.d.sync += [have.eq(1), count.eq(0)]
        with m.If(self.begin):
            m.d.sync += [
                self.target_now.eq(self.target),
                slot.eq(self.slot),
                number.eq(self.row),
                left.eq(self.rows),
                count.eq(0),
                have.eq(0),
            ]
        return m

    def _row(self, shifted: Value, place: Slot, slot: Value) -> Value:
        """The row in the beats that came last."""
        recent = shifted[len(shifted) - place.beats * external_of(self.arch).bus_width :]
        if place.per_beat > 1:
            recent = recent.word_select(slot[: (place.per_beat - 1).bit_length()], place.bits)
        return recent[: place.width]

    def _place(self, m: Module, number: Value) -> None:
        """Target and row of the load port; weights are counted in planes."""
        banks = (self.arch.plane_banks - 1).bit_length()
        weights = self.target_now == Target.WEIGHTS
        payload = self.load.payload
        m.d.comb += [
            payload.target.eq(Mux(weights, Target.WEIGHTS + number[:banks], self.target_now)),
            payload.row.eq(Mux(weights, number[banks:], number)),
        ]
