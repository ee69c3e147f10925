"""Schedule: the cycles that the array works on one beat, and after the last beat of a sum."""

from dataclasses import dataclass

from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import SizedNetwork
from ..arch.arch import Arch, Micro
from .tables import codebook_of, stored_width


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A beat is worked on digit by digit: every digit of the activation for each of the level."""

    act_digits: int = 1
    level_digits: int = 1
    final_cycles: int = 0
    """After the last beat of a sum, before the next beat: `binned` multiplies its bins."""

    @property
    def beat_cycles(self) -> int:
        return self.act_digits * self.level_digits

    def group_cycles(self, depth: int) -> int:
        """Least distance of two sums of `depth` beats."""
        return depth * self.beat_cycles + self.final_cycles


SINGLE_CYCLE = (Micro.DECODE, Micro.UNIFORM)
"""Micro-architectures whose lanes multiply: every layer takes one cycle per beat."""


def table_slice(arch: Arch) -> int:
    """`product_table`: bits of the activation digit that the table is indexed with."""
    return min(arch.act_width, 4)


def table_build_cycles(arch: Arch) -> int:
    """`product_table`: a word a cycle before a layer's first beat; word 0 is 0, not stored."""
    return (1 << table_slice(arch)) - 1


def table_digits(arch: Arch, width: int) -> int:
    """`product_table`: look-ups for a stored level of `width` bits.

    The table then holds the products of the two's complement integers of `weight_width` bits. The
    top digit uses all of them, a lower one only the non-negative half: weight_width - 1 bits.
    """
    return max(1, -(-(width - 1) // (arch.weight_width - 1)))


def bin_count(arch: Arch) -> int:
    """`binned`: one bin per code but 0, or per bit of a stored level."""
    return max((1 << arch.weight_width) - 1, arch.level_width)


def schedule(
    arch: Arch, *, act_width: int, level_width: int | None = None, levels: int = 0
) -> Schedule:
    """Schedule of a layer that reads codes of `act_width` bits.

    level_width: bits of its stored levels, None when the weights are codes of a codebook of
    `levels` levels. A micro-architecture without multipliers takes stored levels digit by digit:
    `binned` and `shift_add` bit by bit, `product_table` in `table_digits`.
    """
    match arch.micro:
        case Micro.BIT_SERIAL:
            return Schedule(act_digits=act_width)
        case Micro.PRODUCT_TABLE:
            digits = 1 if level_width is None else table_digits(arch, level_width)
            return Schedule(act_digits=-(-act_width // table_slice(arch)), level_digits=digits)
        case Micro.BINNED if level_width is None:
            return Schedule(final_cycles=max(1, levels - 1))
        case Micro.BINNED:
            return Schedule(level_digits=level_width, final_cycles=level_width)
        case Micro.SHIFT_ADD:
            return Schedule(level_digits=level_width or 1)
        case Micro.DECODE | Micro.UNIFORM:
            return Schedule()


def layer_schedule(arch: Arch, program: SizedNetwork, layer: MacLayer | PoolLayer) -> Schedule:
    """Schedule of a layer with sums."""
    act_width = program.tensor_format(layer.input).width
    book = codebook_of(arch, layer)
    if book is not None:
        return schedule(arch, act_width=act_width, levels=len(book.levels))
    return schedule(arch, act_width=act_width, level_width=stored_width(arch, layer))


def schedule_word(arch: Arch, found: Schedule) -> dict[str, int]:
    """Fields of the configuration; a single-cycle array has none."""
    if arch.micro in SINGLE_CYCLE:
        return {}
    return {
        "act_digits": found.act_digits,
        "level_digits": found.level_digits,
        "final_cycles": found.final_cycles,
    }


def schedule_widths(arch: Arch) -> dict[str, int]:
    """Bits of the fields of `schedule_word`."""
    if arch.micro in SINGLE_CYCLE:
        return {}
    most = {"act_digits": arch.act_width, "level_digits": arch.level_width}
    most["final_cycles"] = bin_count(arch)
    return {name: value.bit_length() for name, value in most.items()}
