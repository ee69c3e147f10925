"""Static timing of a gate netlist: every path between registers, memories and ports.

Delays and transition times come from the Liberty's tables, rising and falling edges apart; a
register's data must be stable its set-up time before the clock. The clock is ideal: all registers
see it at once, with one stated transition time. Memories have a stated access time from the clock
and a stated set-up time. Inputs arrive with the clock, outputs have no set-up time. Loads are
input pins (and wires as a factor). A gate's output has the slowest of the transition times that
its inputs cause, whichever of them arrives last, as other tools have it. Not in it: placed wires,
clock skew, hold times.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ..liberty.cells import Cell, TimingArc
from ..liberty.liberty import Library
from .netlist import Netlist, clock_pin, net_loads
from .timing import EDGE_NAMES, FALL, RISE, input_edges

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, slots=True)
class Assumptions:
    """What a library does not say."""

    period_ns: float
    slew_ns: float
    """Transition time of the clock, of inputs and of memories' outputs."""
    access_ns: float
    """From the clock to the word that a memory was asked for."""
    memory_setup_ns: float
    """Of a memory's address, data and enables before the clock."""
    memory_pin_ff: float = 2.0
    """Load of an input of a memory."""
    wire_factor: float = 0.0
    """Capacitance of wires as a multiple of that of the pins they reach."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedPath:
    """The longest way to an end; net numbers and gates in order."""

    nets: tuple[int, ...]
    """From the output that begins the path to the input that ends it."""
    gates: tuple[int, ...]
    """The gates between; a register that begins the path is not one."""
    begin: str
    """Register, memory or port, as `names` has it."""
    end: str
    arrival_ns: float
    setup_ns: float
    slack_ns: float


class End(NamedTuple):
    """Where a path ends, with the edge that leaves the least slack."""

    slack_ns: float
    net: int
    edge: int
    setup_ns: float
    name: str


class StaticTiming:
    """Arrival times of all nets, and the ends in the order of their slack."""

    def __init__(
        self, netlist: Netlist, library: Library, assumed: Assumptions, names: dict[int, str]
    ) -> None:
        """names: of nets; a net without one is called by its number."""
        self.netlist, self.library, self.assumed = netlist, library, assumed
        self.names, self.cells = names, [library.cell(gate.cell) for gate in netlist.gates]
        self.loads = np.append(net_loads(netlist, library, assumed.wire_factor), 0.0)
        for macro in netlist.macros:
            self.loads[list(macro.inputs)] += assumed.memory_pin_ff * (1.0 + assumed.wire_factor)
        # the last row stands for constants and for what is not connected
        size = netlist.nets + 1
        self.arrival = np.full((size, 2), -np.inf)
        self.slew = np.zeros((size, 2))
        self.gate, self.source = np.full((2, size, 2), -1, np.int64)
        self.edge = np.zeros((size, 2), np.int64)
        self._begin()
        for level in levels(netlist, self.cells):
            by_cell: dict[str, list[int]] = defaultdict(list)
            for number in level:
                by_cell[netlist.gates[number].cell].append(number)
            for cell, numbers in by_cell.items():
                self._pass_through(library.cell(cell), np.array(numbers))
        self.ends = sorted(self._ends())

    def _begin(self) -> None:
        netlist = self.netlist
        self.starts: dict[int, str] = {}
        for port, nets in netlist.inputs.items():
            self.starts |= {net: f"input {port}[{bit}]" for bit, net in enumerate(nets)}
            self._arrives(nets, 0.0)
        if netlist.clock is not None:
            self._arrives((netlist.clock,), 0.0)
        for macro in netlist.macros:
            self.starts |= dict.fromkeys(macro.outputs, macro.name)
            self._arrives(macro.outputs, self.assumed.access_ns)

    def _arrives(self, nets: Sequence[int], ns: float) -> None:
        self.arrival[list(nets)], self.slew[list(nets)] = ns, self.assumed.slew_ns

    def _pin(self, numbers: Numbers, pin: str) -> Numbers:
        """The net of a pin of several gates; what is no net: the last row."""
        nets = [self.netlist.gates[number].pins.get(pin, -1) for number in numbers]
        return np.array([net if net >= 0 else self.netlist.nets for net in nets])

    def _pass_through(self, cell: Cell, numbers: Numbers) -> None:
        for pin in cell.outputs:
            nets = self._pin(numbers, pin)
            arcs = self.library.timings(cell.name, pin)
            function = cell.pins[pin].function
            if not arcs and function is not None and function.pins:
                raise InputError(
                    f"Cell {cell.name!r}, output {pin!r} must have timing, not none: the library "
                    "says no delay"
                )
            for arc in arcs:
                for related in arc.related:
                    self._arc(numbers, arc, self._pin(numbers, related), nets)

    def _arc(self, numbers: Numbers, arc: TimingArc, sources: Numbers, nets: Numbers) -> None:
        loads = self.loads[nets]
        for edge, name in enumerate(EDGE_NAMES):
            delay, transition = (arc.tables.get(k) for k in (f"cell_{name}", f"{name}_transition"))
            if delay is None or transition is None:
                continue
            for start in input_edges(arc, edge):
                slews = self.slew[sources, start]
                at = self.arrival[sources, start] + delay.at(slews, loads)
                real = (nets < self.netlist.nets) & np.isfinite(at)
                slow = real & ((after := transition.at(slews, loads)) > self.slew[nets, edge])
                self.slew[nets[slow], edge] = after[slow]
                later = real & (at > self.arrival[nets, edge])
                ends = nets[later]
                self.arrival[ends, edge] = at[later]
                self.gate[ends, edge] = numbers[later]
                self.source[ends, edge] = sources[later]
                self.edge[ends, edge] = start

    # -- ends --------------------------------------------------------------------------------------

    def _ends(self) -> Iterator[End]:
        """Every connected input of registers and memories, every output port."""
        by_cell: dict[str, list[int]] = defaultdict(list)
        for number, cell in enumerate(self.cells):
            if cell.ff is not None:
                by_cell[cell.name].append(number)
        for name, numbers in by_cell.items():
            cell = self.library.cell(name)
            for pin in (pin for pin in cell.inputs if pin != clock_pin(cell)):
                yield from self._register_ends(cell, pin, np.array(numbers))
        for macro in self.netlist.macros:
            for net in macro.inputs:
                yield from self._end(net, (self.assumed.memory_setup_ns,) * 2, macro.name)
        for port, nets in self.netlist.outputs.items():
            for bit, net in enumerate(nets):
                yield from self._end(net, (0.0, 0.0), f"output {port}[{bit}]")

    def _register_ends(self, cell: Cell, pin: str, numbers: Numbers) -> Iterator[End]:
        nets = self._pin(numbers, pin)
        arcs = self.library.setups(cell.name, pin)
        if not arcs:
            raise InputError(
                f"Cell {cell.name!r}, input {pin!r} must have a set-up time, not none: the "
                "library has no setup_rising"
            )
        times = np.stack([
            np.max([
                arc[name].setup(self.slew[nets, edge], self.assumed.slew_ns) for arc in arcs
            ], axis=0)
            for edge, name in enumerate(EDGE_NAMES)
        ], axis=1)  # fmt: skip
        for number, net, setups in zip(numbers.tolist(), nets.tolist(), times, strict=True):
            yield from self._end(net, setups, self._register(number))

    def _end(self, net: int, setups: Any, name: str) -> Iterator[End]:
        if net < 0 or net >= self.netlist.nets or not np.isfinite(self.arrival[net]).any():
            return
        slacks = [self.assumed.period_ns - setups[e] - self.arrival[net, e] for e in (RISE, FALL)]
        edge = int(np.argmin(slacks))
        yield End(float(slacks[edge]), net, edge, float(setups[edge]), name)

    def _register(self, number: int) -> str:
        """The name of what a register shows."""
        pins = self.netlist.gates[number].pins
        shown = [pins[pin] for pin in self.cells[number].outputs if pins.get(pin, -1) >= 0]
        return next((self.names[net] for net in shown if net in self.names), f"n{shown[0]}")

    # -- paths -------------------------------------------------------------------------------------

    def path(self, end: End) -> TimedPath:
        """The longest path to an end."""
        net, edge = end.net, end.edge
        nets, gates, begin = [net], [], self.starts.get(net, "")
        while not begin:
            number = int(self.gate[net, edge])
            if self.cells[number].ff is not None:
                begin = self._register(number)
                break
            gates.append(number)
            net, edge = int(self.source[net, edge]), int(self.edge[net, edge])
            nets.append(net)
            begin = self.starts.get(net, "")
        return TimedPath(
            nets=tuple(reversed(nets)),
            gates=tuple(reversed(gates)),
            begin=begin,
            end=end.name,
            arrival_ns=float(self.arrival[end.net, end.edge]),
            setup_ns=end.setup_ns,
            slack_ns=end.slack_ns,
        )


def levels(netlist: Netlist, cells: list[Cell]) -> Iterator[list[int]]:
    """Gates by the number of gates before them, registers first; a loop is refused."""
    driver = {
        net: number
        for number, (gate, cell) in enumerate(zip(netlist.gates, cells, strict=True))
        for pin, net in gate.pins.items()
        if pin in cell.outputs and net >= 0
    }
    missing, after = [0] * len(cells), defaultdict(list)
    for number, (gate, cell) in enumerate(zip(netlist.gates, cells, strict=True)):
        if cell.ff is None:
            before = {driver[gate.pins[pin]] for pin in cell.inputs if gate.pins[pin] in driver}
            missing[number] = len(before)
            for other in before:
                after[other].append(number)
    level = [number for number, count in enumerate(missing) if not count]
    done = 0
    while level:
        yield level
        done += len(level)
        following = []
        for number in level:
            for other in after[number]:
                missing[other] -= 1
                if not missing[other]:
                    following.append(other)
        level = following
    if done < len(cells):
        name = next(gate.name for gate, count in zip(netlist.gates, missing, strict=True) if count)
        raise InputError(f"Netlist must have no loop of gates, not one through {name!r}")
