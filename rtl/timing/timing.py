"""Latencies of the components in cycles, from `Arch` alone: read by components, tests and models.

Plain functions, because a cycle model must not build hardware to know its latency.
"""

from ..arch.arch import Arch
from .schedule import Schedule

PASS_OVERHEAD = 5
"""Fetch, latch, codebook (without its levels), begin, end: cycles of a pass beside its work."""
OPERAND_LATENCY = 2
"""From the first cycle of a pass's run to its first beat or code: address, memory."""
MAX_POOL_LATENCY = 1
"""Last word of a window -> the word of maxima."""


def column_latency(arch: Arch, work: Schedule | None = None) -> int:
    """Last beat accepted -> result: its cycles in the operand registers (1 without `work`, a
    layer's schedule), then three stages (products, tree sum, accumulator; tree sum of the bins,
    product, accumulator) and the combination of several accumulators.
    """
    work = work or Schedule()
    return work.beat_cycles + work.final_cycles + 3 + arch.lanes.combine_cycles


def build_stall(arch: Arch) -> int:
    """Cycles that the first beat of a pass waits for the lanes' tables beyond OPERAND_LATENCY."""
    return max(0, arch.lanes.build_cycles(arch) - OPERAND_LATENCY)


def drain_latency(arch: Arch) -> int:
    """Sums taken -> column 0 valid."""
    return 1


def threshold_latency(arch: Arch) -> int:
    """Acc accepted -> code valid: parameter read, compare, count."""
    return 3


def requant_latency(arch: Arch) -> int:
    """Acc accepted -> code valid: parameter read, products, sum, shift, saturation."""
    return 5


def output_latency(arch: Arch, *, requant: bool) -> int:
    """Acc accepted -> code valid in the output stage of a layer."""
    return requant_latency(arch) if requant else threshold_latency(arch)


def array_latency(arch: Arch, *, requant: bool, work: Schedule | None = None) -> int:
    """Last beat of a group accepted -> output of column 0 valid, nothing waiting."""
    column = column_latency(arch, work)
    return column + drain_latency(arch) + output_latency(arch, requant=requant)


def latencies(arch: Arch) -> dict[str, int]:
    """Every stage by name, as the manifest states them."""
    return {
        "array": column_latency(arch),
        "drain": drain_latency(arch),
        "threshold": threshold_latency(arch),
        "requant": requant_latency(arch),
    }
