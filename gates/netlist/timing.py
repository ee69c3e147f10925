"""Critical path of a gate netlist from the Liberty's delay tables.

The longest way from an input or a flip-flop's clock to a flip-flop's data or an output, rising and
falling edges apart, transition times carried along. Loads are input pins (and wires as a factor).
Not in it: set-up times, placed wires, clock skew.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...spec.errors import InputError
from ..liberty.cells import TimingArc
from ..liberty.liberty import Library
from ..liberty.table import Floats
from .netlist import Gate, Netlist, clock_pin, net_loads

RISE, FALL = 0, 1
_NAMES = ("rise", "fall")
_FROM: dict[str, dict[int, tuple[int, ...]]] = {
    "positive_unate": {RISE: (RISE,), FALL: (FALL,)},
    "negative_unate": {RISE: (FALL,), FALL: (RISE,)},
    "non_unate": {RISE: (RISE, FALL), FALL: (RISE, FALL)},
}
"""Which input edges cause an output edge."""


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
        self.netlist, self.library, self.loads = netlist, library, loads
        self.arrival = np.full((netlist.nets, 2), -np.inf)
        self.slew = np.full((netlist.nets, 2), slew_ns)
        self.cause: dict[int, tuple[str, int]] = {}  # net -> cell, net that it came from
        for nets in (*netlist.inputs.values(), (netlist.clock,)):
            for net in nets:
                if net is not None:
                    self.arrival[net] = 0.0

    def pass_through(self, gate: Gate) -> None:
        cell = self.library.cell(gate.cell)
        for pin in cell.outputs:
            net = gate.pins.get(pin, -1)
            if net < 0:
                continue
            arcs = self.library.timings(gate.cell, pin)
            if not arcs and cell.pins[pin].function is not None and cell.inputs:
                raise InputError(
                    f"Cell {cell.name!r}, output {pin!r} must have timing, not none: the library "
                    "says no delay"
                )
            for arc in arcs:
                for related in arc.related:
                    self._arc(gate, arc, gate.pins.get(related, -1), net)

    def _arc(self, gate: Gate, arc: TimingArc, source: int, net: int) -> None:
        if source < 0:
            return
        causes = _FROM[arc.sense]
        for edge, name in enumerate(_NAMES):
            delay, transition = (arc.tables.get(k) for k in (f"cell_{name}", f"{name}_transition"))
            if delay is None or transition is None:
                continue
            starts = (RISE,) if arc.kind == "rising_edge" else causes[edge]
            for start in starts:
                slew = self.slew[source, start]
                at = self.arrival[source, start] + float(delay.at(slew, self.loads[net]))
                if at > self.arrival[net, edge]:
                    self.arrival[net, edge] = at
                    self.slew[net, edge] = float(transition.at(slew, self.loads[net]))
                    if at >= self.arrival[net].max():
                        self.cause[net] = (gate.cell, source)

    def longest(self) -> CriticalPath:
        ends = {net for nets in self.netlist.outputs.values() for net in nets if net >= 0}
        for gate in self.netlist.gates:
            cell = self.library.cell(gate.cell)
            if cell.ff is not None:
                clock = clock_pin(cell)
                ends |= {gate.pins[p] for p in cell.inputs if p != clock and gate.pins[p] >= 0}
        last = max(ends, key=lambda net: self.arrival[net].max())
        names, net = [], last
        while net in self.cause:
            name, net = self.cause[net]
            names.append(name)
        return CriticalPath(ns=float(self.arrival[last].max()), cells=tuple(reversed(names)))


def _ordered(netlist: Netlist, library: Library) -> Iterator[Gate]:
    """Flip-flops, then gates behind what drives them; a loop is refused."""
    readers: dict[int, list[int]] = {}
    waits: dict[int, int] = {}
    driven = {
        net
        for gate in netlist.gates
        for pin, net in gate.pins.items()
        if pin in library.cell(gate.cell).outputs and library.cell(gate.cell).ff is None
    }
    ready: list[int] = []
    for number, gate in enumerate(netlist.gates):
        cell = library.cell(gate.cell)
        sources = [gate.pins[p] for p in cell.inputs if gate.pins[p] in driven]
        if cell.ff is not None or not sources:
            ready.append(number)
            continue
        waits[number] = len(sources)
        for net in sources:
            readers.setdefault(net, []).append(number)
    ready.sort(key=lambda i: library.cell(netlist.gates[i].cell).ff is None)
    while ready:
        gate = netlist.gates[ready.pop(0)]
        yield gate
        cell = library.cell(gate.cell)
        if cell.ff is not None:
            continue
        for pin in cell.outputs:
            for number in readers.get(gate.pins.get(pin, -1), ()):
                waits[number] -= 1
                if not waits[number]:
                    ready.append(number)
    if any(waits.values()):
        name = netlist.gates[next(i for i, n in waits.items() if n)].name
        raise InputError(f"Netlist must have no loop of gates, not one through {name!r}")
