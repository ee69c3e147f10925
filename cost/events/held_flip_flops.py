"""Flip-flops of arrays that hold weights and of their output lanes, in closed form.

As `flip_flops` for the first kind: bits of the registers that the generators build, all clocked in
every cycle. Sums are in memories. Equal to the elaborated hardware
(`tests/cost/events/test_flip_flops.py`).
"""

from ...rtl.arch.arch import Arch
from ...rtl.timing.held_timing import TREE_LEVELS, column_stages, operand_copies, tree_stages
from ...rtl.timing.schedule import schedule_widths

PART_WIDTH = 17
"""Bits of the low part of a factor in an output lane."""
COUNTED_BITS = 4
"""Bits of a count that is one stage there."""


def held_flip_flops(arch: Arch) -> dict[str, int]:
    """Bits by part: lanes, columns, shared parts, the output lanes and their operands."""
    code = arch.storage.code_width + 1
    tables = 0 if arch.lanes.stores_levels else arch.lanes.table_bits(arch)
    operands = operand_copies(arch) + arch.lanes.holding(arch).late_activations
    return {
        "lanes": arch.rows * arch.cols * lane_bits(arch),
        "columns": arch.cols * column_bits(arch),
        "shared": tables + operands * arch.rows * arch.act_width + control_bits(arch),
        "output lanes": arch.out_lanes * output_lane_bits(arch),
        "output operands": arch.out_lanes * (arch.acc_width + 2 * code),
    }


def lane_bits(arch: Arch) -> int:
    """The word in the station, the one at work, the term in each tree, what is before it."""
    term, early = arch.lanes.held_term(arch)
    return 2 * arch.lanes.held_width(arch) + (1 + arch.lanes.combine_cycles) * term + early


def column_bits(arch: Arch) -> int:
    """Adder trees, the shifted sum; of several sums those that are complete, and what is added to
    combine them; control of the memory."""
    term, _ = arch.lanes.held_term(arch)
    combined, column = arch.lanes.combine_cycles, arch.lanes.holding(arch)
    trees = (1 + combined) * sum(sum(stage) for stage in tree_registers(arch, term))
    now = 2 + place_bits(arch) + combined * (2 + place_bits(arch)) + column.late_activations
    return trees + now + (column.place_cycles + 4 * combined) * arch.acc_width


def place_bits(arch: Arch) -> int:
    """Of the place of a sum."""
    return max(1, (arch.hold - 1).bit_length()) + 1


def tree_registers(arch: Arch, term: int) -> list[list[int]]:
    """Bits of each register of a column's tree, stage by stage."""
    stages, widths = [], [term] * arch.rows
    for _ in range(tree_stages(arch)):
        for _ in range(TREE_LEVELS):
            pairs = [max(a, b) + 1 for a, b in zip(widths[::2], widths[1::2], strict=False)]
            widths = pairs + ([widths[-1]] if len(widths) % 2 else [])
        widths = [min(width, arch.acc_width) for width in widths]
        stages.append(widths)
    return stages


def control_bits(arch: Arch) -> int:
    """Station, banks, and control beside the data."""
    column, stages, place = arch.lanes.holding(arch), column_stages(arch), place_bits(arch)
    combine = column.combine_cycles
    banks = 1 + 2 * 2 + 2 * arch.hold.bit_length() + 3
    travelling = 4 * stages - 2 + (stages + combine) * place + 2 * combine
    bits = banks + place + 1 + 3 + travelling
    if arch.lanes.single_cycle:
        return bits
    widths = schedule_widths(arch)
    digits = arch.lanes.act_digits * widths["act_digits"]
    digits += arch.lanes.level_digits * widths["level_digits"]
    shifts = (column.term_cycles + tree_stages(arch)) * arch.lanes.shift_bits(arch)
    return bits + digits + shifts


def output_lane_bits(arch: Arch) -> int:
    """Operands, partial products, their sum, the shifted sum, the code, comparisons, the count."""
    widths = arch.requant
    factors = (arch.acc_width, widths.multiplier_width), (
        widths.skip_width, widths.skip_multiplier_width,
    )  # fmt: skip
    bits = arch.acc_width + widths.skip_width + widths.multiplier_width + 3 * widths.bias_width
    bases, middles = [], []
    for a, b in factors:
        pieces = {(i, j): x + y for i, x in _parts(a) for j, y in _parts(b)}
        bits += 2 * sum(pieces.values())
        high = pieces.get((1, 1))
        bases.append(pieces[0, 0] if high is None else 2 * PART_WIDTH + high)
        some = [width for (i, j), width in pieces.items() if i + j == 1]
        middles += [_sum(some)] if some else []
    base = max(bases) + 1
    biases = max(widths.bias_width, widths.shift_max + 2) + 1
    upper = max(base, biases) + 1
    bits += base + biases + sum(middles) + upper
    total = upper
    if middles:
        lower = _sum(middles)
        total = max(upper, lower + PART_WIDTH) + 1
        bits += lower + total
    else:
        bits += total
    code = max(arch.acc_width, arch.out_width)
    bits += max(1, widths.shift_max.bit_length()) + 2 * total + 2 + 2 * code
    return bits + threshold_bits(arch)


def threshold_bits(arch: Arch) -> int:
    """The row, the code and its negative, what is reached, the count."""
    bits = 1 + arch.thresholds * arch.tau_width + 2 * arch.acc_width + 1 + arch.thresholds
    upper = max(0, arch.threshold_width - COUNTED_BITS)
    if upper:
        bits += upper + (1 << COUNTED_BITS) - 1  # the high bits, and flags of the low ones
    return bits + arch.threshold_width


def _parts(width: int) -> list[tuple[int, int]]:
    """(number, bits) of the parts of a factor."""
    if width <= PART_WIDTH + 1:
        return [(0, width)]
    return [(0, PART_WIDTH), (1, width - PART_WIDTH)]


def _sum(widths: list[int]) -> int:
    """Bits of the balanced sum."""
    while len(widths) > 1:
        pairs = [max(a, b) + 1 for a, b in zip(widths[::2], widths[1::2], strict=False)]
        widths = pairs + ([widths[-1]] if len(widths) % 2 else [])
    return widths[0]
