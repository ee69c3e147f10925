"""A Liberty library as data: cells, pins, functions, energies, leakage, area; units made one.

Everything is in fF, fJ, ns, nW, V and the library's area unit (um2 as a rule). What a library does
not say is refused where it is needed: no capacitance, energy or leakage has a default.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...spec.errors import InputError
from .cells import Cell, CellReader, TimingArc, Units, number
from .table import Table
from .text import Group, parse_text, read_text

_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
_CELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
"""Names of cells become words of scripts and of Verilog: nothing there may need quoting."""
_LIBRARY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,255}")
_NEVER = ("dont_use", "dont_touch", "is_isolation_cell", "is_level_shifter", "always_on")
"""Marks of cells that synthesis must not choose by itself."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Library:
    """A library; its cells are read at their first use."""

    name: str
    where: str
    voltage: float
    units: Units
    groups: Mapping[str, Group]
    templates: Mapping[str, Group]
    _cells: dict[str, Cell] = field(default_factory=dict, repr=False)
    defaults: Mapping[str, str] = field(default_factory=dict)
    """Attributes `default_...` of the library, as text."""
    _timings: dict[tuple[str, str], tuple[TimingArc, ...]] = field(default_factory=dict, repr=False)
    _setups: dict[tuple[str, str], tuple[dict[str, Table], ...]] = field(
        default_factory=dict, repr=False
    )

    def cell(self, name: str) -> Cell:
        """The cell called `name`."""
        if name not in self._cells:
            if name not in self.groups:
                raise InputError(f"Cell {name!r} must be in Liberty {self.where!r}, not missing")
            self._cells[name] = self._reader(name).cell()
        return self._cells[name]

    def _reader(self, name: str) -> CellReader:
        return CellReader(self.groups[name], self.templates, self.units, self.where)

    def unusable(self) -> list[str]:
        """Cells that synthesis must leave alone: marked so, or not understood here."""
        marked = [
            n for n, g in self.groups.items() if any(g.values.get(k) == "true" for k in _NEVER)
        ]
        return sorted({*marked, *(n for n in self.groups if self.cell(n).refusal)})

    def timings(self, name: str, pin: str) -> tuple[TimingArc, ...]:
        """Delays of an output of a cell."""
        if (name, pin) not in self._timings:
            self._timings[name, pin] = self._reader(name).timings(pin)
        return self._timings[name, pin]

    def setups(self, name: str, pin: str) -> tuple[dict[str, Table], ...]:
        """Set-up times of an input of a flip-flop, for its `rise` and `fall`."""
        if (name, pin) not in self._setups:
            self._setups[name, pin] = self._reader(name).setups(pin)
        return self._setups[name, pin]


def read_liberty(path: Path) -> Library:
    """The library in a `.lib` or `.lib.gz`."""
    return parse_liberty(read_text(path), path.name)


def parse_liberty(text: str, where: str) -> Library:
    """The library in a text; `where` names it in messages."""
    head = parse_text(text, where)
    if not _LIBRARY_NAME.fullmatch(head.label):
        raise InputError(
            f"Liberty {where!r}: library must be named by letters, digits, '_', '.', '+', '-', "
            f"not {head.label[:80]!r}"
        )
    groups: dict[str, Group] = {}
    for group in head.named("cell"):
        _check_cell(group, where, groups)
        groups[group.label] = group
    if not groups:
        raise InputError(f"Liberty {where!r} must have cells, not none")
    names = ("power_lut_template", "lu_table_template")
    templates = {g.label: g for name in names for g in head.named(name)}
    return Library(
        name=head.label,
        where=where,
        voltage=_voltage(head, where),
        units=_units(head, where),
        groups=groups,
        templates=templates,
        defaults={n: text for n, text in head.values.items() if n.startswith("default_")},
    )


def _check_cell(group: Group, where: str, known: Mapping[str, Group]) -> None:
    what = f"Liberty {where!r}: cell of line {group.line}"
    if not _CELL_NAME.fullmatch(group.label):
        raise InputError(
            f"{what} must be named by letters, digits and '_', not {group.label[:80]!r}"
        )
    if group.label in known:
        raise InputError(f"{what} must have a name of its own, not {group.label!r} again")


def _voltage(head: Group, where: str) -> float:
    text = head.values.get("nom_voltage")
    if text is None:
        chosen = head.values.get("default_operating_conditions")
        conditions = [g for g in head.named("operating_conditions") if g.label == chosen]
        text = conditions[0].values.get("voltage") if conditions else None
    return number(text, f"Liberty {where!r}: nom_voltage", positive=True)


def _units(head: Group, where: str) -> Units:
    what = f"Liberty {where!r}"
    load = head.lists.get("capacitive_load_unit", ())
    if len(load) != 2 or load[1].lower() not in ("ff", "pf"):
        raise InputError(f"{what}: capacitive_load_unit must be (number, ff or pf), not {load!r}")
    load_ff = number(load[0], f"{what}: capacitive_load_unit", positive=True)
    load_ff *= 1000.0 if load[1].lower() == "pf" else 1.0
    volt = _scaled(head.values.get("voltage_unit"), "V", f"{what}: voltage_unit")
    return Units(
        time_ns=_scaled(head.values.get("time_unit"), "s", f"{what}: time_unit") * 1e9,
        load_ff=load_ff,
        energy_fj=load_ff * volt**2,
        leakage_nw=_scaled(
            head.values.get("leakage_power_unit"), "W", f"{what}: leakage_power_unit"
        )
        * 1e9,
    )


def _scaled(text: str | None, unit: str, what: str) -> float:
    """`10ps` and the like, in the unit without prefix."""
    found = re.fullmatch(rf"([\d.eE+-]+)\s*([fpnumk]?){unit}", text or "")
    if found is None:
        raise InputError(f"{what} must be a number with a unit of {unit}, not {text!r}")
    return number(found[1], what, positive=True) * _PREFIX[found[2]]
