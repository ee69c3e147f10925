"""Bins: the sum that each collects, and its weight when it leaves."""

from amaranth.hdl import Array, Assert, Assume, Cover, Mux, Signal, signed

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.timing.schedule import bin_count

from .columns import OPERANDS, assume_inputs
from .multi_cycle import latched, port_list, steady
from .prover import Design


def binned(a: Arch) -> Design:
    """Any bin is the sum of the activations of its code; one that leaves adds its level times it.

    Bins are modulo 2^bin_width, which is exact because a bin is checked to hold its sum.
    """
    unit = a.lanes.column(a)
    m, rows, bins = unit.elaborate(None), range(a.rows), bin_count(a)
    steady(m, unit.bypass)
    assume_inputs(m, a, unit)
    m.d.comb += Assume((unit.bin < bins) & (unit.level_digit < a.level_width))
    m.d.comb += Assume(~unit.bypass | (unit.bin < a.level_width))
    field = latched(m, unit, [unit.weights[r] for r in rows], a.field_width, "field")
    act = latched(m, unit, [unit.activations[r] for r in rows], a.act_width, "act")
    which = Signal(range(bins), name="which")  # free: what holds for it holds for every bin
    steady(m, which)
    m.d.comb += Assume(which < bins)
    held = [Signal(a.bin_width, name=f"spec_bin_{r}") for r in rows]
    total = Signal.like(unit.total, name="spec_total")
    level, product = Signal.like(unit.level, name="spec_level"), Signal.like(unit.product)
    left = Signal(name="left")  # the last bin that left
    expected = Signal(signed(a.acc_width), name="expected")
    with m.If(unit.advance):
        for r in rows:
            bit = field[r].bit_select(which, 1) & (unit.level_digit == which)
            hit = Mux(unit.bypass, bit, field[r][: a.weight_width] == which + 1)
            with m.If(unit.final), m.If(unit.bin == which):
                m.d.sync += held[r].eq(0)
            with m.Elif(unit.working & hit):
                m.d.sync += held[r].eq(held[r] + act[r])
        with m.If(unit.final):
            one = Array(1 << bit for bit in range(a.level_width))[which]
            place = Mux(unit.top_bin, -one, one)[: a.level_width]
            codes = [unit.codebook[min(b + 1, len(unit.codebook) - 1)] for b in range(bins)]
            worth = Mux(unit.bypass, place.as_signed(), Array(codes)[which])
            m.d.sync += [total.eq(sum(held)), level.eq(worth), left.eq(unit.bin == which)]
        m.d.sync += product.eq(unit.total * unit.level)
        with m.If(unit.add):
            m.d.sync += expected.eq(Mux(unit.restart, 0, expected) + product)
    for r in rows:
        same = (unit.fields[r] == field[r]) & (unit.operands[r] == act[r])
        m.d.comb += Assert(~unit.live[r] | same)
        m.d.comb += Assert(unit.live[r] == (field[r] != 0))
        m.d.comb += Assert(unit.bypass | (field[r][a.weight_width :] == 0))
        m.d.comb += [Assert((which != b) | (unit.bins[r][b] == held[r])) for b in range(bins)]
    m.d.comb += [
        Assert(~left | ((unit.total == total) & (unit.level == level))),
        Assert(unit.product == product), Assert(unit.acc == expected),
        Cover(left & (expected < 0) & ~unit.advance & (total > 1)),
    ]  # fmt: skip
    controls = ("bypass", "advance", "take", "load", "level_digit", "bin", "working", "final")
    ports = port_list(unit, OPERANDS, controls)
    ports += [unit.top_bin, unit.add, unit.restart, which]
    return Design(module=m, ports=ports, shown=[unit.total, total, unit.acc, expected])
