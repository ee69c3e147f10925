"""Cells of a Liberty: functions, energies of edges, leakage; their reader."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ...spec.errors import InputError
from .function import Function, parse_function
from .table import CONSTRAINTS, LARGEST, VARIABLES, Table, read_table
from .text import Group

_DELAYS = ("cell_rise", "cell_fall", "rise_transition", "fall_transition")
_DELAY_ARCS = ("combinational", "rising_edge", "falling_edge")
_SETUPS = {"rise_constraint": "rise", "fall_constraint": "fall"}
_SENSES = ("positive_unate", "negative_unate", "non_unate")
_PIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,255}")
"""Names of pins become ports in Verilog and words of scripts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """Factors from the library's units to those of this package."""

    time_ns: float
    load_ff: float
    energy_fj: float
    """Of internal power: Liberty's capacitance unit times the square of its voltage unit."""
    leakage_nw: float


@dataclass(frozen=True, kw_only=True, slots=True)
class PowerArc:
    """One `internal_power` group of a pin: fJ per rising and falling edge of that pin."""

    related: tuple[str, ...]
    """Inputs whose change moves the output; empty: any edge of the pin itself counts."""
    when: Function | None
    rise: Table
    fall: Table


@dataclass(frozen=True, kw_only=True, slots=True)
class TimingArc:
    """One `timing` group of an output: delay and transition in ns."""

    related: tuple[str, ...]
    kind: str
    """Liberty's timing_type; `combinational` where the library has none."""
    sense: str
    tables: Mapping[str, Table]
    """cell_rise, cell_fall, rise_transition, fall_transition."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One signal pin."""

    name: str
    direction: str
    capacitance_ff: float | None
    """None where the library gives none: outputs, as a rule."""
    function: Function | None
    powers: tuple[PowerArc, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class FlipFlop:
    """The `ff` group: `state` takes `next_state` when `clocked_on` becomes true."""

    state: str
    inverse: str
    clocked_on: Function
    next_state: Function
    asynchronous: bool
    """It has a clear or preset."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One cell; `refusal` is why a netlist may not use it, empty when it may."""

    name: str
    area: float
    pins: Mapping[str, Pin]
    ff: FlipFlop | None
    leakage: tuple[tuple[Function | None, float], ...]
    """(when, nW); None: whatever no condition covers."""
    refusal: str

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(name for name, pin in self.pins.items() if pin.direction == "input")

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(name for name, pin in self.pins.items() if pin.direction == "output")

    def combinational(self, pin: str) -> Function | None:
        """Of an output that follows inputs alone; None: it has a state, or no function is told."""
        function = self.pins[pin].function
        if function is None or not set(function.pins) <= set(self.inputs):
            return None
        return function


class CellReader:
    """Reads one `cell` group; `where` names library and cell in messages."""

    def __init__(
        self, group: Group, templates: Mapping[str, Group], units: Units, library: str
    ) -> None:
        self.group, self.templates, self.units = group, templates, units
        self.where = f"Liberty {library!r}, cell {group.label!r}"

    def cell(self) -> Cell:
        area = self.group.values.get("area")
        pins = {g.label: self._pin(g) for g in self.group.named("pin")}
        ff, leakage = self._flip_flop(), self._leakage()
        return Cell(
            name=self.group.label,
            area=number(area, f"{self.where}: area", least=0.0),
            pins=pins,
            ff=ff,
            leakage=leakage,
            refusal=self._refusal() or _names_refused(pins, ff),
        )

    def timings(self, pin: str) -> tuple[TimingArc, ...]:
        """Delay arcs of an output; set-up, hold and pulse width are no delays."""
        found = [g for g in self.group.named("pin") if g.label == pin]
        arcs = []
        for group in found[0].named("timing") if found else ():
            kind = group.values.get("timing_type", "combinational")
            if kind not in _DELAY_ARCS:
                continue
            where = f"{self.where}, pin {pin!r}, timing"
            sense = group.values.get("timing_sense", "non_unate")
            if sense not in _SENSES:
                raise InputError(
                    f"{where}: timing_sense must be one of {', '.join(_SENSES)}, not {sense!r}"
                )
            arcs.append(
                TimingArc(
                    related=tuple(group.values.get("related_pin", "").split()),
                    kind=kind,
                    sense=sense,
                    tables={
                        name: self._table(table, where, self.units.time_ns)
                        for name in _DELAYS
                        for table in group.named(name)
                    },
                )
            )
        return tuple(arcs)

    def setups(self, pin: str) -> tuple[dict[str, Table], ...]:
        """Times that an input must be stable before the clock rises, for its `rise` and `fall`."""
        found = [g for g in self.group.named("pin") if g.label == pin]
        arcs = []
        for group in found[0].named("timing") if found else ():
            if group.values.get("timing_type") != "setup_rising":
                continue
            where = f"{self.where}, pin {pin!r}, setup_rising in line {group.line}"
            arcs.append(
                {
                    edge: self._table(table, where, self.units.time_ns, CONSTRAINTS)
                    for name, edge in _SETUPS.items()
                    for table in group.named(name)
                }
            )
        return tuple(arcs)

    def _pin(self, group: Group) -> Pin:
        where = f"{self.where}, pin {group.label!r}"
        direction = group.values.get("direction", "")
        if direction not in ("input", "output", "inout", "internal"):
            raise InputError(f"{where}: direction must be input or output, not {direction!r}")
        capacitance = group.values.get("capacitance")
        load = None
        if capacitance is not None:
            load = number(capacitance, f"{where}: capacitance", least=0.0) * self.units.load_ff
        return Pin(
            name=group.label,
            direction=direction,
            capacitance_ff=load,
            function=self._function(group, "function", where),
            powers=tuple(self._power(g, where) for g in group.named("internal_power")),
        )

    def _power(self, group: Group, where: str) -> PowerArc:
        what = f"{where}, internal_power in line {group.line}"
        tables = {
            edge: self._table(table, f"{what}, {name}", self.units.energy_fj)
            for name, edges in _EDGES.items()
            for table in group.named(name)
            for edge in edges
        }
        for edge in ("rise", "fall"):
            if edge not in tables:
                raise InputError(f"{what} must have {edge}_power, not none")
        return PowerArc(
            related=tuple(group.values.get("related_pin", "").split()),
            when=self._function(group, "when", what),
            **tables,
        )

    def _table(
        self, group: Group, where: str, unit: float, variables: Mapping[str, str] = VARIABLES
    ) -> Table:
        return read_table(
            group,
            self.templates,
            where,
            time_ns=self.units.time_ns,
            load_ff=self.units.load_ff,
            unit=unit,
            variables=variables,
        )

    def _function(self, group: Group, name: str, where: str) -> Function | None:
        text = group.values.get(name)
        return parse_function(text, f"{where}: {name}") if text else None

    def _flip_flop(self) -> FlipFlop | None:
        group = next(self.group.named("ff"), None)
        if group is None:
            return None
        where = f"{self.where}, ff"
        clock, data = (self._function(group, n, where) for n in ("clocked_on", "next_state"))
        if clock is None or data is None or len(group.arguments) != 2:
            raise InputError(f"{where} must have two states, clocked_on and next_state")
        return FlipFlop(
            state=group.arguments[0],
            inverse=group.arguments[1],
            clocked_on=clock,
            next_state=data,
            asynchronous=bool({"clear", "preset"} & set(group.values)),
        )

    def _leakage(self) -> tuple[tuple[Function | None, float], ...]:
        found: list[tuple[Function | None, float]] = []
        for group in self.group.named("leakage_power"):
            where = f"{self.where}, leakage_power in line {group.line}"
            nw = number(group.values.get("value"), f"{where}: value") * self.units.leakage_nw
            found.append((self._function(group, "when", where), nw))
        whole = self.group.values.get("cell_leakage_power")
        if whole is not None and all(when is not None for when, _ in found):
            nw = number(whole, f"{self.where}: cell_leakage_power") * self.units.leakage_nw
            found.append((None, nw))
        return tuple(found)

    def _refusal(self) -> str:
        for kind in ("latch", "statetable", "ff_bank", "latch_bank", "bus", "bundle"):
            if next(self.group.named(kind), None) is not None:
                return f"it has a {kind}"
        if "clock_gating_integrated_cell" in self.group.values:
            return "it gates a clock"
        for group in self.group.named("pin"):
            if "three_state" in group.values:
                return "it has a three-state output"
            if group.values.get("direction") == "output" and not group.values.get("function"):
                return f"its output {group.label} has no function"
        return ""


_EDGES = {"rise_power": ("rise",), "fall_power": ("fall",), "power": ("rise", "fall")}


def number(
    text: str | None, what: str, *, positive: bool = False, least: float = -math.inf
) -> float:
    """A finite number, at least `least`."""
    try:
        found = float(text) if text is not None else math.nan
    except ValueError:
        found = math.nan
    if not abs(found) <= LARGEST or (positive and found <= 0):
        shown = text if text is None or len(text) <= 40 else f"{text[:40]}…"
        raise InputError(f"{what} must be a {'positive ' * positive}number, not {shown!r}")
    if found < least:
        raise InputError(f"{what} must be at least {least:g}, not {found:g}")
    return found


def _names_refused(pins: Mapping[str, Pin], ff: FlipFlop | None) -> str:
    """Why the names of a cell's pins cannot be used, or empty."""
    for name in pins:
        if not _PIN_NAME.fullmatch(name):
            return f"its pin {name[:80]!r} is not named by letters, digits and '_'"
    known = {name for name, pin in pins.items() if pin.direction == "input"}
    known |= {ff.state, ff.inverse} if ff else set()
    functions = [pin.function for pin in pins.values()]
    functions += [ff.clocked_on, ff.next_state] if ff else []
    for name in (name for function in functions if function for name in function.pins):
        if name not in known:
            return f"it has no input {name[:80]!r}, which it depends on"
    return ""
