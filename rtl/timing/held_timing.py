"""Latencies, in cycles, of the components of arrays that hold weights (`Arch.hold` above 1).

Plain functions of `Arch`, as in `rtl.timing.timing`: components, tests and models read them.
"""

from ..arch.arch import Arch
from .folding import FOLD_WORDS
from .schedule import Schedule
from .timing import MAX_POOL_LATENCY

HELD_PASS_OVERHEAD = 4
"""Cycles of a pass beside a cycle per level of its codebook and its run: take the descriptor, find
the codebook's end, begin; after the run, in which nothing of the pass is left, see its end."""
TREE_LEVELS = 2
"""Additions in series between two registers of an adder tree."""


SHARING = 4
"""Columns with the same registers of activations."""


def operand_copies(arch: Arch) -> int:
    """Registers of the activations at work."""
    return -(-arch.cols // SHARING)


def tree_stages(arch: Arch) -> int:
    """Registers that a column's adder tree over `rows` terms passes, its sum's included."""
    return max(1, -(-(arch.rows - 1).bit_length() // TREE_LEVELS))


def column_stages(arch: Arch) -> int:
    """Registers from a cycle's operands to what they add to a sum: terms, tree, shifted sum."""
    column = arch.lanes.holding(arch)
    return column.term_cycles + tree_stages(arch) + column.place_cycles


def held_array_latency(arch: Arch, work: Schedule | None = None) -> int:
    """`closes` beat accepted -> the group's sums can be read, nothing waiting.

    Its cycles in the operand registers (1 without `work`, a layer's schedule), the terms, the
    tree, the accumulator memory, and the combination of several accumulators.
    """
    work = work or Schedule()
    return work.beat_cycles + 1 + column_stages(arch) + arch.lanes.holding(arch).combine_cycles


LANE_REQUANT_CYCLES = 10
"""Sum taken by an output lane -> its code: operands, two of partial products, three of sums, two of
shift, comparison with the limits, code."""
STAGE_SETUP_CYCLES = 6
"""Setup of a pass -> the cycle in which the output stage can take its first chunk: walk, address,
request, memory, word, codes, since residual codes are read ahead of the sums."""
MAXIMA_SETUP_CYCLES = 3
"""Setup of a pass of maxima -> the cycle in which their first word can be taken and written."""


def count_stages(arch: Arch) -> int:
    """Registers that a count of thresholds passes."""
    return 1 if arch.threshold_width <= 4 else 2


def lane_threshold_cycles(arch: Arch) -> int:
    """Sum taken by an output lane -> its count of thresholds: as a code, both signs, comparison,
    count."""
    return LANE_REQUANT_CYCLES + 2 + count_stages(arch)


def stage_write_cycles(arch: Arch, *, requant: bool) -> int:
    """Chunk taken by the output stage -> the cycle in which its codes are written.

    Chunks are taken one per cycle: the first in the cycle in which `groups` is valid (direct codes
    as soon as they can be), the next group's first in the cycle after the last one of a group.
    requant: codes of the requantization, else of thresholds, chained ones too.
    """
    return 1 + (LANE_REQUANT_CYCLES if requant else lane_threshold_cycles(arch))


def stage_result_cycles(arch: Arch, *, requant: bool) -> int:
    """Chunk taken -> its result is valid."""
    return stage_write_cycles(arch, requant=requant) + 1


def stage_finish_cycles(
    arch: Arch, *, requant: bool, chained: bool = False, results: bool = False
) -> int:
    """Last chunk taken -> `finished`, no result waiting.

    For maxima it is 1: a word is written in the cycle in which it is taken.
    """
    last = stage_write_cycles(arch, requant=requant and not chained)
    if results:
        last = max(last, stage_result_cycles(arch, requant=requant))
    return last + 1


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

    First a place for every word number; then a code of the padded lines per cycle, one cycle more
    for every word that begins where another one begins, and what follows the last code until the
    last word is in its lanes.
    """
    line = max(padding + width, (out_width - 1) * stride + columns) * channels
    words = -(-columns * channels // arch.rows)
    last = (height - 1) * line + (out_width - 1) * stride * channels + (words - 1) * arch.rows
    together = 0
    if columns > 1 and words > 1:
        step = stride * channels
        begins = {x * step + word * arch.rows for x in range(out_width) for word in range(words)}
        together = height * (out_width * words - len(begins))
    return FOLD_WORDS + together + max(height * line + 2, last + arch.rows + 3)


def maxima_cycles(arch: Arch, words: int) -> int:
    """Setup -> `finished` of a pass of maxima over so many words: the last one is offered, its
    maximum is complete and written."""
    return feed_latency(arch) + words - 1 + MAX_POOL_LATENCY + 1


def build_latency(arch: Arch) -> int:
    """Setup -> the first beat can be taken, as far as the lanes must build tables."""
    return arch.lanes.build_cycles(arch) + 1


def first_times(arch: Arch, work: Schedule) -> dict[str, int]:
    """Of `group_pace.Pace` at the setup of a pass with sums; work: its layer's schedule."""
    return {
        "fill": arch.fill,
        "beat_cycles": work.beat_cycles,
        "latency": held_array_latency(arch, work),
        "beat": max(feed_latency(arch), build_latency(arch)),
        "station": weight_feed_latency(arch) + arch.fill,
        "stage": STAGE_SETUP_CYCLES,
    }


def held_latencies(arch: Arch) -> dict[str, int]:
    """Stages by name, as the manifest states them."""
    return {
        "feed": feed_latency(arch),
        "weights": weight_feed_latency(arch),
        "array": held_array_latency(arch),
        "requant": stage_write_cycles(arch, requant=True),
        "threshold": stage_write_cycles(arch, requant=False),
    }
