"""Memory tables: what on-chip memories of one node cost, and how the user's are organized.

A table is a TOML file: `[memories]` (name, node, voltage, summary), one `[entry.NAME]` for each
name of `MEMORY_ENTRIES` in the form of technology entries, and optionally

    [memory.weights]                 # weights, activations, parameters or sums
    kind = "sram"                    # or registers, latches, macro
    width = 64                       # bits of one macro; wider words take several beside each other
    banks = 4                        # macros that share the words; one of them is read at a time
    ports = 1                        # of every macro

    [[macro]]                        # of the user's own memory compiler, for kind = "macro"
    words = 2048
    width = 64
    ports = 1
    read_pj = { low = 15.0, expected = 16.0, high = 20.0 }      # of one access to a whole word
    write_pj = ...
    area_um2 = ...
    leakage_uw = ...
    access_ns = ...
    source = "..."

Instead of `[memories]` and entries, `base = "sram45"` with `name` takes those of a shipped table.
All energies are at the table's `voltage`. Nothing defaults within an entry or a macro.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from ...spec.errors import InputError
from ...spec.host.reading import (
    exact_fields,
    exact_keys,
    parse_toml,
    positive_number,
)
from ...spec.host.text import shown
from .entries import Band, Entry, band_of, checked_name, exact, parse_entry, text_of
from .shipped import Shipped

MEMORY_ENTRIES = {
    "sram_word": "pJ",
    "sram_bit": "pJ/bit",
    "sram_line": "pJ/bit",
    "sram_write": "1",
    "sram_cell_area": "um2/bit",
    "sram_row_area": "um2",
    "sram_column_area": "um2/bit",
    "sram_macro_area": "um2",
    "sram_leakage": "pW/bit",
    "sram_access": "ns",
    "sram_access_line": "ns",
    "port_energy": "1",
    "port_area": "1",
    "wire": "pJ/bit/mm",
    "cell_read": "pJ/bit",
    "row_gate": "pJ",
    "register_write": "pJ/bit",
    "register_area": "um2/bit",
    "register_leakage": "pW/bit",
    "latch_write": "pJ/bit",
    "latch_area": "um2/bit",
    "latch_leakage": "pW/bit",
}
"""Entry -> unit. Of an SRAM macro of W words of w bits: a read costs word + w (bit + line sqrt(W)),
a write `sram_write` times that; area cell W w + row W + column w + macro; access time access +
access_line sqrt(W). port_*: factor of each further port. wire: a bit moved between macros. Of
memories of cells: cell_read per bit read and word beside it; row_gate: the clock gate of a row of
`width` bits, in every cycle."""

NAMES = ("weights", "activations", "parameters", "sums")
"""Memories of an accelerator; sums: of arrays that hold weights, one for each column."""


class Kind(StrEnum):
    """What a memory is made of."""

    SRAM = "sram"
    REGISTERS = "registers"
    LATCHES = "latches"
    MACRO = "macro"
    """Macros of the user's compiler, as the table lists them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Organization:
    """How one memory is built."""

    kind: Kind = Kind.SRAM
    width: int = 64
    """Bits of a macro's word, and of a row of registers with one clock gate."""
    banks: int = 1
    ports: int | None = None
    """None: as many as the accelerator uses at once."""

    def __post_init__(self) -> None:
        for name, most in (("width", 1 << 16), ("banks", 1 << 16), ("ports", 4)):
            value = getattr(self, name)
            if value is None and name == "ports":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
                raise InputError(f"Memory {name} must be in 1..{most}, not {shown(value)}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Macro:
    """A macro of a memory compiler; energies of one access to a whole word."""

    words: int
    width: int
    ports: int
    read_pj: Band
    write_pj: Band
    area_um2: Band
    leakage_uw: Band
    access_ns: Band
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryTable:
    """A complete table; `entries` has exactly the keys of `MEMORY_ENTRIES`."""

    name: str
    node: str
    voltage: float
    summary: str
    entries: Mapping[str, Entry]
    organizations: Mapping[str, Organization] = field(default_factory=dict)
    macros: tuple[Macro, ...] = ()

    def __getitem__(self, name: str) -> Band:
        return self.entries[name].value

    def organization(self, memory: str) -> Organization:
        """Of one of `NAMES`: what the file says, else one bank of SRAM."""
        return self.organizations.get(memory, Organization())


def available_memories() -> list[str]:
    """Names of the tables that ship with the package."""
    return TABLES.names()


def load_memories(name: str | Path) -> MemoryTable:
    """The shipped table called `name`, or the one in the file `name` (ending in .toml)."""
    return TABLES.load(name)


def parse_memories(text: str, where: str) -> MemoryTable:
    """Build and check a table from TOML text; `where` names it in messages."""
    data, what = parse_toml(text, f"Memory table {where!r}"), f"Memory table {where!r}"
    uses = exact_keys(data.pop("memory", {}), (), f"{what}, memory", optional=NAMES)
    listed = data.pop("macro", [])
    if not isinstance(listed, list):
        raise InputError(f"{what}: macro must be a list of tables, not {shown(listed)}")
    made: dict[str, Any] = {
        "organizations": {
            name: _organization(use, f"{what}, memory {name}") for name, use in uses.items()
        },
        "macros": tuple(
            _macro(entry, f"{what}, macro {number}") for number, entry in enumerate(listed)
        ),
    }
    if "base" in data:
        exact(data, ("base", "name"), what)
        base = _base(data["base"], what)
        fields = ("node", "voltage", "summary", "entries")
        made |= {key: getattr(base, key) for key in fields}
        return MemoryTable(name=checked_name(data["name"], what), **made)
    exact(data, ("memories", "entry"), what)
    head, entries = data["memories"], data["entry"]
    exact(head, ("name", "node", "voltage", "summary"), f"{what}, head")
    for key in ("name", "node", "summary"):
        text_of(head, key, what)
    exact(entries, MEMORY_ENTRIES, f"{what}, entries")
    return MemoryTable(
        name=checked_name(head["name"], what),
        node=head["node"],
        voltage=positive_number(head["voltage"], f"{what}: voltage"),
        summary=head["summary"],
        entries={
            name: parse_entry(name, entries[name], unit, what)
            for name, unit in MEMORY_ENTRIES.items()
        },
        **made,
    )


def _base(name: object, what: str) -> MemoryTable:
    if not isinstance(name, str) or name not in available_memories():
        raise InputError(
            f"{what}: base must be one of {', '.join(available_memories())}, not {shown(name)}"
        )
    return TABLES.load(name)


def _organization(data: object, what: str) -> Organization:
    fields = dict(exact_fields(data, Organization, what))
    if "kind" in fields:
        kinds = [kind.value for kind in Kind]
        if fields["kind"] not in kinds:
            raise InputError(
                f"{what}: kind must be one of {', '.join(kinds)}, not {shown(fields['kind'])}"
            )
        fields["kind"] = Kind(fields["kind"])
    try:
        return Organization(**fields)
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


def _macro(data: object, what: str) -> Macro:
    fields = dict(exact_fields(data, Macro, what, lacking="must have {key}: nothing defaults"))
    for name in ("words", "width", "ports"):
        value = fields[name]
        if type(value) is not int or not 1 <= value <= 1 << 30:
            raise InputError(f"{what}: {name} must be a positive integer, not {shown(value)}")
    text_of(fields, "source", what)
    for name in ("read_pj", "write_pj", "area_um2", "leakage_uw", "access_ns"):
        fields[name] = band_of(fields[name], f"{what}, {name}")
    return Macro(**fields)


TABLES = Shipped(
    folder="memories",
    noun="Memories",
    file="Memory table",
    parse=lambda text, where, _: parse_memories(text, where),
)
