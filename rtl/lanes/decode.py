"""`decode`: codebook look-up, then a multiplier (EIE style)."""

from typing import Any

from amaranth.hdl import Mux, Value
from amaranth.lib import wiring

from ..arch.arch import Arch
from .column import looked_up
from .multiplying import MacColumn, Multiplying
from .terms import LaneLoad, Parts, level_book_bits, lookup_area


class DecodeColumn(MacColumn):
    """The low `weight_width` bits of a field select a level; bypassed, the field is one."""

    def level(self, weight: Value) -> Value:
        arch = self.arch
        stored = weight[: arch.level_width].as_signed()
        return Mux(self.bypass, stored, self.codebook[weight[: arch.weight_width]])


class Decode(Multiplying):
    """Codebook look-up, then a multiplier."""

    name = "decode"
    marker, colour = "o", "#0072B2"
    column = DecodeColumn

    def held_value(self, array: wiring.Component, tables: dict[str, Value], field: Value) -> Value:
        return looked_up(array, tables, field)

    def area(self, arch: Arch) -> Parts:
        return super().area(arch) | lookup_area(arch, arch.level_width, level_book_bits(arch))

    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        return super().events(arch, load) | load.looked_up(load.level_width)


MICRO = Decode()
