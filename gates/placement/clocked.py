"""Wires of a netlist of another flow: every net that clocks something gets a tree of its own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, assert_never

import numpy as np
import numpy.typing as npt

from ..liberty.liberty import Library
from ..netlist.netlist import Netlist, net_loads
from .buffers import Buffer, flow_clock_buffer, most_load_ff
from .clock_tree import ClockTree, clock_tree
from .evened import PLAIN, further_buffers
from .h_tree import h_tree
from .wires import Laid, NetWires, Placing, laid, repeaters

Floats = npt.NDArray[np.float64]
TreeKind = Literal["least", "h"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Trees:
    """How the trees of a netlist are made."""

    kind: TreeKind = "least"
    """As few buffers as drive the sinks, or an H as OpenROAD's flow has it."""
    buffer: Buffer | None = None
    """Of the trees; without it the repeaters' (least) or the one that the flow takes (h)."""
    avoided: tuple[str, ...] = ()
    """Patterns of cells that are not chosen."""

    def chosen(self, library: Library, found: Laid) -> Buffer:
        """The buffer of the trees of a placed netlist."""
        if self.buffer is not None or self.kind == "least":
            return self.buffer or found.buffer
        wire_ff = found.rc.signal.ff * max(found.core_um) / 2
        return flow_clock_buffer(library, found.buffer.slew_ns, wire_ff, self.avoided)


LEAST = Trees()


@dataclass(frozen=True, kw_only=True, eq=False)
class ClockedWires(NetWires):
    """Nets with a tree have neither wires nor repeaters beside it."""

    trees: dict[int, ClockTree]
    clock_buffer: Buffer

    @property
    def total_um(self) -> float:
        """Of all wires, trees among them."""
        return float(self.wire_um.sum()) + sum(tree.wire_um for tree in self.trees.values())


def clock_pins(library: Library, cell: str) -> tuple[str, ...]:
    """Pins that the Liberty marks as clocks, of flip-flops, latches and clock gates."""
    return tuple(
        group.label
        for group in library.groups[cell].named("pin")
        if group.values.get("clock") == "true" and group.values.get("direction") == "input"
    )


def clock_nets(netlist: Netlist, library: Library) -> set[int]:
    """Nets with a clock pin."""
    pins = {name: clock_pins(library, name) for name in netlist.counts()}
    found = {gate.pins[pin] for gate in netlist.gates for pin in pins[gate.cell]}
    return {net for net in found if net >= 0}


def clock_cone(netlist: Netlist, library: Library) -> set[int]:
    """Nets with a clock pin, and those before them through buffers, inverters and clock gates."""
    driver = {
        gate.pins[pin]: gate
        for gate in netlist.gates
        for pin in library.cell(gate.cell).outputs
        if pin in gate.pins
    }
    pins = {name: clock_pins(library, name) for name in netlist.counts()}
    waiting = [gate.pins[pin] for gate in netlist.gates for pin in pins[gate.cell]]
    found: set[int] = set() if netlist.clock is None else {netlist.clock}
    while waiting:
        net = waiting.pop()
        if net in found or net < 0:
            continue
        found.add(net)
        if net in driver:
            gate = driver[net]
            cell = library.cell(gate.cell)
            through = pins[gate.cell] if cell.ff is None else ()
            if not through and len(cell.inputs) == 1:
                through = cell.inputs
            waiting += [gate.pins[pin] for pin in through]
    return found


def clocked_wires(
    netlist: Netlist, library: Library, placing: Placing, slew_ns: float, cache: Path
) -> ClockedWires:
    """Place the netlist as it is; the placement is kept below `cache`."""
    return wires_of(netlist, library, laid(netlist, library, placing, slew_ns, cache))


def wires_of(netlist: Netlist, library: Library, found: Laid, made: Trees = LEAST) -> ClockedWires:
    """Wires, repeaters and trees of a netlist that is placed."""
    rc, lengths = found.rc, found.lengths.copy()
    clocking = made.chosen(library, found)
    wire_ff, loads = lengths * rc.signal.ff, net_loads(netlist, library)
    inside, without = _of_a_tree(netlist, library), []
    for net in sorted(clock_nets(netlist, library)):
        clock_ff = float(lengths[net]) * rc.clock.ff
        if loads[net] + clock_ff <= inside.get(net, -1.0):
            wire_ff[net] = clock_ff
        else:
            without.append(net)
    sinks = _sinks_of(netlist, library, found, without)
    match made.kind:
        case "least":
            trees = {
                n: clock_tree(*some.places, rc.clock.ff, clocking) for n, some in sinks.items()
            }
        case "h":
            trees = _h_trees(netlist, library, sinks, rc.clock.ff, clocking)
        case unknown:
            assert_never(unknown)
    lengths[list(trees)] = 0.0
    wire_ff[list(trees)] = 0.0
    loads = loads + wire_ff
    loads[list(trees)] = clocking.input_ff
    return ClockedWires(
        wire_um=lengths,
        wire_ff=wire_ff,
        half_perimeter_um=found.half_perimeter_um,
        repeaters=repeaters(netlist, library, loads, found.buffer),
        buffer=found.buffer,
        trees=trees,
        clock_buffer=clocking,
        core_um=found.core_um,
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Sinks:
    """Of one net."""

    instances: list[int]
    places: tuple[Floats, Floats, Floats, tuple[float, float]]
    """x, y, fF of the sinks, and where the clock comes in."""


def _sinks_of(
    netlist: Netlist, library: Library, found: Laid, nets: list[int]
) -> dict[int, _Sinks]:
    """Of the nets with two sinks or more."""
    wiring, sinks = found.wiring, {}
    capacitances = _pin_capacitances(netlist, library, wiring.instances, wiring.pins)
    for net in nets:
        ends = np.arange(wiring.starts[net], wiring.starts[net + 1])
        driven, roots = ends[capacitances[ends] > 0], ends[capacitances[ends] <= 0]
        if len(driven) > 1:
            at = (float(found.x[roots[0]]), float(found.y[roots[0]])) if len(roots) else (0.0, 0.0)
            sinks[net] = _Sinks(
                instances=wiring.instances[driven].tolist(),
                places=(found.x[driven], found.y[driven], capacitances[driven], at),
            )
    return sinks


def _h_trees(
    netlist: Netlist, library: Library, sinks: dict[int, _Sinks], ff_per_um: float, buffer: Buffer
) -> dict[int, ClockTree]:
    """Trees whose ways are equally many buffers long, through clock gates or not."""
    alone = {net: h_tree(*some.places, ff_per_um, buffer) for net, some in sinks.items()}
    taken, gated = set(), {}
    for net, some in sinks.items():
        gated[net] = [PLAIN] * len(some.instances)
        for place, instance in enumerate(some.instances):
            for behind in _gated(netlist, library, instance):
                if behind in sinks and behind not in taken and behind != net:
                    gated[net][place] = behind
                    taken.add(behind)
    further = further_buffers({net: tree.levels for net, tree in alone.items()}, gated)
    return {
        net: h_tree(*some.places, ff_per_um, buffer, further[net]) if further[net].any() else
        alone[net]
        for net, some in sinks.items()
    }  # fmt: skip


def _gated(netlist: Netlist, library: Library, instance: int) -> list[int]:
    """Nets that a gate, or a clock gate, drives; of a flip-flop or latch none."""
    if instance < 0:
        return []
    gate = netlist.gates[instance]
    cell = library.cell(gate.cell)
    integrated = "clock_gating_integrated_cell" in library.groups[gate.cell].values
    return [
        gate.pins[pin]
        for pin in cell.outputs
        if pin in gate.pins
        and (integrated or (cell.ff is None and cell.combinational(pin) is not None))
    ]


def _of_a_tree(netlist: Netlist, library: Library) -> dict[int, float]:
    """Nets that a buffer or inverter drives, and the load in fF that it may drive.

    Where a flow has made trees before, its leaves are such nets: they get no tree below them.
    """
    found, known = {}, {}
    for gate in netlist.gates:
        cell = library.cell(gate.cell)
        if cell.ff is None and len(cell.inputs) == len(cell.outputs) == 1:
            out = cell.outputs[0]
            if gate.cell not in known:
                known[gate.cell] = most_load_ff(library, gate.cell, out)
            found[gate.pins.get(out, -1)] = known[gate.cell]
    return found


def _pin_capacitances(
    netlist: Netlist, library: Library, instances: npt.NDArray[np.int64], pins: tuple[str, ...]
) -> Floats:
    """(pins,) fF of inputs; 0 of outputs and ports."""
    known = {
        (name, pin): library.cell(name).pins[pin].capacitance_ff or 0.0
        for name in netlist.counts()
        for pin in library.cell(name).inputs
    }
    cells = [gate.cell for gate in netlist.gates]
    return np.array(
        [
            known.get((cells[at], pin), 0.0) if at >= 0 else 0.0
            for at, pin in zip(instances.tolist(), pins, strict=True)
        ]
    )
