"""Power of a netlist without stimulus: activities from those of its inputs, and energy from them.

As other tools do where no simulation is given: inputs change a stated number of times per cycle and
are 1 half of the time, clocks twice; a gate's output changes with every input at the probability
that it matters (Najm, "Transition density", IEEE Trans. CAD 12, 1993), inputs taken as independent;
a flip-flop or latch passes on the activity of its data, once per cycle at most; loops are followed
until nothing moves. Correlation is lost: what this is good for is a ratio of two powers of one
netlist, placed and unplaced, under one activity.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError
from ..liberty.cells import Cell
from ..liberty.function import Function, parse_function
from ..liberty.liberty import Library
from ..netlist.netlist import Gate, Netlist, net_loads
from ..placement.clocked import ClockedWires, clock_cone, clock_pins

Floats = npt.NDArray[np.float64]
PASSES, CLOSE = 20, 1e-4
PARTS = ("internal", "switching", "clock_tree", "leakage")
MOST_INPUTS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Activity:
    """Of every net, and constants 0 and 1 at the end: (nets + 2,)."""

    density: Floats
    """Changes per cycle."""
    high: Floats
    """Probability of a 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Output:
    """What an output pin follows: a function of input pins, delayed by a clock or not."""

    pin: str
    function: Function
    held: bool


def activities(
    netlist: Netlist, library: Library, clocks: Iterable[int], input_density: float
) -> Activity:
    """clocks: nets of ports that change twice per cycle."""
    density, high = np.zeros(netlist.nets + 2), np.full(netlist.nets + 2, 0.5)
    high[-2:] = 0.0, 1.0
    for nets in netlist.inputs.values():
        density[[net for net in nets if net >= 0]] = input_density
    density[list(clocks)] = 2.0
    known = {name: _outputs(library, name) for name in netlist.counts()}
    order = _ordered(netlist, known)
    for _ in range(PASSES):
        before = density.copy()
        for gate in order:
            for output in known[gate.cell]:
                net = gate.pins.get(output.pin, -1)
                if net >= 0:
                    moved, ones = _followed(output.function, gate, density, high)
                    density[net] = min(moved, 1.0) if output.held else moved
                    high[net] = ones
        if np.abs(density - before).max(initial=0.0) < CLOSE:
            break
    return Activity(density=density, high=high)


def power_fj(
    netlist: Netlist,
    library: Library,
    activity: Activity,
    slew_ns: float,
    period_ns: float,
    wires: ClockedWires | None = None,
) -> dict[str, float]:
    """fJ per cycle by `PARTS`; wires: of a placement, without them pins alone are driven."""
    loads, half = net_loads(netlist, library), 0.5 * library.voltage**2
    density = activity.density[:-2]
    found = dict.fromkeys(PARTS, 0.0)
    driven = loads
    if wires is not None:
        driven = wires.repeaters.driver_ff
        loads = loads + wires.wire_ff + wires.repeater_ff
        found["internal"] += float(density @ wires.repeaters.edge_fj)
        leaks = float(wires.repeaters.count.sum()) * wires.buffer.leakage_nw
        for net, tree in wires.trees.items():
            found["clock_tree"] += density[net] / 2 * tree.cycle_fj(library.voltage)
            leaks += tree.leakage_nw
        found["leakage"] += leaks * period_ns * 1e-3  # nW x ns = 1e-18 J
    found["switching"] = float(half * density @ loads)
    for gate in netlist.gates:
        cell = library.cell(gate.cell)
        found["internal"] += _internal_fj(cell, gate, activity, slew_ns, driven)
        found["leakage"] += _leakage_nw(cell, gate, activity) * period_ns * 1e-3
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Stated:
    """What is said instead of a stimulus."""

    activity: float
    """Changes of every input per cycle; clocks change twice."""
    slew_ns: float
    """Transition time of every pin."""
    period_ns: float


def placed_power(
    netlist: Netlist, library: Library, stated: Stated, wires: ClockedWires | None
) -> dict[str, float]:
    """fJ per cycle by `PARTS` of a netlist under stated activities."""
    moved = activities(netlist, library, clock_ports(netlist, library), stated.activity)
    return power_fj(netlist, library, moved, stated.slew_ns, stated.period_ns, wires)


def _outputs(library: Library, name: str) -> tuple[_Output, ...]:
    cell, where = library.cell(name), f"Cell {name!r}"
    if len(cell.inputs) > MOST_INPUTS:
        raise InputError(f"{where} must have at most {MOST_INPUTS} inputs, not {len(cell.inputs)}")
    data = cell.ff.next_state if cell.ff is not None else None
    for latch in library.groups[name].named("latch"):
        if latch.values.get("data_in"):
            data = parse_function(latch.values["data_in"], f"{where}: data_in")
    found = []
    for pin in cell.outputs:
        function = cell.combinational(pin)
        if function is not None:
            found.append(_Output(pin=pin, function=function, held=False))
        elif data is not None:
            found.append(_Output(pin=pin, function=data, held=True))
        elif clock_pins(library, name):  # a clock gate: the clock, while it is enabled
            clock = clock_pins(library, name)[0]
            enable = next((other for other in cell.inputs if other != clock), clock)
            both = parse_function(f"{clock} & {enable}", where)
            found.append(_Output(pin=pin, function=both, held=False))
    return tuple(found)


def _ordered(netlist: Netlist, known: Mapping[str, tuple[_Output, ...]]) -> list[Gate]:
    """Gates behind what drives them; flip-flops and latches behind nothing."""
    driver = {
        gate.pins[output.pin]: number
        for number, gate in enumerate(netlist.gates)
        for output in known[gate.cell]
        if output.pin in gate.pins
    }
    sources: dict[int, set[int]] = {}
    for number, gate in enumerate(netlist.gates):
        pins = {p for output in known[gate.cell] if not output.held for p in output.function.pins}
        sources[number] = {driver[gate.pins[pin]] for pin in pins if gate.pins[pin] in driver}
    try:
        return [netlist.gates[number] for number in TopologicalSorter(sources).static_order()]
    except CycleError as error:
        name = netlist.gates[error.args[1][0]].name
        raise InputError(f"Netlist must have no loop of gates, not one through {name!r}") from error


def _states(pins: tuple[str, ...]) -> dict[str, npt.NDArray[np.int64]]:
    states = np.arange(1 << len(pins))
    return {pin: states >> bit & 1 for bit, pin in enumerate(pins)}


@lru_cache(maxsize=4096)
def _table(function: Function) -> tuple[Floats, list[Floats]]:
    """(2^n,) the value by state, and by pin where the other states of that pin differ from it."""
    size = 1 << len(function.pins)
    one = np.broadcast_to(function.evaluate(_states(function.pins)), size).astype(float)
    states = np.arange(size)
    matters = [(one != one[states ^ (1 << bit)]) * 1.0 for bit in range(len(function.pins))]
    return one, matters


def _weights(ones: list[float]) -> Floats:
    """(2^n,) probability of each state of independent pins."""
    found = np.ones(1)
    for one in ones:
        found = np.concatenate([found * (1 - one), found * one])
    return found


def _contributions(function: Function, gate: Gate, density: Floats, high: Floats) -> list[float]:
    """Changes of the output by each pin of the function; what a flip-flop holds adds none."""
    weights = _weights(_ones(function, gate, high))
    _, matters = _table(function)
    moved = [float(density[gate.pins[pin]]) if pin in gate.pins else 0.0 for pin in function.pins]
    return [float(one * (weights @ some)) for one, some in zip(moved, matters, strict=True)]


def _ones(function: Function, gate: Gate, high: Floats) -> list[float]:
    """Probability of a 1 by pin of a function; of a state that has no pin one half."""
    return [float(high[gate.pins[pin]]) if pin in gate.pins else 0.5 for pin in function.pins]


def _followed(function: Function, gate: Gate, density: Floats, high: Floats) -> tuple[float, float]:
    ones = _ones(function, gate, high)
    value, _ = _table(function)
    return sum(_contributions(function, gate, density, high)), float(_weights(ones) @ value)


def _holds(when: Function | None, gate: Gate, high: Floats) -> float:
    """Probability of a condition."""
    if when is None:
        return 1.0
    ones = _ones(when, gate, high)
    value, _ = _table(when)
    return float(_weights(ones) @ value)


def _internal_fj(
    cell: Cell, gate: Gate, activity: Activity, slew_ns: float, driven: Floats
) -> float:
    """Every change costs the mean of rise and fall of its pin's arcs, by their conditions."""
    total = 0.0
    for name, pin in cell.pins.items():
        net = gate.pins.get(name, -1)
        if net < 0 or not pin.powers:
            continue
        load = float(driven[net]) if name in cell.outputs else 0.0
        shares = [_holds(arc.when, gate, activity.high) for arc in pin.powers]
        if name in cell.outputs:  # one edge, however many arcs describe it
            moved = [_moved(arc.related, gate, activity.density) for arc in pin.powers]
            both = [share * one for share, one in zip(shares, moved, strict=True)]
            shares = both if sum(both) > 0 else [1.0] * len(both)
            shares = [share / sum(shares) for share in shares]
        for arc, share in zip(pin.powers, shares, strict=True):
            if share:
                edge = arc.rise.number_at(slew_ns, load) + arc.fall.number_at(slew_ns, load)
                total += activity.density[net] / 2 * share * edge
    return float(total)


def _moved(related: tuple[str, ...], gate: Gate, density: Floats) -> float:
    return sum(float(density[gate.pins[pin]]) for pin in related if gate.pins.get(pin, -1) >= 0)


def _leakage_nw(cell: Cell, gate: Gate, activity: Activity) -> float:
    shares = [_holds(when, gate, activity.high) for when, _ in cell.leakage if when is not None]
    given = [nw for when, nw in cell.leakage if when is not None]
    rest = [nw for when, nw in cell.leakage if when is None]
    covered = min(1.0, sum(shares))
    known = sum(share * nw for share, nw in zip(shares, given, strict=True))
    if rest:
        return float(known + (1 - covered) * rest[0])
    return float(known / covered) if covered > 0 else 0.0


def clock_ports(netlist: Netlist, library: Library) -> list[int]:
    """Nets of input ports that reach a clock pin through buffers, inverters and clock gates."""
    ports = {net for nets in netlist.inputs.values() for net in nets if net >= 0}
    return sorted(ports & clock_cone(netlist, library))
