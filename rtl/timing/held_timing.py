"""Latencies, in cycles, of the components of arrays that hold weights (`Arch.hold` above 1).

Plain functions of `Arch`, as in `rtl.timing.timing`: components, tests and models read them.
"""

from ..arch.arch import Arch
from .schedule import Schedule

TREE_LEVELS = 2
"""Additions in series between two registers of an adder tree."""


def tree_stages(arch: Arch) -> int:
    """Registers that a column's adder tree over `rows` terms passes, its sum's included."""
    return max(1, -(-(arch.rows - 1).bit_length() // TREE_LEVELS))


def held_array_latency(arch: Arch, work: Schedule | None = None) -> int:
    """`closes` beat accepted -> the group's sums can be read, nothing waiting.

    Its cycles in the operand registers (1 without `work`, a layer's schedule), the products, the
    tree, the accumulator memory, and the combination of several accumulators.
    """
    work = work or Schedule()
    return work.beat_cycles + 2 + tree_stages(arch) + arch.lanes.combine_cycles


def walker_latency(arch: Arch) -> int:
    """Setup -> first position of the group walker: counters, sums, choice of the padding."""
    return 3


def feed_latency(arch: Arch) -> int:
    """Setup -> first beat offered: walker, activation memory, beat."""
    return walker_latency(arch) + 2


def weight_feed_latency(arch: Arch) -> int:
    """Setup -> first fields offered: plane number, weight memory, its register, fields."""
    return 4


def refill_cycles(arch: Arch) -> int:
    """The station takes fields again -> it is full: a position per cycle, read ahead."""
    return arch.fill
