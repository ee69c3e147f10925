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


def fold_cycles(
    arch: Arch, *, columns: int, stride: int, padding: int, channels: int, height: int, width: int,
    out_width: int,
) -> int:  # fmt: skip
    """Setup -> an image is stored (`fold_layout`), every code there when it can be taken.

    A code of the padded lines per cycle, one more for every word that begins where another one
    begins, and what follows the last code until the last word is in its lanes.
    """
    line = max(padding + width, (out_width - 1) * stride + columns) * channels
    words = -(-columns * channels // arch.rows)
    last = (height - 1) * line + (out_width - 1) * stride * channels + (words - 1) * arch.rows
    together = 0
    if columns > 1 and words > 1:
        step = stride * channels
        begins = {x * step + word * arch.rows for x in range(out_width) for word in range(words)}
        together = height * (out_width * words - len(begins))
    return together + max(height * line + 3, last + arch.rows + 4)
