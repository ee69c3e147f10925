"""Critical path of a gate netlist from the Liberty's delay tables.

The longest way from an input or a flip-flop's clock to a flip-flop's data or an output, rising and
falling edges apart, transition times carried along. Loads are input pins (and wires as a factor).
Not in it: set-up times, placed wires, clock skew.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from ...spec.errors import InputError
from ..liberty.cells import TimingArc
from ..liberty.liberty import Library
from ..liberty.table import Floats, Table
from .netlist import Gate, Netlist, clock_pin, net_loads

RISE, FALL = 0, 1
EDGE_NAMES = ("rise", "fall")
_FROM: dict[str, dict[int, tuple[int, ...]]] = {
    "positive_unate": {RISE: (RISE,), FALL: (FALL,)},
    "negative_unate": {RISE: (FALL,), FALL: (RISE,)},
    "non_unate": {RISE: (RISE, FALL), FALL: (RISE, FALL)},
}
"""Which input edges cause an output edge."""


def input_edges(arc: TimingArc, edge: int) -> tuple[int, ...]:
    """The edges of an arc's input that cause an edge of its output."""
    return (RISE,) if arc.kind == "rising_edge" else _FROM[arc.sense][edge]


@dataclass(frozen=True, kw_only=True, slots=True)
class CriticalPath:
    """The longest path and the cells on it, in order."""

    ns: float
    cells: tuple[str, ...]


def critical_path(
    netlist: Netlist, library: Library, slew_ns: float, wire_factor: float = 0.0
) -> CriticalPath:
    """slew_ns: of the inputs and the clock."""
    walk = _Walk(netlist, library, slew_ns, net_loads(netlist, library, wire_factor))
    for gate in _ordered(netlist, library):
        walk.pass_through(gate)
    return walk.longest()


class _Walk:
    """Latest arrival and its transition time, per net and edge."""

    def __init__(self, netlist: Netlist, library: Library, slew_ns: float, loads: Floats) -> None:
        self.netlist, self.library = netlist, library
        self.loads: list[float] = loads.tolist()
        self.arrival = [[-math.inf] * 2 for _ in range(netlist.nets)]
        self.slew = [[float(slew_ns)] * 2 for _ in range(netlist.nets)]
        self.cause: dict[int, tuple[str, int]] = {}  # net -> cell, net that it came from
        self.known: dict[str, list[tuple[str, bool, list[Way]]]] = {}
        for nets in (*netlist.inputs.values(), (netlist.clock,)):
            for net in nets:
                if net is not None:
                    self.arrival[net] = [0.0, 0.0]

    def pass_through(self, gate: Gate) -> None:
        if gate.cell not in self.known:
            self.known[gate.cell] = ways_of(self.library, gate.cell)
        for pin, timed, ways in self.known[gate.cell]:
            net = gate.pins.get(pin, -1)
            if net < 0:
                continue
            if not timed:
                cell = self.library.cell(gate.cell)
                if cell.pins[pin].function is not None and cell.inputs:
                    raise InputError(
                        f"Cell {cell.name!r}, output {pin!r} must have timing, not none: the "
                        "library says no delay"
                    )
            self._arrive(gate, ways, net)

    def _arrive(self, gate: Gate, ways: list["Way"], net: int) -> None:
        load, latest = self.loads[net], self.arrival[net]
        for related, edge, start, delay, transition in ways:
            source = gate.pins.get(related, -1)
            if source < 0:
                continue
            slew = self.slew[source][start]
            at = self.arrival[source][start] + delay.number_at(slew, load)
            if at > latest[edge]:
                latest[edge] = at
                self.slew[net][edge] = transition.number_at(slew, load)
                if at >= max(latest):
                    self.cause[net] = (gate.cell, source)

    def longest(self) -> CriticalPath:
        ends = {net for nets in self.netlist.outputs.values() for net in nets if net >= 0}
        for gate in self.netlist.gates:
            cell = self.library.cell(gate.cell)
            if cell.ff is not None:
                clock = clock_pin(cell)
                ends |= {gate.pins[p] for p in cell.inputs if p != clock and gate.pins[p] >= 0}
        last = max(ends, key=lambda net: max(self.arrival[net]))
        cells, net = [], last
        while net in self.cause:
            name, net = self.cause[net]
            cells.append(name)
        return CriticalPath(ns=max(self.arrival[last]), cells=tuple(reversed(cells)))


Way = tuple[str, int, int, Table, Table]
"""From an input and its edge to an edge of an output: input, edge of the output, of the input,
delay, transition."""


def ways_of(library: Library, name: str) -> list[tuple[str, bool, list[Way]]]:
    """Of every output of a cell whether it has arcs, and these in the library's order."""
    found = []
    for pin in library.cell(name).outputs:
        ways: list[Way] = []
        arcs = library.timings(name, pin)
        for arc in arcs:
            for related in arc.related:
                for edge, text in enumerate(EDGE_NAMES):
                    delay = arc.tables.get(f"cell_{text}")
                    transition = arc.tables.get(f"{text}_transition")
                    if delay is not None and transition is not None:
                        ways += [
                            (related, edge, start, delay, transition)
                            for start in input_edges(arc, edge)
                        ]
        found.append((pin, bool(arcs), ways))
    return found


def _ordered(netlist: Netlist, library: Library) -> Iterator[Gate]:
    """Gates behind what drives them, flip-flops behind nothing; a loop is refused."""
    cells = [library.cell(gate.cell) for gate in netlist.gates]
    driver = {
        net: number
        for number, (gate, cell) in enumerate(zip(netlist.gates, cells, strict=True))
        for pin, net in gate.pins.items()
        if pin in cell.outputs and net >= 0
    }
    sources = {
        number: {driver[gate.pins[p]] for p in cell.inputs if gate.pins[p] in driver}
        if cell.ff is None
        else set()
        for number, (gate, cell) in enumerate(zip(netlist.gates, cells, strict=True))
    }
    try:
        for number in TopologicalSorter(sources).static_order():
            yield netlist.gates[number]
    except CycleError as error:
        name = netlist.gates[error.args[1][0]].name
        raise InputError(f"Netlist must have no loop of gates, not one through {name!r}") from error
