"""Beat steps: the digits of the beat in the operand registers, one per cycle, then the bins."""

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch, Micro
from ..timing.schedule import schedule_widths


class BeatSteps(wiring.Component):
    """Paces an array whose beats take several cycles; one copy for all columns.

    A beat taken in cycle t stands in the operand registers from t + 1 on, for
    act_digits * level_digits cycles (activation digits innermost) and, in a `binned` array, for
    final_cycles more when it is the last of its sum. What it adds to the sum leaves the operand
    stage in each of these cycles, in a `binned` array only in the final ones.

    Members
    -------
    act_digits, level_digits, final_cycles : of the layer (`Schedule`), constant while it runs.
    advance : the array moves. valid, first, last : the beat offered. free : it would be taken.
    act_digit, level_digit : of this cycle. top : the level digit is the highest, it has the sign.
    working : a digit is at work. final : bin `bin` is at work.
    adds : something enters the sum; starts, ends : it is the sum's first, last.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        widths = schedule_widths(arch)
        self.binned = arch.micro is Micro.BINNED
        # The other digit is always the only one (`schedule`): no counter for it.
        self.by_act = arch.micro in (Micro.BIT_SERIAL, Micro.PRODUCT_TABLE)
        self.by_level = arch.micro is not Micro.BIT_SERIAL
        # For proofs too.
        self.registers = {name: Signal(name=name) for name in ("occupied", "first", "last")}
        outputs = ("free", "top", "working", "final", "adds", "starts", "ends")
        super().__init__(
            {
                **{name: In(width) for name, width in widths.items()},
                **{name: In(1) for name in ("advance", "valid", "first", "last")},
                **{name: Out(1) for name in outputs},
                "act_digit": Out(widths["act_digits"]),
                "level_digit": Out(widths["level_digits"]),
                "bin": Out(widths["final_cycles"]),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        occupied, first, last = self.registers.values()
        act_end, digits_end, beat_end = Signal(), Signal(), Signal()
        m.d.comb += [
            self.working.eq(occupied & ~self.final),
            self.top.eq(self.level_digit + 1 == self.level_digits if self.by_level else 1),
            act_end.eq(self.act_digit + 1 == self.act_digits if self.by_act else 1),
            digits_end.eq(act_end & self.top),
            self.free.eq(~occupied | beat_end),
        ]
        with m.If(self.advance):
            with m.If(self.working):
                if self.by_act:
                    m.d.sync += self.act_digit.eq(Mux(act_end, 0, self.act_digit + 1))
                if self.by_level:
                    with m.If(act_end):
                        m.d.sync += self.level_digit.eq(Mux(self.top, 0, self.level_digit + 1))
            with m.If(self.free):
                m.d.sync += [occupied.eq(self.valid), first.eq(self.first), last.eq(self.last)]
        if self.binned:
            self._bins(m, digits_end, beat_end, last)
        else:
            begins = (self.act_digit == 0) & (self.level_digit == 0)
            m.d.comb += [
                beat_end.eq(digits_end),
                self.adds.eq(occupied),
                self.starts.eq(first & begins),
                self.ends.eq(last & digits_end),
            ]
        return m

    def _bins(self, m: Module, digits_end: Value, beat_end: Value, last: Value) -> None:
        """After the digits of a last beat, bin after bin."""
        bins_end = Signal()
        m.d.comb += [
            bins_end.eq(self.bin + 1 == self.final_cycles),
            beat_end.eq(Mux(self.final, bins_end, digits_end & ~last)),
            self.adds.eq(self.final),
            self.starts.eq(self.bin == 0),
            self.ends.eq(bins_end),
        ]
        with m.If(self.advance):
            with m.If(self.final):
                m.d.sync += self.bin.eq(self.bin + 1)
                with m.If(bins_end):
                    m.d.sync += [self.bin.eq(0), self.final.eq(0)]
            with m.Elif(self.working & digits_end & last):
                m.d.sync += self.final.eq(1)
