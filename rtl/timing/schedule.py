"""Schedule: cycles of the array for one beat, and after the last beat of a sum."""

from dataclasses import dataclass

from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import SizedNetwork
from ..arch.arch import Arch
from .tables import codebook_of, stored_width


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A beat is processed by digits: every digit of the activation for each of the level."""

    act_digits: int = 1
    level_digits: int = 1
    final_cycles: int = 0
    """After the last beat of a sum, before the next beat: bins are multiplied."""

    @property
    def beat_cycles(self) -> int:
        return self.act_digits * self.level_digits

    def group_cycles(self, depth: int) -> int:
        """Least distance of two sums of `depth` beats."""
        return depth * self.beat_cycles + self.final_cycles


def bin_count(arch: Arch) -> int:
    """Most final cycles: one per code but 0, or per bit of a stored level."""
    return max((1 << arch.weight_width) - 1, arch.level_width)


def layer_schedule(arch: Arch, program: SizedNetwork, layer: MacLayer | PoolLayer) -> Schedule:
    """Schedule of a layer with sums."""
    act_width = program.tensor_format(layer.input).width
    book = codebook_of(arch, layer)
    if book is not None:
        return arch.lanes.schedule(arch, act_width=act_width, levels=len(book.levels))
    return arch.lanes.schedule(arch, act_width=act_width, level_width=stored_width(arch, layer))


def schedule_word(arch: Arch, work: Schedule) -> dict[str, int]:
    """Fields of the configuration; a single-cycle array has none."""
    if arch.lanes.single_cycle:
        return {}
    return {
        "act_digits": work.act_digits,
        "level_digits": work.level_digits,
        "final_cycles": work.final_cycles,
    }


def schedule_widths(arch: Arch) -> dict[str, int]:
    """Bits of the fields of `schedule_word`."""
    if arch.lanes.single_cycle:
        return {}
    most = {"act_digits": arch.act_width, "level_digits": arch.level_width}
    most["final_cycles"] = bin_count(arch)
    return {name: value.bit_length() for name, value in most.items()}
