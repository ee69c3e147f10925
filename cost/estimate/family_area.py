"""Components of the lanes of each micro-architecture: bits by technology entry."""

from typing import Any

from ...rtl.arch.arch import Arch, Micro
from ...rtl.lanes.product_table import product_width
from ...rtl.lanes.shift_add import entry_layout
from ...rtl.timing.elementwise import bit_length, most, tree_add_bits
from ...rtl.timing.schedule import bin_count, table_slice

Parts = dict[str, dict[str, Any]]
"""Component -> entry of the technology -> bits."""


def lane_area(arch: Arch) -> Parts:
    """Lanes, adder trees, accumulators with the drain, and the tables that the lanes share."""
    match arch.micro:
        case Micro.DECODE | Micro.UNIFORM:
            return _multiplying(arch)
        case Micro.BIT_SERIAL:
            return _bit_serial(arch)
        case Micro.PRODUCT_TABLE:
            return _product_table(arch)
        case Micro.BINNED:
            return _binned(arch)
        case Micro.SHIFT_ADD:
            return _shift_add(arch)


def _common(arch: Arch, term: int, lane_registers: int, *, trees: int = 1) -> Parts:
    """Registers of the lanes, trees over terms of `term` bits, accumulators."""
    lanes, tree = arch.rows * arch.cols, tree_add_bits(arch.rows, term, arch.acc_width)
    return {
        "lane registers": {"register_area": lanes * lane_registers},
        "adder trees": {"add_area": arch.cols * trees * tree},
        "accumulators and drain": {
            "add_area": arch.cols * trees * arch.acc_width,
            # tree sum and accumulator, drain
            "register_area": (2 * trees + 1) * arch.cols * arch.acc_width,
        },
    }


def _lookup(arch: Arch, entry: int) -> Parts:
    """The shared codebook and the lanes' look-up of an entry."""
    entries, lanes = 1 << arch.weight_width, arch.rows * arch.cols
    return {
        "lookup": {"mux_area": lanes * (entries - 1) * entry},
        "codebook registers": {"register_area": _stored_entries(arch) * entry},
    }


def _stored_entries(arch: Arch) -> int:
    """Entries with flip-flops: level 0 is 0, only `shift_add` keeps what says so."""
    return (1 << arch.weight_width) - (arch.micro is not Micro.SHIFT_ADD)


def _multiplying(arch: Arch) -> Parts:
    product = arch.act_width + arch.level_width
    lanes = arch.rows * arch.cols
    parts = _common(arch, product, arch.level_width + arch.act_width + product + 1)
    parts = {"multipliers": {"multiply_area": lanes * arch.act_width * arch.level_width}} | parts
    return parts | (_lookup(arch, arch.level_width) if arch.micro is Micro.DECODE else {})


def _bit_serial(arch: Arch) -> Parts:
    level = arch.level_width
    shifter = arch.cols * arch.acc_width * (arch.act_width - 1).bit_length()
    return (
        {"gates": {"mux_area": arch.rows * arch.cols * level}, "shifters": {"mux_area": shifter}}
        | _common(arch, level, 2 * level + arch.act_width + 1)
        | _lookup(arch, level)
    )


def _product_table(arch: Arch) -> Parts:
    codes, words, width = 1 << arch.weight_width, 1 << table_slice(arch), product_width(arch)
    lanes, word = arch.rows * arch.cols, codes * width
    stages = (arch.act_width + arch.level_width - 1).bit_length()
    return {
        "product table": {"register_area": words * word, "add_area": word},
        "product selection": {"mux_area": arch.rows * (words - 1) * word + lanes * (word - width)},
        "shifters": {"mux_area": arch.cols * arch.acc_width * stages},
        "operand registers": {"register_area": arch.rows * arch.act_width},
        "codebook registers": {"register_area": _stored_entries(arch) * arch.level_width},
    } | _common(arch, width, arch.field_width + width + 1)


def _binned(arch: Arch) -> Parts:
    lanes, bins, width = arch.rows * arch.cols, bin_count(arch), arch.bin_width
    total = width + bit_length(most(0, arch.rows - 1))
    entries = 1 << arch.weight_width
    return {
        "bins": {
            "register_area": lanes * bins * width,
            "add_area": lanes * width,
            "mux_area": lanes * (bins - 1) * width,
        },
        "multipliers": {
            "multiply_area": arch.cols * total * arch.level_width,
            "register_area": arch.cols * (2 * arch.level_width + total),
        },
        "codebook registers": {
            "register_area": _stored_entries(arch) * arch.level_width,
            "mux_area": arch.cols * (entries - 1) * arch.level_width,
        },
    } | _common(arch, width, arch.field_width + arch.act_width + 1)


def _shift_add(arch: Arch) -> Parts:
    lanes, term = arch.rows * arch.cols, arch.act_width + arch.level_width
    entry = entry_layout(arch).size
    stages = (arch.level_width - 1).bit_length() + 1  # the sign is one more
    registers = entry + arch.level_width + arch.act_width + term + 2
    return (
        {
            "shifters": {"mux_area": lanes * stages * term},
            "combination": {
                "multiply_area": arch.cols * arch.level_width * arch.acc_width,
                "add_area": arch.cols * arch.acc_width,
                "register_area": arch.cols * arch.acc_width,
            },
        }
        | _common(arch, term, registers, trees=2)
        | _lookup(arch, entry)
    )
