"""Built memories: energy, area, leakage and access time of one memory in a table.

A memory holds `bits` in words of `word` bits; a word that is wider than a macro lies in several
beside each other, and the words are shared by `banks` of them. `copies`: how often the whole stands
in the chip (sums have one per column); energies are of an access to one copy.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, assert_never

from ...spec.errors import InputError
from .entries import ZERO, Band
from .memory_table import Kind, Macro, MemoryTable, Organization


@dataclass(frozen=True, kw_only=True, slots=True)
class Demand:
    """What the accelerator needs of one memory."""

    bits: int
    word: int
    """Bits that are read together."""
    ports: int = 1
    copies: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """One memory in a table, at a supply voltage."""

    kind: Kind
    words: int
    """Of a bank."""
    width: int
    banks: int
    beside: int
    """Macros that a word lies in."""
    ports: int
    copies: int
    read_pj_bit: Band
    write_pj_bit: Band
    standing_pj: Band
    """In every cycle, whatever is accessed: clock gates of cells."""
    area_um2: Band
    """Of all copies."""
    leakage_uw: Band
    access_ns: Band

    def to_dict(self) -> dict[str, Any]:
        """JSON form, as in `estimate --json`."""
        numbers = ("words", "width", "banks", "beside", "ports", "copies")
        bands = ("read_pj_bit", "write_pj_bit", "standing_pj", "area_um2", "leakage_uw")
        return {
            "kind": str(self.kind),
            **{name: getattr(self, name) for name in numbers},
            **{name: getattr(self, name).as_dict() for name in (*bands, "access_ns")},
        }


def build(table: MemoryTable, name: str, demand: Demand, voltage: float | None = None) -> Built:
    """The memory `name` of `NAMES` as the table has it, at `voltage` (None: the table's).

    Dynamic energy goes with the square of the voltage, leakage power with the voltage; access times
    stay those of the table's voltage.
    """
    use = table.organization(name)
    ports = use.ports or demand.ports
    if ports < demand.ports:
        raise InputError(
            f"Memory {name} must have {demand.ports} ports, which the accelerator uses at once, "
            f"not {ports}"
        )
    match use.kind:
        case Kind.SRAM:
            built = _sram(table, use, demand, ports)
        case Kind.REGISTERS | Kind.LATCHES:
            built = _cells(table, use, demand, ports)
        case Kind.MACRO:
            built = _of_macros(table, name, demand, ports)
        case _:
            assert_never(use.kind)
    return _at(built, (voltage or table.voltage) / table.voltage)


def build_all(
    table: MemoryTable, demands: Mapping[str, Demand], voltage: float | None = None
) -> dict[str, Built]:
    """Every memory that holds anything, by name."""
    return {
        name: build(table, name, demand, voltage) for name, demand in demands.items() if demand.bits
    }


def _sram(table: MemoryTable, use: Organization, demand: Demand, ports: int) -> Built:
    words, width, beside = _shape(use, demand)
    root = math.sqrt(words)
    more = _more(table["port_energy"], ports)
    access = table["sram_word"] + (table["sram_bit"] + table["sram_line"] * root) * width
    one_um2 = (
        table["sram_cell_area"] * (words * width)
        + table["sram_row_area"] * words
        + table["sram_column_area"] * width
        + table["sram_macro_area"]
    ) * _more(table["port_area"], ports)
    macros = use.banks * beside
    moved = _moved(table, one_um2, macros)
    read = access * more * (beside / demand.word)
    cells = words * width * macros * demand.copies
    return Built(
        kind=use.kind,
        words=words,
        width=width,
        banks=use.banks,
        beside=beside,
        ports=ports,
        copies=demand.copies,
        read_pj_bit=read + moved,
        write_pj_bit=read * table["sram_write"] + moved,
        standing_pj=ZERO,
        area_um2=one_um2 * (macros * demand.copies),
        leakage_uw=table["sram_leakage"] * (cells * 1e-6),
        access_ns=table["sram_access"] + table["sram_access_line"] * root,
    )


def _cells(table: MemoryTable, use: Organization, demand: Demand, ports: int) -> Built:
    """Flip-flops or latches with a gated clock per row, read through a tree of multiplexers."""
    words, width, beside = _shape(use, demand)
    cell = "register" if use.kind is Kind.REGISTERS else "latch"
    cells = words * width * use.banks * beside * demand.copies
    readers = max(1, ports - 1)  # the first port writes, and reads where it is the only one
    area = table[f"{cell}_area"] * cells * _more(table["port_area"], readers)
    return Built(
        kind=use.kind,
        words=words,
        width=width,
        banks=use.banks,
        beside=beside,
        ports=ports,
        copies=demand.copies,
        read_pj_bit=table["cell_read"] * (words - 1),
        write_pj_bit=table[f"{cell}_write"],
        standing_pj=table["row_gate"] * (words * use.banks * beside * demand.copies),
        area_um2=area,
        leakage_uw=table[f"{cell}_leakage"] * (cells * 1e-6),
        access_ns=ZERO,
    )


def _of_macros(table: MemoryTable, name: str, demand: Demand, ports: int) -> Built:
    """The macro of the table that covers the memory with the least area."""
    fitting = [macro for macro in table.macros if macro.ports >= ports]
    if not fitting:
        raise InputError(
            f"Memory table {table.name!r} must have a macro with {ports} ports for {name}: "
            f"it has {len(table.macros)} of other kinds"
        )
    words = _up(demand.bits, demand.word)

    def count(macro: Macro) -> tuple[int, int]:
        return _up(words, macro.words), _up(demand.word, macro.width)

    def cost(macro: Macro) -> tuple[float, float]:
        banks, beside = count(macro)
        return banks * beside * macro.area_um2.expected, beside * macro.read_pj.expected

    macro = min(fitting, key=cost)
    banks, beside = count(macro)
    moved = _moved(table, macro.area_um2, banks * beside)
    return Built(
        kind=Kind.MACRO,
        words=macro.words,
        width=macro.width,
        banks=banks,
        beside=beside,
        ports=macro.ports,
        copies=demand.copies,
        read_pj_bit=macro.read_pj * (beside / demand.word) + moved,
        write_pj_bit=macro.write_pj * (beside / demand.word) + moved,
        standing_pj=ZERO,
        area_um2=macro.area_um2 * (banks * beside * demand.copies),
        leakage_uw=macro.leakage_uw * (banks * beside * demand.copies),
        access_ns=macro.access_ns,
    )


def _shape(use: Organization, demand: Demand) -> tuple[int, int, int]:
    """Words of a bank, bits of a macro, macros beside each other."""
    width = min(use.width, demand.word)
    words = _up(_up(demand.bits, demand.word), use.banks)
    return words, width, _up(demand.word, width)


def _more(factor: Band, ports: int) -> Band:
    """Of `ports` instead of one, where each further one adds what the second does."""
    further = ports - 1
    return Band(
        low=1.0 + (factor.low - 1.0) * further,
        expected=1.0 + (factor.expected - 1.0) * further,
        high=1.0 + (factor.high - 1.0) * further,
    )


def _moved(table: MemoryTable, one_um2: Band, macros: int) -> Band:
    """pJ to move a bit between a macro and the port of the memory: over the side of the square of
    all macros, less that of one, whose own wires are in its figures."""

    def millimetres(um2: float) -> float:
        return math.sqrt(um2) * (math.sqrt(macros) - 1.0) / 1e3

    return table["wire"] * Band(
        low=millimetres(one_um2.low),
        expected=millimetres(one_um2.expected),
        high=millimetres(one_um2.high),
    )


def _at(built: Built, ratio: float) -> Built:
    """At `ratio` times the table's voltage."""
    square = ratio * ratio
    return replace(
        built,
        read_pj_bit=built.read_pj_bit * square,
        write_pj_bit=built.write_pj_bit * square,
        standing_pj=built.standing_pj * square,
        leakage_uw=built.leakage_uw * ratio,
    )


def _up(value: int, by: int) -> int:
    return -(-value // by)
