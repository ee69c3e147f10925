"""Terms of the closed forms: what area and events of the micro-architectures have in common."""

from dataclasses import dataclass
from typing import Any

from ..arch.arch import Arch
from ..timing.elementwise import bit_length, least, most, tree_add_bits
from ..timing.schedule import Schedule

Parts = dict[str, dict[str, Any]]
"""Component -> entry of the technology -> bits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneLoad:
    """A layer's work for the lanes, one image."""

    work: Schedule
    act_width: int
    level_width: int
    acc_width: int
    codes: int | None
    """Bits of the codes that are looked up; None when the fields are levels."""
    ungated: float
    """MACs whose field is not 0."""
    active: float
    """Those with neither level nor activation 0."""
    set_bits: float
    """Additions of the ungated MACs where levels are taken bit by bit; else the same as ungated."""
    beats: Any
    sums: int
    """Results of used columns."""
    column_beats: Any
    """Beats of used columns."""
    lanes: Any
    """Used lanes of a column."""
    factor: int = 1
    """Odd factor of the codebook, 1 without one."""
    lookups: float | None = None
    """Fields that are looked up; None: one per ungated MAC."""

    def looked_up(self, entry: int) -> dict[str, Any]:
        """A lane's selection of an entry of so many bits with its code."""
        if self.codes is None:
            return {}
        lookups = self.ungated if self.lookups is None else self.lookups
        return {"lookup_mux_bit": lookups * ((1 << self.codes) - 1) * entry}


@dataclass(frozen=True, kw_only=True, slots=True)
class Adders:
    """The tree and accumulator: bits of a term, trees in use, and how often per image."""

    width: Any
    trees: int = 1
    tree_cycles: int
    """Cycles in which a used column's tree adds, per beat; 0: only in the final cycles."""


def stages(choices: int) -> int:
    """Stages of a shifter with so many amounts."""
    return max(0, choices - 1).bit_length()


def tree_bits(arch: Arch, term: Any) -> Any:
    """Bits of a tree's registered sum of `rows` terms."""
    return least(term + bit_length(most(0, arch.rows - 1)), arch.acc_width)


def common_area(arch: Arch, term: int, lane_registers: int, *, trees: int = 1) -> Parts:
    """Registers of the lanes, trees over terms of `term` bits, accumulators."""
    lanes, tree = arch.rows * arch.cols, tree_add_bits(arch.rows, term, arch.acc_width)
    return {
        "lane registers": {"register_area": lanes * lane_registers},
        "adder trees": {"add_area": arch.cols * trees * tree},
        "accumulators and drain": {
            "add_area": arch.cols * trees * arch.acc_width,
            # tree sum and accumulator, drain
            "register_area": (2 * trees + 1) * arch.cols * arch.acc_width,
        },
    }


def lookup_area(arch: Arch, entry: int, book: int) -> Parts:
    """The shared codebook of `book` bits and the lanes' selection of an entry."""
    entries, lanes = 1 << arch.weight_width, arch.rows * arch.cols
    return {
        "lookup": {"mux_area": lanes * (entries - 1) * entry},
        "codebook registers": {"register_area": book},
    }


def level_book_bits(arch: Arch) -> int:
    """Registers of a codebook of levels; level 0 is 0 (contract section 2) and has none."""
    return ((1 << arch.weight_width) - 1) * arch.level_width
