"""Flip-flops of the datapath, in closed form: all are clocked in every cycle.

Bits of the registers that the generators in `rtl/` build, part by part; nothing is enabled by
gating the clock, so every one of them is clocked in every cycle, whether its lane is used or not.
Equal to the registers of the elaborated hardware and, for the lane array, to the flip-flops of its
synthesized netlists but for constant ones that synthesis drops, 2 % in `product_table`
(`tests/cost/events/test_flip_flops.py`). `rows` and `cols` may be vectors.
"""

from functools import lru_cache
from typing import Any

from ...rtl.arch.arch import Arch
from ...rtl.timing.elementwise import bit_length
from ...rtl.timing.schedule import schedule_widths
from .held_flip_flops import held_flip_flops


def flip_flops(arch: Arch) -> dict[str, Any]:
    """Bits by part: lanes, columns, shared parts, the drain and the output units; of an array that
    holds weights the parts of `held_flip_flops`."""
    if arch.holds:
        return held_flip_flops(arch)
    return {
        "lanes": arch.rows * arch.cols * arch.lanes.lane_bits(arch),
        "columns": arch.cols * arch.lanes.column_bits(arch),
        "shared": arch.lanes.table_bits(arch) + control_bits(arch),
        "drain": drain_bits(arch),
        "threshold unit": threshold_bits(arch),
        "requant unit": requant_bits(arch),
    }


def clocked_bits(arch: Arch) -> Any:
    """Bits of all parts."""
    return _clocked_bits(arch) if isinstance(arch, Arch) else sum(flip_flops(arch).values())


@lru_cache(maxsize=16)  # every layer asks for those of the same array
def _clocked_bits(arch: Arch) -> int:
    return int(sum(flip_flops(arch).values()))


ARRAY = ("lanes", "columns", "shared")
"""The parts that make a `LaneArray`."""


def control_bits(arch: Arch) -> int:
    """Control beside the data, and the current digits where a beat takes several cycles."""
    lanes, combine = arch.lanes, arch.lanes.combine_cycles
    travelling = 2 * 3 + 1 + combine + (3 + combine + 1) * arch.channel_width
    if lanes.single_cycle:
        return 3 + travelling
    widths = schedule_widths(arch)
    digits = lanes.act_digits * widths["act_digits"] + lanes.level_digits * widths["level_digits"]
    digits += lanes.final_cycles * (widths["final_cycles"] + 1)
    return 3 + digits + 2 * lanes.shift_bits(arch) + travelling  # the shift, twice beside the data


def drain_bits(arch: Arch) -> Any:
    """A sum per column, their channel and how many are left."""
    return arch.cols * arch.acc_width + arch.channel_width + bit_length(arch.cols)


def threshold_bits(arch: Arch) -> int:
    """The held channel, the sum, its comparisons, the code; the row is the memory's."""
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
