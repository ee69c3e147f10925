"""Gate netlists 64 at a time: the counts of `gate_simulation`, two orders of magnitude sooner.

A layer's beats are cut into up to 64 runs of whole sums, each played by its own copy of the netlist
in one bit of every word (`gate_kernel`). Nothing is compiled per netlist. Tests hold every counter
against Verilator's and against plain Python's.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ...spec.errors import InputError, SimulationError
from ..liberty.function import Function
from ..liberty.liberty import Library
from ..netlist.arcs import state_values
from ..netlist.netlist import ONE, ZERO, Gate, Netlist
from ..netlist.verilog import state_output
from .simulation import COUNT, Bits, Stimulus, Switching, Watch, check_ports, state_pins

LANES = 64
Part = TypeVar("Part")
Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LaneModel:
    """A netlist as the arrays that `gate_kernel.run` takes."""

    netlist: Netlist
    library: Library
    nodes: Ints
    """(nodes, 4) first pin, pins, first truth, net: outputs of gates, inputs first."""
    flops: Ints
    """(flops, 4) the same of the stored bits' next values."""
    gates: Ints
    """(gates, 3) first pin, pins, first counter."""
    pins: Ints
    truth: Words
    """A word of zeros or ones per state."""


def lane_model(netlist: Netlist, library: Library) -> LaneModel:
    """The arrays of a netlist; a loop of gates is refused."""
    builder = _Builder(netlist, library)
    for gate in netlist.gates:
        builder.add(gate)
    gates = np.array(builder.gates, np.int64).reshape(-1, 3)
    return LaneModel(
        netlist=netlist,
        library=library,
        nodes=_ordered(builder.nodes, builder.pins, netlist.nets),
        flops=np.array(builder.flops, np.int64).reshape(-1, 4),
        gates=gates,
        pins=np.array(builder.pins, np.int64),
        truth=np.where(builder.truth, ~np.uint64(0), np.uint64(0)),
    )


class _Builder:
    """Collects pins, truth tables and counters gate by gate."""

    def __init__(self, netlist: Netlist, library: Library) -> None:
        self.netlist, self.library = netlist, library
        self.pins: list[int] = []
        self.truth: list[int] = []
        self.nodes: list[tuple[int, int, int, int]] = []
        self.flops: list[tuple[int, int, int, int]] = []
        self.gates: list[tuple[int, int, int]] = []
        self.counters = 0
        self.tables: dict[Any, int] = {}

    def add(self, gate: Gate) -> None:
        """A gate's outputs and its counters."""
        cell = self.library.cell(gate.cell)
        names = state_pins(gate, self.library)
        first = self.connect([gate.pins[name] for name in names])
        self.gates.append((first, len(names), self.counters))
        self.counters += 1 << (2 * len(names))
        shown = ""
        if cell.ff is not None:
            shown = state_output(gate, self.library)
            net = gate.pins[shown]
            inverted = _function(cell, shown).tree == ("pin", cell.ff.inverse)
            table = self.table(gate.cell, names, "next", cell.ff.next_state, inverted)
            self.flops.append((first, len(names), table, net))
            first, names = self.connect([net]), (shown,)  # its other output follows the stored bit
        for pin in cell.outputs:
            if pin != shown and cell.pins[pin].function is not None and gate.pins.get(pin, -1) >= 0:
                table = self.table(gate.cell, names, pin, _function(cell, pin), False)
                self.nodes.append((first, len(names), table, gate.pins[pin]))

    def connect(self, nets: Sequence[int]) -> int:
        """Where a list of nets begins; the constants are the two words behind the nets."""
        words = {ZERO: self.netlist.nets, ONE: self.netlist.nets + 1}
        first = len(self.pins)
        self.pins += [words.get(net, net) for net in nets]
        return first

    def table(
        self, name: str, pins: tuple[str, ...], what: str, function: Function, inverted: bool
    ) -> int:
        """Where the truth table of a function of the state's pins begins."""
        key = (name, pins, what)
        if key not in self.tables:
            values = state_values(self.library.cell(name), pins)
            found = np.broadcast_to(function.evaluate(values), (1 << len(pins),))
            self.tables[key] = len(self.truth)
            self.truth += [int(bit) ^ inverted for bit in found]
        return self.tables[key]


def _function(cell: Any, pin: str) -> Function:
    function = cell.pins[pin].function
    assert function is not None
    return function


def _ordered(nodes: list[tuple[int, int, int, int]], pins: list[int], nets: int) -> Ints:
    """Nodes after those that drive their pins."""
    driver = {node[3]: number for number, node in enumerate(nodes)}
    sources = {
        number: {driver[net] for net in pins[first : first + count] if net in driver}
        for number, (first, count, _, _) in enumerate(nodes)
    }
    try:
        order = [*TopologicalSorter(sources).static_order()]
    except CycleError as error:
        raise InputError(f"Netlist must be without loops of gates, {nets} nets have one") from error
    return np.array([nodes[number] for number in order], np.int64).reshape(-1, 4)


def play_lanes(
    model: LaneModel, stimuli: Sequence[Stimulus], watch: Watch | None = None
) -> tuple[Switching, list[Bits]]:
    """Up to 64 stimuli at once, of the same flags; all counts summed, and each one's records.

    Ready and valid have to move together in all of them, as they do where the flow of beats does
    not depend on operands.
    """
    from .kernel import DONE, run

    watch, netlist, lanes = watch or Watch(), model.netlist, len(stimuli)
    if not 1 <= lanes <= LANES:
        raise InputError(f"Stimuli must be 1 to {LANES}, not {lanes}")
    flags = stimuli[0].flags
    if any(not np.array_equal(flags, other.flags) for other in stimuli):
        raise InputError("Stimuli must have the same flags, row by row")
    mask = np.uint64((1 << lanes) - 1)
    pair = [netlist.outputs[name][0] if name else -1 for name in (watch.ready, watch.valid)]
    record = np.array(netlist.outputs[watch.record] if watch.record else (), np.int64)
    wired = [net for nets in netlist.inputs.values() for net in nets]
    state, cycles, toggles, counts, records = run(
        _packed(netlist, stimuli), np.array(wired, np.int64),
        np.where(flags & COUNT, mask, np.uint64(0)), flags.astype(np.int64), mask,
        np.array(pair, np.int64), record, model.nodes, model.gates, model.flops, model.pins,
        model.truth, netlist.nets + 2,
    )  # fmt: skip
    if state != DONE:
        raise SimulationError(
            "Ready and valid must move together in all lanes and every record be taken within "
            f"1000 cycles; they did not (state {state})"
        )
    transitions = tuple(
        counts[base : base + (1 << 2 * pins)].reshape(1 << pins, 1 << pins)
        for _, pins, base in model.gates.tolist()
    )
    alone = [
        ((records >> np.uint64(lane)) & np.uint64(1)).astype(np.uint8) for lane in range(lanes)
    ]
    found = Switching(cycles=cycles, toggles=toggles, transitions=transitions, records=alone[0])
    return found, alone


def shares(count: int, lanes: int = LANES) -> list[list[tuple[int, int]]]:
    """Ranges of `count` things: `lanes` equal ones, then one each for those that are left."""
    each = count // lanes
    lists = [[(n * each, (n + 1) * each) for n in range(lanes)]] if each else []
    rest = [(n, n + 1) for n in range(each * lanes, count)]
    return [*lists, rest] if rest else lists


def play_parts(
    model: LaneModel,
    lists: Sequence[Sequence[Part]],
    stimulus: Callable[[Part], Stimulus],
    check: Callable[[Part, Bits], None],
    watch: Watch,
) -> Switching:
    """All parts, those of a list at once; `check` gets the recording of each."""
    found: Switching | None = None
    for parts in lists:
        switching, records = play_lanes(model, [stimulus(part) for part in parts], watch)
        for part, bits in zip(parts, records, strict=True):
            check(part, bits)
        found = switching if found is None else joined(found, switching)
    if found is None:
        raise InputError("Parts to play must be at least 1, not 0")
    return found


def joined(first: Switching, second: Switching) -> Switching:
    """The counts of both; records are the first's."""
    pairs = zip(first.transitions, second.transitions, strict=True)
    return Switching(
        cycles=first.cycles + second.cycles,
        toggles=first.toggles + second.toggles,
        transitions=tuple(one + other for one, other in pairs),
        records=first.records,
    )


def _packed(netlist: Netlist, stimuli: Sequence[Stimulus]) -> Words:
    """(rows, inputs) words of the ports' bits, a lane per stimulus."""
    rows, parts = len(stimuli[0].flags), []
    for stimulus in stimuli:
        check_ports(netlist, stimulus)
    for name, nets in netlist.inputs.items():
        words = np.zeros((rows, len(nets)), np.uint64)
        for lane, stimulus in enumerate(stimuli):
            words |= stimulus.ports[name].astype(np.uint64) << np.uint64(lane)
        # lanes without a stimulus repeat the first one: they are never counted
        idle = ~np.uint64((1 << len(stimuli)) - 1)
        words |= (stimuli[0].ports[name].astype(np.uint64) * idle).astype(np.uint64)
        parts.append(words)
    return np.concatenate(parts, axis=1)
