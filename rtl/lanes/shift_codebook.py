"""The shared codebook of `shift_add`: levels as shifts of one and of the odd factor."""

from amaranth.hdl import Array, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ..arch.arch import Arch
from ..layouts.payloads import codebook_layout


def shift_width(arch: Arch) -> int:
    """Bits of a shift amount."""
    return max(1, (arch.level_width - 1).bit_length())


def entry_layout(arch: Arch) -> data.StructLayout:
    """A level as a shift: +-2^shift, times the layer's factor when odd; present: not 0."""
    return data.StructLayout(
        {
            "present": unsigned(1),
            "negative": unsigned(1),
            "odd": unsigned(1),
            "shift": unsigned(shift_width(arch)),
        }
    )


def entries_layout(arch: Arch) -> data.ArrayLayout:
    """One entry per code."""
    return data.ArrayLayout(entry_layout(arch), 1 << arch.weight_width)


class ShiftCodebook(wiring.Component):
    """Registers of the shared codebook: levels come in, shifts and the odd factor are kept.

    Latency: 1 cycle from a level to its entry. Throughput: a level per cycle.

    Members
    -------
    levels : `codebook_layout`. entries : `entries_layout`. factor : the odd part of the last level
    that has one other than 1; all levels of a codebook share it (`shift_factor`).
    """

    def __init__(self, arch: Arch) -> None:
        self.arch = arch
        super().__init__(
            {
                "levels": In(stream.Signature(codebook_layout(arch), always_ready=True)),
                "entries": Out(entries_layout(arch)),
                "factor": Out(arch.level_width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        arch, level = self.arch, self.levels.payload.level
        magnitude, rest = Signal(arch.level_width), Signal(arch.level_width)
        entry = Signal(entry_layout(arch))
        m.d.comb += magnitude.eq(Mux(level < 0, -level, level))
        for shift in reversed(range(arch.level_width)):
            with m.If(magnitude[shift]):  # a later, lower one overrides
                m.d.comb += entry.shift.eq(shift)
        m.d.comb += [
            rest.eq(magnitude >> entry.shift),
            entry.present.eq(magnitude != 0),
            entry.negative.eq(level < 0),
            entry.odd.eq(entry.present & (rest != 1)),
        ]
        with m.If(self.levels.valid):
            m.d.sync += Array(self.entries)[self.levels.payload.code].eq(entry)
            with m.If(entry.odd):
                m.d.sync += self.factor.eq(rest)
        return m
