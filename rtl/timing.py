"""Latencies of the components in cycles, from `Arch` alone: read by components, tests and models.

Plain functions, because a cycle model must not build hardware to ask how long it takes.
"""

from .arch import Arch

PASS_OVERHEAD = 5
"""Fetch, latch, codebook (without its levels), begin, end: cycles of a pass beside its work."""
OPERAND_LATENCY = 2
"""From the first cycle of a pass's run to its first beat or code: address, memory."""
MAX_POOL_LATENCY = 1
"""Last word of a window -> the word of maxima."""


def column_latency(arch: Arch) -> int:
    """Beat accepted -> accumulator: operands, products, tree sum, accumulator."""
    return 4


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


def array_latency(arch: Arch, *, requant: bool) -> int:
    """Last beat of a group accepted -> output of column 0 valid, nothing waiting."""
    return column_latency(arch) + drain_latency(arch) + output_latency(arch, requant=requant)


def latencies(arch: Arch) -> dict[str, int]:
    """Every stage by name, as the manifest states them."""
    return {
        "array": column_latency(arch),
        "drain": drain_latency(arch),
        "threshold": threshold_latency(arch),
        "requant": requant_latency(arch),
    }
