"""Glitches: a netlist with the library's delays, event by event, beside its zero-delay toggles.

Every gate output has a delay per input pin and edge, read at one transition time and the net's own
load, and swallows pulses shorter than that (inertial delay). Ports change when the flip-flops do.
Transition times are not propagated, wires have no delay: a share to be stated, not a sign-off.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
import numpy.typing as npt

from ..liberty.liberty import Library
from ..liberty.table import Floats
from ..netlist.netlist import Gate, Netlist, net_loads
from .simulation import COUNT, Stimulus

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Glitches:
    """Counts of the counted cycles."""

    cycles: int
    toggles: Counts
    """(nets,) changes, glitches included."""
    settled: Counts
    """(nets,) changes from one settled state to the next: those of a simulation without delays."""

    def factor(self, loads: Floats) -> float:
        """Switching energy with glitches over that without; loads: (nets,) fF."""
        return float(loads @ self.toggles) / float(loads @ self.settled)


def glitches(
    netlist: Netlist,
    library: Library,
    stimulus: Stimulus,
    slew_ns: float,
    wire_factor: float = 0.0,
) -> Glitches:
    """Play the stimulus, a row per cycle (nothing may be waited for). Slow: 10^5 events/s."""
    return _Events(netlist, library, slew_ns, net_loads(netlist, library, wire_factor)).play(
        stimulus
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Output:
    """A gate's output: its net, its value by input state, its delay by input pin and new value."""

    net: int
    inputs: tuple[int, ...]
    table: tuple[int, ...]
    delays: dict[int, tuple[float, float]]
    """Input net -> (to 0, to 1) in ns."""


class _Events:
    def __init__(self, netlist: Netlist, library: Library, slew_ns: float, loads: Floats) -> None:
        self.netlist, self.library = netlist, library
        self.slew_ns, self.loads = slew_ns, loads
        self.values = [0] * netlist.nets + [0, 1]
        self.pending: dict[int, tuple[int, int]] = {}  # net -> number of its event, value
        self.queue: list[tuple[float, int, int, int]] = []  # time, number, net, value
        self.numbers = count()
        self.changes = np.zeros(netlist.nets, np.int64)
        self.readers: dict[int, list[_Output]] = {}
        self.states: dict[int, int] = {}
        self.flip_flops = []
        for number, gate in enumerate(netlist.gates):
            if library.cell(gate.cell).ff is None:
                for output in self._outputs(gate):
                    for net in set(output.inputs):
                        self.readers.setdefault(net, []).append(output)
            else:
                self.states[number] = 0
                self.flip_flops.append(number)
        late = [delay for i in self.flip_flops for _, _, delay in self._shown(i)]
        self.port_delay = float(np.median(late)) if late else 0.0

    def play(self, stimulus: Stimulus) -> Glitches:
        nets = self.netlist.nets
        toggles, settled, cycles = np.zeros(nets, np.int64), np.zeros(nets, np.int64), 0
        for outputs in list(self.readers.values()):
            for output in outputs:
                self._evaluate(output, 0.0, output.inputs[0])
        for row, flags in enumerate(stimulus.flags):
            if row:
                self._clock()
            for name, wires in self.netlist.inputs.items():
                for net, value in zip(wires, stimulus.ports[name][row].tolist(), strict=True):
                    self._schedule(net, value, self.port_delay)
            self.changes[:] = 0
            before = np.array(self.values[:nets])
            self._run()
            if row and flags & stimulus.flags[row - 1] & COUNT:
                cycles += 1
                toggles += self.changes
                settled += before != np.array(self.values[:nets])
        return Glitches(cycles=cycles, toggles=toggles, settled=settled)

    def _run(self) -> None:
        """Until nothing changes."""
        while self.queue:
            time, number, net, value = heapq.heappop(self.queue)
            if self.pending.get(net, (-1, 0))[0] != number:
                continue  # swallowed
            del self.pending[net]
            self.values[net] = value
            self.changes[net] += 1
            for output in self.readers.get(net, ()):
                self._evaluate(output, time, net)

    def _evaluate(self, output: _Output, time: float, cause: int) -> None:
        state = 0
        for bit, net in enumerate(output.inputs):
            state |= self.values[net] << bit
        value = output.table[state]
        self._schedule(output.net, value, time + output.delays[cause][value])

    def _schedule(self, net: int, value: int, time: float) -> None:
        waiting = self.pending.get(net)
        if waiting is not None:
            if waiting[1] == value:
                return
            del self.pending[net]
        if value != self.values[net]:
            number = next(self.numbers)
            self.pending[net] = number, value
            heapq.heappush(self.queue, (time, number, net, value))

    def _clock(self) -> None:
        """All flip-flops take their next state, seen at their outputs after their delay."""
        following = {i: self._next(self.netlist.gates[i], self.states[i]) for i in self.flip_flops}
        self.states.update(following)
        for number in self.flip_flops:
            for net, value, delay in self._shown(number):
                self._schedule(net, value, delay)

    def _next(self, gate: Gate, state: int) -> int:
        cell = self.library.cell(gate.cell)
        assert cell.ff is not None
        values = {pin: self.values[gate.pins[pin]] for pin in cell.inputs}
        values |= {cell.ff.state: state, cell.ff.inverse: 1 - state}
        return int(cell.ff.next_state.evaluate(values))

    def _shown(self, number: int) -> Iterator[tuple[int, int, float]]:
        """(net, value, delay) of the flip-flop's outputs."""
        gate = self.netlist.gates[number]
        cell, state = self.library.cell(gate.cell), self.states[number]
        assert cell.ff is not None
        for pin in cell.outputs:
            net, function = gate.pins.get(pin, -1), cell.pins[pin].function
            if net >= 0 and function is not None:
                value = function.evaluate({cell.ff.state: state, cell.ff.inverse: 1 - state})
                yield net, int(value), self._delay(gate, pin, None)[int(value)]

    def _outputs(self, gate: Gate) -> Iterator[_Output]:
        cell = self.library.cell(gate.cell)
        for pin in cell.outputs:
            net, function = gate.pins.get(pin, -1), cell.pins[pin].function
            if net < 0 or function is None:
                continue
            pins = function.pins
            states = [{p: s >> b & 1 for b, p in enumerate(pins)} for s in range(1 << len(pins))]
            inputs = tuple(gate.pins[p] for p in pins)
            delays: dict[int, tuple[float, float]] = {}
            for name, source in zip(pins, inputs, strict=True):
                found = self._delay(gate, pin, name)
                least = delays.get(source, (0.0, 0.0))
                delays[source] = max(found[0], least[0]), max(found[1], least[1])
            table = tuple(int(function.evaluate(values)) for values in states)
            yield _Output(net=net, inputs=inputs, table=table, delays=delays)

    def _delay(self, gate: Gate, pin: str, related: str | None) -> tuple[float, float]:
        """(to 0, to 1) in ns: the slowest arc of that input, or of any."""
        found = [0.0, 0.0]
        load = self.loads[gate.pins[pin]]
        for arc in self.library.timings(gate.cell, pin):
            if related is not None and related not in arc.related:
                continue
            for value, name in enumerate(("cell_fall", "cell_rise")):
                if name in arc.tables:
                    delay = float(arc.tables[name].at(self.slew_ns, load))
                    found[value] = max(found[value], delay)
        return found[0], found[1]
