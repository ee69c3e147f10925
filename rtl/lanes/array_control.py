"""What a lane array does beside its columns when beats take several cycles."""

from dataclasses import dataclass, field

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring

from ..arch.arch import Micro
from ..timing.schedule import table_slice
from .beat_steps import BeatSteps
from .product_table import ProductTable, shift_width


@dataclass(kw_only=True, eq=False)
class Control:
    """The operand stage: it takes a beat when `take` and `load`.

    adds: something enters the sum in this cycle; starts, ends: it is the sum's first, last.
    """

    advance: Value
    take: Value
    load: Value
    adds: Signal = field(default_factory=lambda: Signal(name="adds"))
    starts: Signal = field(default_factory=lambda: Signal(name="starts"))
    ends: Signal = field(default_factory=lambda: Signal(name="ends"))
    digit: Value = field(default_factory=lambda: Const(0))
    """Activation digit at work."""
    built: Signal = field(default_factory=lambda: Signal(name="built", init=1))
    """Beats may come: the product table holds this layer's products."""


def digit_controls(
    m: Module, array: wiring.Component, steps: BeatSteps, control: Control
) -> dict[str, Value]:
    """Connect the steps: when beats are taken, and what the columns need to know of the digit."""
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
    match array.arch.micro:
        case Micro.BIT_SERIAL:
            controls["shift"] = _beside(m, control, steps.act_digit)
        case Micro.PRODUCT_TABLE:
            places = steps.act_digit * table_slice(array.arch)
            places += steps.level_digit * (array.arch.weight_width - 1)
            controls["shift"] = _beside(m, control, places[: shift_width(array.arch)])
    return controls


def _beside(m: Module, control: Control, value: Value) -> Value:
    """`value` of the operand stage when what it produced is in the tree sum."""
    stages = [Signal(len(value), name=f"shift_{i}") for i in range(2)]
    with m.If(control.advance):
        m.d.sync += [new.eq(old) for new, old in zip(stages, [value, *stages], strict=False)]
    return stages[-1]


def product_words(m: Module, array: wiring.Component, codebook: Value, control: Control) -> Value:
    """The table, and the registers of the rows' activations, whose digit selects their words."""
    arch = array.arch
    m.submodules.products = table = ProductTable(arch)
    m.d.comb += [
        table.codebook.eq(codebook),
        table.bypass.eq(array.bypass),
        table.start.eq(array.configured | array.codebook.valid),
        control.built.eq(table.built),
    ]
    for row, code in enumerate(array.beats.payload.activations):
        operand = Signal(arch.act_width, name=f"operand_{row}")
        with m.If(control.take & control.load):
            m.d.sync += operand.eq(code)
        m.d.comb += table.digits[row].eq(operand.word_select(control.digit, table_slice(arch)))
    return table.words
