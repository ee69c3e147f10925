"""Beat steps: the digits of the beat in the operand registers, one per cycle, then the final
cycles; and the control signals of the columns."""

from dataclasses import dataclass, field

from amaranth.hdl import Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..timing.schedule import schedule_widths


@dataclass(kw_only=True, eq=False)
class Control:
    """The operand stage: it takes a beat when `take` and `load`.

    adds: a term enters the sum in this cycle; starts, ends: it is the sum's first, last.
    """

    advance: Value
    take: Value
    load: Value
    adds: Signal = field(default_factory=lambda: Signal(name="adds"))
    starts: Signal = field(default_factory=lambda: Signal(name="starts"))
    ends: Signal = field(default_factory=lambda: Signal(name="ends"))
    digit: Value = field(default_factory=lambda: Const(0))
    """Activation digit of this cycle."""
    built: Signal = field(default_factory=lambda: Signal(name="built", init=1))
    """Beats may come: the tables of the lanes are those of this layer."""


class BeatSteps(wiring.Component):
    """Paces an array whose beats take several cycles; one copy for all columns.

    A beat taken in cycle t is in the operand registers from t + 1 on, for act_digits * level_digits
    cycles (activation digits innermost) and for final_cycles more when it is the last of its sum.
    What it adds to the sum leaves the operand stage in each of these cycles; in lanes that have
    final cycles, only in those.

    Members
    -------
    act_digits, level_digits, final_cycles : of the layer (`Schedule`), constant while it runs.
    advance : the array advances. valid, first, last : the beat offered. free : it is accepted.
    act_digit, level_digit : of this cycle. top : the level digit is the highest, it has the sign.
    working : in a digit's cycle. final : in final cycle `bin`.
    adds : something enters the sum; starts, ends : it is the sum's first, last.
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        widths = schedule_widths(arch)
        self.lanes = arch.lanes  # a digit that is always the only one has no counter
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
        m, lanes = Module(), self.lanes
        occupied, first, last = self.registers.values()
        act_end, digits_end, beat_end = Signal(), Signal(), Signal()
        m.d.comb += [
            self.working.eq(occupied & ~self.final),
            self.top.eq(self.level_digit + 1 == self.level_digits if lanes.level_digits else 1),
            act_end.eq(self.act_digit + 1 == self.act_digits if lanes.act_digits else 1),
            digits_end.eq(act_end & self.top),
            self.free.eq(~occupied | beat_end),
        ]
        with m.If(self.advance):
            with m.If(self.working):
                if lanes.act_digits:
                    m.d.sync += self.act_digit.eq(Mux(act_end, 0, self.act_digit + 1))
                if lanes.level_digits:
                    with m.If(act_end):
                        m.d.sync += self.level_digit.eq(Mux(self.top, 0, self.level_digit + 1))
            with m.If(self.free):
                m.d.sync += [occupied.eq(self.valid), first.eq(self.first), last.eq(self.last)]
        if lanes.final_cycles:
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


def digit_controls(
    m: Module, array: wiring.Component, steps: BeatSteps, control: Control
) -> dict[str, Value]:
    """Connect the steps to the array; the columns' controls of the current digit, by port."""
    beat, taken = array.beats.payload, Signal(name="take")
    m.d.comb += [
        *(getattr(steps, n).eq(getattr(array.work, n)) for n in array.work.shape().members),
        steps.advance.eq(control.advance),
        steps.valid.eq(array.beats.valid & control.built),
        steps.first.eq(beat.first),
        steps.last.eq(beat.last),
        taken.eq(control.advance & steps.free),
        array.beats.ready.eq(taken & control.built),
        *(getattr(control, name).eq(getattr(steps, name)) for name in ("adds", "starts", "ends")),
    ]
    control.take, control.load, control.digit = taken, steps.valid, steps.act_digit
    names = ("act_digit", "level_digit", "top", "working", "final", "bin")
    controls = {name: getattr(steps, name) for name in names}
    controls |= {"take": taken, "top_bin": steps.ends}
    shift = array.arch.lanes.shift(array.arch, steps)
    if shift is not None:
        controls["shift"] = _beside(m, control, shift)
    return controls


def _beside(m: Module, control: Control, value: Value) -> Value:
    """`value` of the operand stage, delayed until its term is in the tree sum."""
    stages = [Signal(len(value), name=f"shift_{i}") for i in range(2)]
    with m.If(control.advance):
        m.d.sync += [new.eq(old) for new, old in zip(stages, [value, *stages], strict=False)]
    return stages[-1]
