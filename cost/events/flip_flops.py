"""Flip-flops of the datapath, in closed form: what the clock reaches in every cycle.

Bits of the registers that the generators in `rtl/` build, part by part; nothing is enabled by
gating the clock, so every one of them is clocked in every cycle, whether its lane is used or not.
Equal to the registers of the elaborated hardware and, for the lane array, to the flip-flops of its
synthesized netlists but for constant ones that synthesis drops, 2 % in `product_table`
(`tests/cost/events/test_flip_flops.py`). `rows` and `cols` may be vectors.
"""

from typing import Any

from ...rtl.arch.arch import Arch, Micro
from ...rtl.lanes.product_table import product_width
from ...rtl.lanes.product_table import shift_width as product_shift_width
from ...rtl.lanes.shift_add import entry_layout
from ...rtl.timing.elementwise import bit_length, least, most
from ...rtl.timing.schedule import SINGLE_CYCLE, bin_count, schedule_widths, table_slice
from ...rtl.timing.timing import combine_latency


def flip_flops(arch: Arch) -> dict[str, Any]:
    """Bits by part: lanes, columns, what all columns share, the drain and the output units."""
    return {
        "lanes": arch.rows * arch.cols * lane_bits(arch),
        "columns": arch.cols * column_bits(arch),
        "shared": book_bits(arch) + control_bits(arch),
        "drain": drain_bits(arch),
        "threshold unit": threshold_bits(arch),
        "requant unit": requant_bits(arch),
    }


ARRAY = ("lanes", "columns", "shared")
"""The parts that make a `LaneArray`."""


def lane_bits(arch: Arch) -> Any:
    """Operand registers, the flag that says they are live, and the lane's result."""
    level, product = arch.level_width, arch.level_width + arch.act_width
    match arch.micro:
        case Micro.DECODE | Micro.UNIFORM:
            return level + arch.act_width + 1 + product
        case Micro.BIT_SERIAL:
            return level + arch.act_width + 1 + level
        case Micro.PRODUCT_TABLE:
            return arch.field_width + 1 + product_width(arch)
        case Micro.BINNED:
            return arch.field_width + arch.act_width + 1 + bin_count(arch) * arch.bin_width
        case Micro.SHIFT_ADD:
            return level + entry_layout(arch).size + arch.act_width + 1 + product + 1


def column_bits(arch: Arch) -> Any:
    """Tree sums and accumulators; `binned`: its multiplier's operands and product too."""
    acc = arch.acc_width
    match arch.micro:
        case Micro.DECODE | Micro.UNIFORM:
            return _tree(arch, arch.level_width + arch.act_width) + acc
        case Micro.BIT_SERIAL:
            return _tree(arch, arch.level_width) + acc
        case Micro.PRODUCT_TABLE:
            return _tree(arch, product_width(arch)) + acc
        case Micro.BINNED:
            total = _tree(arch, arch.bin_width)
            return total + arch.level_width + least(total + 1 + arch.level_width, acc) + acc
        case Micro.SHIFT_ADD:
            return 2 * (_tree(arch, arch.level_width + arch.act_width) + acc) + acc


def _tree(arch: Arch, term: Any) -> Any:
    """Bits of a tree's registered sum of `rows` terms."""
    return least(term + bit_length(most(0, arch.rows - 1)), arch.acc_width)


def book_bits(arch: Arch) -> Any:
    """The codebook's registers, and the product table with the rows' operands."""
    codes = 1 << arch.weight_width
    if arch.micro is Micro.SHIFT_ADD:
        return codes * entry_layout(arch).size + arch.level_width
    book = (codes - 1) * arch.level_width  # level 0 is 0 and has none
    if arch.micro is not Micro.PRODUCT_TABLE:
        return book
    words = 1 << table_slice(arch)  # word 0 has none either, but the newest one is kept twice
    return (
        book + words * codes * product_width(arch) + words.bit_length() + arch.rows * arch.act_width
    )


def control_bits(arch: Arch) -> int:
    """What travels beside the data, and the digits at work where a beat takes several cycles."""
    combine = combine_latency(arch)
    travelling = 2 * 3 + 1 + combine + (3 + combine + 1) * arch.channel_width
    if arch.micro in SINGLE_CYCLE:
        return 3 + travelling
    widths, steps = schedule_widths(arch), 3
    match arch.micro:
        case Micro.BIT_SERIAL:
            steps += 3 * widths["act_digits"]  # the digit, and twice beside the data
        case Micro.PRODUCT_TABLE:
            steps += widths["act_digits"] + widths["level_digits"] + 2 * product_shift_width(arch)
        case Micro.BINNED:
            steps += widths["level_digits"] + widths["final_cycles"] + 1
        case Micro.SHIFT_ADD:
            steps += widths["level_digits"]
    return steps + travelling


def drain_bits(arch: Arch) -> Any:
    """A sum per column, their channel and how many are left."""
    return arch.cols * arch.acc_width + arch.channel_width + bit_length(arch.cols)


def threshold_bits(arch: Arch) -> int:
    """The held channel, the sum, what it reaches, the code; the row is the memory's."""
    return (
        _held(arch) + arch.acc_width + arch.thresholds + arch.threshold_width + 3
    )  # valid along three stages


def requant_bits(arch: Arch) -> int:
    """The held channel, operands, products, their sum, the shifted sum, the code."""
    widths = arch.requant
    scaled = widths.multiplier_width + arch.acc_width
    residual = widths.skip_multiplier_width + widths.skip_width
    rounding = max(widths.bias_width, widths.shift_max + 2) + 1  # half is unsigned
    total = max(max(scaled, residual) + 1, rounding) + 1
    operands = arch.acc_width + widths.skip_width + scaled + residual + widths.bias_width
    return _held(arch) + operands + 2 * total + arch.out_width + 5


def _held(arch: Arch) -> int:
    return arch.channel_width + 1
