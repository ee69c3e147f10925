"""What the lanes of each micro-architecture do: the events that stand where `decode` multiplies."""

from dataclasses import dataclass
from typing import Any

from ...rtl.arch.arch import Arch, Micro
from ...rtl.lanes.product_table import product_width
from ...rtl.lanes.shift_add import entry_layout
from ...rtl.timing.elementwise import bit_length, most, real
from ...rtl.timing.schedule import Schedule, bin_count, table_build_cycles, table_slice


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneLoad:
    """What a layer asks of the lanes for one image."""

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


@dataclass(frozen=True, kw_only=True, slots=True)
class Adders:
    """The tree and accumulator: bits of a term, trees at work, and how often per image."""

    width: Any
    trees: int
    tree_cycles: int
    """Cycles in which a used column's tree works, per beat; 0: only in the final cycles."""


def adders(arch: Arch, load: LaneLoad) -> Adders:
    """How wide the terms are and how often they are added."""
    match arch.micro:
        case Micro.DECODE | Micro.UNIFORM:
            return Adders(width=load.act_width + load.level_width, trees=1, tree_cycles=1)
        case Micro.BIT_SERIAL:
            return Adders(width=load.level_width, trees=1, tree_cycles=load.work.beat_cycles)
        case Micro.PRODUCT_TABLE:
            return Adders(width=product_width(arch), trees=1, tree_cycles=load.work.beat_cycles)
        case Micro.BINNED:
            return Adders(width=arch.bin_width, trees=1, tree_cycles=0)
        case Micro.SHIFT_ADD:
            width = load.act_width + load.level_width
            trees = 1 + (load.factor > 1)
            return Adders(width=width, trees=trees, tree_cycles=load.work.beat_cycles)


def lane_counts(arch: Arch, load: LaneLoad) -> dict[str, Any]:
    """Events of the lanes and of what ends a sum; trees and accumulators are counted apart."""
    match arch.micro:
        case Micro.DECODE | Micro.UNIFORM:
            bits = load.act_width * load.level_width
            counts = {
                "multiply_bit2": load.active * bits,
                "multiply_zero_act_bit2": (load.ungated - load.active) * bits,
            }
        case Micro.BIT_SERIAL:
            counts = _bit_serial(load)
        case Micro.PRODUCT_TABLE:
            counts = _product_table(arch, load)
        case Micro.BINNED:
            counts = _binned(arch, load)
        case Micro.SHIFT_ADD:
            counts = _shift_add(arch, load)
    looks_up = Micro.DECODE, Micro.BIT_SERIAL, Micro.SHIFT_ADD
    if load.codes is not None and arch.micro in looks_up:
        shifts = arch.micro is Micro.SHIFT_ADD
        entry = entry_layout(arch).size if shifts else load.level_width
        counts["lookup_mux_bit"] = load.ungated * ((1 << load.codes) - 1) * entry
    return counts


def _bit_serial(load: LaneLoad) -> dict[str, Any]:
    cycles = load.work.beat_cycles
    return {
        "and_bit": load.ungated * cycles * load.level_width,
        "shift_mux_bit": real(load.column_beats * cycles * _stages(cycles) * load.acc_width),
    }


def _product_table(arch: Arch, load: LaneLoad) -> dict[str, Any]:
    """A row's digit selects its word of the layer's products, a lane one of the word's with its
    code."""
    codes, words = 1 << (load.codes or arch.weight_width), 1 << table_slice(arch)
    cycles, width = load.work.beat_cycles, product_width(arch)
    shifts = load.column_beats * cycles * _stages(cycles) * load.acc_width
    return {
        "word_mux_bit": real(load.beats * arch.rows * cycles * (words - 1) * codes * width),
        "product_mux_bit": load.ungated * cycles * (codes - 1) * width,
        "shift_mux_bit": real(shifts),
    }


def table_build(arch: Arch, passes: Any) -> dict[str, Any]:
    """`product_table` builds its table in every pass, also in those that do not use it."""
    if arch.micro is not Micro.PRODUCT_TABLE:
        return {}
    built = real(passes * table_build_cycles(arch) * product_width(arch)) * (1 << arch.weight_width)
    return {
        "table_build_add_bit": built,
        "table_build_register_bit": 2.0 * built,  # the word, and the newest one
    }


def _binned(arch: Arch, load: LaneLoad) -> dict[str, Any]:
    """Additions into bins; then every bin of every used lane leaves, is cleared and multiplied."""
    width, choices = arch.bin_width, bin_count(arch) - 1
    left = load.sums * load.work.final_cycles
    share = load.active / load.ungated if load.ungated else 0.0
    total = width + bit_length(most(0, load.lanes - 1))
    return {
        "bin_add_bit": load.set_bits * share * width,
        "bin_register_bit": (load.set_bits + left * load.lanes) * width,
        "bin_mux_bit": (load.set_bits + left * load.lanes) * choices * width,
        "multiply_bit2": real(left * total * load.level_width),
    }


def _shift_add(arch: Arch, load: LaneLoad) -> dict[str, float]:
    """Shifter and sign of the ungated lanes; the combination once per sum."""
    width = load.act_width + load.level_width
    stages = _stages(load.level_width) + 1  # the sign is one more
    counts = {
        "shift_mux_bit": load.ungated * load.work.beat_cycles * stages * width,
        "combine_add_bit": float(load.sums * load.acc_width),
        "combine_register_bit": float(load.sums * load.acc_width),
    }
    if load.factor > 1:
        counts["multiply_bit2"] = float(load.sums * load.factor.bit_length() * load.acc_width)
    return counts


def _stages(choices: int) -> int:
    """Stages of a shifter with so many amounts."""
    return max(0, choices - 1).bit_length()
