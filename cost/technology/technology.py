"""Technology tables: price of an event, with its bar and source.

A table is a TOML file: `[technology]` (name, node, summary, `sram_law`) and one `[entry.NAME]` for
each name of `ENTRIES` with exactly `value = {low, expected, high}`, `unit`, `source`, `node` and
`note`. Nothing ever defaults: a missing entry, bar or source, a value that is not a positive finite
number, a unit that is not the entry's own, an unknown key, each is refused with one line.

The head may also have `voltage` (V, of the expected energies), `threshold_voltage` (V, for delays
at other voltages), `memories` (a memory table: its name, or a file beside the table) and `dram` (a
DRAM type). A memory table is of the same node: no sum has parts of two.

`low` and `high` bound what the sources disagree about. They are corners, not standard deviations.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...rtl.timing.elementwise import most, root
from ...spec.errors import InputError
from ...spec.host.reading import parse_toml, positive_number
from ...spec.host.text import shown
from .accelergy import Ert, load_ert
from .dram_types import Dram, load_dram
from .entries import BAND_KEYS, ZERO, Band, Entry, checked_name, exact, parse_entry, text_of
from .memory_table import MemoryTable, load_memories
from .shipped import Shipped

__all__ = [
    "BAND_KEYS",
    "ENTRIES",
    "NO_NODE",
    "ZERO",
    "Band",
    "Entry",
    "Technology",
    "load",
    "parse",
    "priced",
]

ENTRIES = {
    "multiply": "pJ/bit^2",
    "multiply_zero_act": "pJ/bit^2",
    "add": "pJ/bit",
    "compare": "pJ/bit",
    "mux": "pJ/bit",
    "select": "pJ/bit",
    "register": "pJ/bit",
    "clock": "pJ/bit",
    "datapath_overhead": "1",
    "sram": "pJ/bit",
    "sram_floor": "KiB",
    "dram": "pJ/bit",
    "multiply_area": "um2/bit^2",
    "add_area": "um2/bit",
    "compare_area": "um2/bit",
    "mux_area": "um2/bit",
    "register_area": "um2/bit",
    "area_overhead": "1",
    "sram_area": "um2/bit",
}
"""Entry -> unit. bit^2: product of two operand widths. sram: one bit of a 1 KiB memory. register: a
bit that is written; clock: a flip-flop's bit in every cycle, written or not. mux: a bit of a 2:1
multiplexer whose data and select are new; select: one with constant data."""

NO_NODE = "none"
"""Node of a table that counts events: it is no silicon, and goes with every library."""
SRAM_LAWS = ("sqrt", "flat")
TEXTS = ("name", "node", "summary", "sram_law")
NUMBERS = ("voltage", "threshold_voltage")
PARTS = ("memories", "dram")


@dataclass(frozen=True, kw_only=True, slots=True)
class Technology:
    """A complete table; `entries` has exactly the keys of `ENTRIES`."""

    name: str
    node: str
    summary: str
    sram_law: str
    """`sqrt`: energy of a bit grows with the root of the memory's capacity; `flat`: it does not."""

    entries: Mapping[str, Entry]
    voltage: float | None = None
    """V of the expected energies; None: the table does not say."""
    threshold_voltage: float | None = None
    """V, of the transistors that the delay goes with."""
    memories: MemoryTable | None = None
    """What on-chip memories cost; None: entries sram, sram_floor and sram_area, one bank each."""
    dram: Dram | None = None
    """The DRAM that the entry dram is of; None: of no type in particular."""

    def __getitem__(self, name: str) -> Band:
        return self.entries[name].value

    @property
    def counts(self) -> bool:
        """Every entry is exactly 1: totals are numbers of events, not energies or areas."""
        return all(entry.value == Band.exactly(1.0) for entry in self.entries.values())

    def sram_bit(self, capacity_bits: int | npt.NDArray[np.int64]) -> Band:
        """pJ to read or write one bit of an on-chip memory of `capacity_bits`.

        For a vector of capacities the band's corners are vectors.
        """
        if self.sram_law == "flat":
            return self["sram"]
        kib, floor = capacity_bits / 8192, self["sram_floor"]
        return self["sram"] * Band(
            low=root(most(kib, floor.low)),
            expected=root(most(kib, floor.expected)),
            high=root(most(kib, floor.high)),
        )


def available() -> list[str]:
    """Names of the tables that ship with the package."""
    return TABLES.names()


def load(name: str | Path) -> Technology:
    """The shipped table called `name`, or the one in the file `name` (ending in .toml)."""
    return TABLES.load(name)


def priced(name: str | Path) -> Technology:
    """`load` for figures beside joules of other sources: a table that counts is refused."""
    technology = load(name)
    if technology.counts:
        raise InputError(
            f"Technology must have energies, to stand beside those of gates or networks, not "
            f"counts of events as {technology.name!r} has"
        )
    return technology


def parse(text: str, where: str, folder: Path = Path()) -> Technology:
    """Build and check a table from TOML text; `where` names it in messages.

    folder: of the energy reference table of Accelergy that the table takes entries from.
    """
    data = parse_toml(text, f"Technology {where!r}")
    exact(data, ("technology", "entry"), f"Technology {where!r}")
    head, entries = data["technology"], data["entry"]
    ert = _ert(head, f"Technology {where!r}", folder)
    what = f"Technology {where!r}"
    exact(head, TEXTS, f"{what}, head", optional=NUMBERS + PARTS)
    for key in head:
        if key not in NUMBERS:
            text_of(head, key, what)
    checked_name(head["name"], what)
    if head["sram_law"] not in SRAM_LAWS:
        raise InputError(
            f"{what}: sram_law must be one of {', '.join(SRAM_LAWS)}, not {shown(head['sram_law'])}"
        )
    exact(entries, ENTRIES, f"{what}, entries")
    numbers = {
        key: positive_number(head[key], f"{what}: {key}") if key in head else None
        for key in NUMBERS
    }
    technology = Technology(
        **{key: head[key] for key in TEXTS},
        voltage=numbers["voltage"],
        threshold_voltage=numbers["threshold_voltage"],
        entries={key: parse_entry(key, entries[key], ENTRIES[key], what, ert) for key in ENTRIES},
    )
    return _with_parts(technology, head, folder)


def _with_parts(technology: Technology, head: Mapping[str, str], folder: Path) -> Technology:
    """The memories and the DRAM that the head names, under the technology's own name."""
    name = technology.name
    if "memories" in head:
        technology = with_memories(technology, load_memories(_beside(head["memories"], folder)))
    if "dram" in head:
        technology = with_dram(technology, load_dram(_beside(head["dram"], folder)))
    return replace(technology, name=name)


def _beside(name: str, folder: Path) -> str | Path:
    return folder / name if name.endswith(".toml") else name


def with_memories(technology: Technology, table: MemoryTable) -> Technology:
    """The same technology with the on-chip memories of a table, which is of the same node."""
    if table.node != technology.node:
        raise InputError(
            f"Memories must be of the technology's node, {technology.node} of {technology.name}, "
            f"not {shown(table.node)} of {table.name}: no sum has parts of two nodes"
        )
    name = checked_name(f"{technology.name}+{table.name}", "Technology with memories")
    return replace(technology, name=name, memories=table)


def with_dram(technology: Technology, dram: Dram) -> Technology:
    """The same technology with the DRAM of a type."""
    if technology.counts:
        raise InputError(
            f"DRAM must go with a technology that has energies, not with counts of events as "
            f"{technology.name!r} has"
        )
    entry = Entry(
        value=dram.pj_per_bit,
        unit=ENTRIES["dram"],
        source=dram.pj_source,
        node=technology.node,
        note=dram.summary,
    )
    name = checked_name(f"{technology.name}+{dram.name}", "Technology with DRAM")
    return replace(technology, name=name, dram=dram, entries={**technology.entries, "dram": entry})


def at_voltage(technology: Technology, volts: float) -> Technology:
    """The technology at another supply: switching energies go with its square, DRAM stays."""
    if technology.voltage is None:
        raise InputError(
            f"Technology {technology.name!r} must say its voltage in its head, to be used at "
            f"{volts:g} V"
        )
    square = (positive_number(volts, "Voltage") / technology.voltage) ** 2
    entries = {
        name: replace(entry, value=entry.value * square) if _switches(name) else entry
        for name, entry in technology.entries.items()
    }
    return replace(technology, entries=entries, voltage=volts)


def _switches(name: str) -> bool:
    return ENTRIES[name].startswith("pJ") and name != "dram"


def _ert(head: object, where: str, folder: Path) -> Ert | None:
    """The energy reference table that the head names; its keys leave the head."""
    if not isinstance(head, dict) or not {"ert", "ert_unit"} & set(head):
        return None
    name, unit = head.pop("ert", None), head.pop("ert_unit", None)
    if not isinstance(name, str):
        raise InputError(f"{where}: ert must be the name of a file, not {shown(name)}")
    return load_ert(folder / name, unit, where)


TABLES = Shipped(folder="tech", noun="Technology", file="Technology file", parse=parse)
