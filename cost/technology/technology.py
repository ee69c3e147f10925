"""Technology tables: price of an event, with its bar and source.

A table is a TOML file: `[technology]` (name, node, summary, `sram_law`) and one `[entry.NAME]` for
each name of `ENTRIES` with exactly `value = {low, expected, high}`, `unit`, `source`, `node` and
`note`. Nothing ever defaults: a missing entry, bar or source, a value that is not a positive finite
number, a unit that is not the entry's own, an unknown key, each is refused with one line.

`low` and `high` bound what the sources disagree about. They are corners, not standard deviations.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ...rtl.timing.elementwise import most, root
from ...spec.errors import InputError
from ...spec.host.reading import (
    MAX_TOML_BYTES,
    exact_keys,
    parse_toml,
    positive_number,
    read_text,
)
from ...spec.host.text import shown
from .accelergy import Ert, load_ert

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

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
"""Name of a technology, used in tables, on pages and in names of files."""

_exact = partial(exact_keys, lacking="must have {key}: nothing defaults")

SRAM_LAWS = ("sqrt", "flat")
BAND_KEYS = ("low", "expected", "high")
ENTRY_KEYS = ("value", "unit", "source", "node", "note")


@dataclass(frozen=True, kw_only=True, slots=True)
class Band:
    """A number with its bar. Corners add and scale together: the errors are taken as common.

    >>> (Band(low=1.0, expected=2.0, high=4.0) + Band.exactly(0.5)) * 2.0
    Band(low=3.0, expected=5.0, high=9.0)
    """

    low: float
    expected: float
    high: float

    @classmethod
    def exactly(cls, value: float) -> "Band":
        return cls(low=value, expected=value, high=value)

    def __add__(self, other: "Band") -> "Band":
        return Band(
            low=self.low + other.low,
            expected=self.expected + other.expected,
            high=self.high + other.high,
        )

    def __mul__(self, other: "Band | float | npt.NDArray[np.int64]") -> "Band":
        # a vector of `cost.estimate.points` computes as a number does
        by = other if isinstance(other, Band) else Band.exactly(cast(float, other))
        return Band(
            low=self.low * by.low, expected=self.expected * by.expected, high=self.high * by.high
        )

    def as_dict(self) -> dict[str, float]:
        return {key: getattr(self, key) for key in BAND_KEYS}


ZERO = Band.exactly(0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One number of a table with its provenance."""

    value: Band
    unit: str
    source: str
    node: str
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Technology:
    """A complete table; `entries` has exactly the keys of `ENTRIES`."""

    name: str
    node: str
    summary: str
    sram_law: str
    """`sqrt`: energy of a bit grows with the root of the memory's capacity; `flat`: it does not."""

    entries: Mapping[str, Entry]

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
    folder = resources.files(__package__) / "tech"
    return sorted(Path(f.name).stem for f in folder.iterdir() if f.name.endswith(".toml"))


def load(name: str | Path) -> Technology:
    """The shipped table called `name`, or the one in the file `name` (ending in .toml)."""
    if str(name).endswith(".toml"):
        path = Path(name)
        return parse(read_text(path, "Technology file", MAX_TOML_BYTES), str(path), path.parent)
    if name not in available():
        raise InputError(
            f"Technology must be one of {', '.join(available())} or a .toml file, not {str(name)!r}"
        )
    return _shipped(str(name))


@cache
def _shipped(name: str) -> Technology:
    source = resources.files(__package__) / "tech" / f"{name}.toml"
    return parse(source.read_text(encoding="utf-8"), f"{name}.toml")


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
    _exact(data, ("technology", "entry"), f"Technology {where!r}")
    head, entries = data["technology"], data["entry"]
    ert = _ert(head, f"Technology {where!r}", folder)
    _exact(head, ("name", "node", "summary", "sram_law"), f"Technology {where!r}, head")
    for key in head:
        _text(head, key, f"Technology {where!r}")
    if not NAME.fullmatch(head["name"]):
        raise InputError(
            f"Technology {where!r}: name must be letters, digits and ._+- (at most 64, a letter or "
            f"digit first), not {head['name']!r}"
        )
    if head["sram_law"] not in SRAM_LAWS:
        raise InputError(
            f"Technology {where!r}: sram_law must be one of {', '.join(SRAM_LAWS)}, "
            f"not {shown(head['sram_law'])}"
        )
    _exact(entries, ENTRIES, f"Technology {where!r}, entries")
    return Technology(
        **head,
        entries={key: _entry(key, entries[key], f"Technology {where!r}", ert) for key in ENTRIES},
    )


def _ert(head: object, where: str, folder: Path) -> Ert | None:
    """The energy reference table that the head names; its keys leave the head."""
    if not isinstance(head, dict) or not {"ert", "ert_unit"} & set(head):
        return None
    name, unit = head.pop("ert", None), head.pop("ert_unit", None)
    if not isinstance(name, str):
        raise InputError(f"{where}: ert must be the name of a file, not {shown(name)}")
    return load_ert(folder / name, unit, where)


def _entry(name: str, data: object, where: str, ert: Ert | None = None) -> Entry:
    what = f"{where}, entry {name!r}"
    if ert is not None and isinstance(data, dict) and "ert" in data and "value" not in data:
        bars = ert.band(data["ert"], what)
        data = {k: v for k, v in data.items() if k != "ert"}
        data["value"] = dict(zip(BAND_KEYS, bars, strict=True))
    data = _exact(data, ENTRY_KEYS, what)
    for key in ("unit", "source", "node", "note"):
        _text(data, key, what)
    if data["unit"] != ENTRIES[name]:
        raise InputError(f"{what}: unit must be {ENTRIES[name]!r}, not {shown(data['unit'])}")
    band = _exact(data["value"], BAND_KEYS, f"{what}, value")
    low, expected, high = (positive_number(band[k], f"{what}: {k}") for k in BAND_KEYS)
    if not low <= expected <= high:
        raise InputError(
            f"{what}: value must have low <= expected <= high, not {low}, {expected}, {high}"
        )
    texts = {key: data[key] for key in ENTRY_KEYS if key != "value"}
    return Entry(value=Band(low=low, expected=expected, high=high), **texts)


def _text(data: dict[str, Any], key: str, what: str) -> None:
    if not isinstance(data[key], str) or not data[key].strip():
        raise InputError(f"{what}: {key} must be a non-empty text, not {shown(data[key])}")
