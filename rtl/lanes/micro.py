"""`Micro`: all that is to be known of a micro-architecture, in one object.

How a lane turns a weight field into a product decides the hardware of a column, its cycles, the
order of its arithmetic, its area, its events and what it needs of a program. Generators and models
ask the object that `Arch.micro` names (`Arch.lanes`); none of them contains a name.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from amaranth.hdl import Module, Value
from amaranth.lib import wiring

from ...spec.errors import InputError
from ...spec.formats import Int64Array
from ...spec.program import SizedNetwork
from ..arch.arch import Arch, Need
from ..arch.registry import BASELINE
from ..timing.schedule import Schedule
from .beat_steps import BeatSteps, Control
from .column import Column, codebook_levels
from .held import HeldColumn
from .held_toggles import HeldCycles, multiplied
from .terms import Adders, LaneLoad, Parts, level_book_bits
from .toggles import TOGGLES, Beats, Coded, Codes, levels_of, mask, multiplier_toggles

if TYPE_CHECKING:
    from .lookup_mac import LookupMac


class Micro(ABC):
    """A micro-architecture. Abstract members have no answer that holds for most of them.

    Arch may have vectors for rows, cols and bin_width wherever a result is `Any`.
    """

    name: ClassVar[str]
    """As `Arch.micro`, files and commands spell it."""
    marker: ClassVar[str] = "o"
    colour: ClassVar[str] = "#000000"
    """In plots."""

    def narrowed(self, arch: Arch) -> "Micro":
        """These lanes with multipliers of `Arch.multiply_width` bits, fewer than levels have."""
        raise InputError(
            f"Arch micro must be {BASELINE} where multiply_width is below level_width, "
            f"not {self.name}"
        )

    # -- a program ---------------------------------------------------------------------------------

    stores_levels: ClassVar[bool] = False
    """Weight fields are always levels: there is no codebook, whatever its width."""

    def check(self, program: SizedNetwork) -> None:
        """Refuse a program that these lanes cannot run at any size."""
        return

    def needs(self, program: SizedNetwork, *, rows: int, cols: int) -> Iterator[Need]:
        """What an array of that size must have beyond the widths of the program."""
        return iter(())

    least: ClassVar[dict[str, int]] = {}
    """Parameters of `Arch` that only these lanes have, at their least values."""

    # -- time --------------------------------------------------------------------------------------

    act_digits: ClassVar[bool] = False
    """Activations are taken digit by digit."""
    level_digits: ClassVar[bool] = False
    """Stored levels are taken digit by digit."""
    final_cycles: ClassVar[bool] = False
    """Something follows the last beat of a sum, and only that enters the tree."""
    combine_cycles: ClassVar[int] = 0
    """Accumulators -> result."""

    @property
    def single_cycle(self) -> bool:
        """Every layer takes one cycle per beat."""
        return not (self.act_digits or self.level_digits or self.final_cycles)

    @abstractmethod
    def schedule(
        self, arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
    ) -> Schedule:
        """Schedule of a layer that reads codes of `act_width` bits.

        level_width: bits of its stored levels, None when the weights are codes of a codebook of
        `levels` levels.
        """

    def build_cycles(self, arch: Arch) -> int:
        """Cycles from a configuration until what the lanes look up is built."""
        return 0

    # -- hardware ----------------------------------------------------------------------------------

    column: ClassVar[type[Column]]
    """One output channel's dot product."""

    def tables(self, m: Module, array: wiring.Component, control: Control) -> dict[str, Value]:
        """What the columns look up, by port: the registers of the codebook's levels."""
        return {"codebook": codebook_levels(m, array)}

    def shift(self, arch: Arch, steps: BeatSteps) -> Value | None:
        """Places by which the tree sum of a digit is shifted; None where it is not."""
        return None

    # -- hardware that holds weights ---------------------------------------------------------------

    held_column: ClassVar[type[HeldColumn] | None] = None
    """One output channel's sums where `Arch.hold` is above 1; None: not for such lanes."""

    def holding(self, arch: Arch) -> type[HeldColumn]:
        """`held_column`; refuse an Arch that asks for what these lanes cannot do."""
        if self.held_column is None:
            raise InputError(f"Arch hold must be 1 for {self.name} lanes, not {arch.hold}")
        return self.held_column

    def held_width(self, arch: Arch) -> int:
        """Bits that a lane holds of a weight field: a level."""
        return arch.level_width

    def held_value(self, array: wiring.Component, tables: dict[str, Value], field: Value) -> Value:
        """What a lane holds of `field`, looked up before it enters the station.

        tables: of `tables`.
        """
        return field[: array.arch.level_width]

    def held_term(self, arch: Arch) -> tuple[int, int]:
        """Bits of the register of a lane's term, and of those before it."""
        return arch.level_width + arch.act_width, 0

    # -- answer ------------------------------------------------------------------------------------

    @abstractmethod
    def compute(self, mac: "LookupMac", activations: Int64Array, fields: Int64Array) -> int:
        """The sum of the beats (depth, rows), in the order of the hardware."""

    # -- flip-flops --------------------------------------------------------------------------------

    @abstractmethod
    def lane_bits(self, arch: Arch) -> Any:
        """Operand registers, their valid flag, and the lane's result."""

    @abstractmethod
    def column_bits(self, arch: Arch) -> Any:
        """Tree sums, accumulators, and what else a column has once."""

    def table_bits(self, arch: Arch) -> Any:
        """What all columns look up."""
        return level_book_bits(arch)

    def shift_bits(self, arch: Arch) -> int:
        """Bits of `shift`."""
        return 0

    # -- area and events ---------------------------------------------------------------------------

    @abstractmethod
    def area(self, arch: Arch) -> Parts:
        """Lanes, adder trees, accumulators with the drain, and the tables that the lanes share."""

    bitwise_levels: ClassVar[bool] = False
    """A stored level costs an addition for each of its bits that is 1."""

    @abstractmethod
    def adders(self, arch: Arch, load: LaneLoad) -> Adders:
        """How wide the terms are and how often they are added."""

    @abstractmethod
    def events(self, arch: Arch, load: LaneLoad) -> dict[str, Any]:
        """Events of the lanes and of the end of a sum; trees and accumulators are counted apart."""

    def pass_events(self, arch: Arch, passes: Any) -> dict[str, Any]:
        """Events of so many passes, whatever the layer."""
        return {}

    # -- toggles -----------------------------------------------------------------------------------

    toggle_names: ClassVar[tuple[str, ...]] = TOGGLES

    def toggles(self, arch: Arch, stream: Beats) -> dict[str, float]:
        """The numbers of `toggle_names` for the whole stream, all lanes together.

        Those of a multiplier describe the operands of every lane; the fit of the gate model finds
        what each is worth.
        """
        return multiplier_toggles(arch, stream)

    def held_cycles(
        self, arch: Arch, layer: Coded, activations: Codes, fields: Codes
    ) -> HeldCycles:
        """What lanes that hold weights compute in the cycles of beats: (N, rows) activations, and
        the fields (N, cols, rows) at work in each. Those of a multiplier."""
        return multiplied(arch, layer, activations, fields)

    def held_bits(self, arch: Arch, layer: Coded, fields: Codes) -> Codes:
        """Bits of `held_value` of fields: of levels."""
        return levels_of(layer, fields) & mask(arch.level_width)

    def followed_cycles(self, beat_cycles: int) -> int:
        """Cycles of a beat that `toggles` follows one by one."""
        return 1
