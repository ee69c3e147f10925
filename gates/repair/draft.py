"""A placed netlist that can be changed and changed back: sizes, buffers, wires after each change.

The wire of a net is the Steiner tree of its pins. From the driver to a pin at distance d its delay
is r d (C + c) / 2, C the capacitance of the whole net, c of the pin: exact with one pin, and with
more what Elmore's delay is if the net's other parts leave the way evenly (Elmore, "The transient
response of damped linear networks", J. Appl. Phys. 19, 1948).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ..liberty.liberty import Library
from ..netlist.netlist import Gate, Netlist
from ..placement.placer import Placement
from ..placement.steiner import steiner_lengths
from ..placement.wires import Laid
from ..placement.wiring import wiring_of

Pin = tuple[int, str]
"""A gate's number and its pin."""
Spot = tuple[float, float]
_NS = 1e-6
"""ns of an ohm times a fF."""
GONE = ""
"""Cell of a gate that was removed."""


class Draft:
    """The netlist while it is changed; nets and gates keep their numbers, new ones follow them."""

    def __init__(self, netlist: Netlist, library: Library, found: Laid) -> None:
        self.netlist, self.library, self.found = netlist, library, found
        self.cells = [gate.cell for gate in netlist.gates]
        self.names = [gate.name for gate in netlist.gates]
        self.pins = [dict(gate.pins) for gate in netlist.gates]
        self.spots: list[dict[str, Spot]] = [{} for _ in self.cells]
        self.ports: list[list[Spot]] = [[] for _ in range(netlist.nets)]
        self.driver: list[Pin | None] = [None] * netlist.nets
        self.sinks: list[list[Pin]] = [[] for _ in range(netlist.nets)]
        self.wire_um = [0.0] * netlist.nets
        self.load_ff = [0.0] * netlist.nets
        self.delays: dict[Pin, float] = {}
        """ns from a net's driver to a pin."""
        self.middles: dict[int, Spot] = {}
        """Of inserted buffers."""
        self.fresh: set[int] = set()
        """Buffers inserted since somebody emptied this."""
        self.dirty: set[int] = set()
        """Nets that changed since somebody emptied this."""
        self._journal: list[Callable[[], None]] = []
        self._join()
        for net in range(netlist.nets):
            if net != netlist.clock:
                self.measure(net)

    def _join(self) -> None:
        wiring = self.found.wiring
        x, y = self.found.x.tolist(), self.found.y.tolist()
        starts, instances = wiring.starts.tolist(), wiring.instances.tolist()
        for net in range(wiring.nets):
            for at in range(starts[net], starts[net + 1]):
                if instances[at] >= 0:
                    self.spots[instances[at]][wiring.pins[at]] = x[at], y[at]
                else:
                    self.ports[net].append((x[at], y[at]))
        for number, cell in enumerate(self.cells):
            outputs = self.library.cell(cell).outputs
            for pin, net in self.pins[number].items():
                if net < 0:
                    continue
                if pin in outputs:
                    self.driver[net] = number, pin
                else:
                    self.sinks[net].append((number, pin))

    # -- what can be asked -------------------------------------------------------------------------

    def pin_ff(self, pin: Pin) -> float:
        """Capacitance of an input."""
        return self.library.cell(self.cells[pin[0]]).pins[pin[1]].capacitance_ff or 0.0

    def root(self, net: int) -> Spot | None:
        """Where a net is driven from: its gate's pin, or its port."""
        driver = self.driver[net]
        if driver is not None:
            return self.spots[driver[0]].get(driver[1])
        return self.ports[net][0] if self.ports[net] else None

    def length_um(self, net: int, spots: Sequence[Spot]) -> float:
        """Of the net's tree if it had these ends beside its root and its ports."""
        root = self.root(net)
        ends = [*spots, *self.ports[net]] + ([root] if root is not None else [])
        return tree_um(ends)

    def area(self) -> float:
        """Of all cells, in the library's unit."""
        return sum(self.library.cell(cell).area for cell in self.cells if cell != GONE)

    # -- changes -----------------------------------------------------------------------------------

    def measure(self, net: int) -> None:
        """Wire, load and delays of a net after its pins changed."""
        spots = [self.spots[gate][pin] for gate, pin in self.sinks[net]]
        self.wire_um[net] = self.length_um(net, spots)
        pins = [self.pin_ff(pin) for pin in self.sinks[net]]
        layer = self.found.rc.signal
        load = self.wire_um[net] * layer.ff + sum(pins)
        self.load_ff[net] = load
        root = self.root(net)
        for pin, spot, ff in zip(self.sinks[net], spots, pins, strict=True):
            far = 0.0 if root is None else abs(spot[0] - root[0]) + abs(spot[1] - root[1])
            self.delays[pin] = layer.ohm * far * (load + ff) / 2 * _NS
        self.dirty.add(net)

    def mark(self) -> int:
        """A state that `rollback` can bring back."""
        return len(self._journal)

    def rollback(self, mark: int) -> None:
        """Undo what was changed since."""
        while len(self._journal) > mark:
            self._journal.pop()()

    def swap(self, gate: int, cell: str) -> None:
        """Another cell of the same pins in a gate's place."""
        before = self.cells[gate]
        self._journal.append(lambda: self._put(gate, before))
        self._put(gate, cell)

    def _put(self, gate: int, cell: str) -> None:
        self.cells[gate] = cell
        for net in set(self.pins[gate].values()):
            if net >= 0 and net != self.netlist.clock:
                self.measure(net)

    def insert(self, net: int, sinks: Iterable[Pin], cell: str, at: Spot) -> int:
        """A buffer behind a net's driver that takes these of its pins; its number."""
        moved = list(sinks)
        return self._insert(net, moved, cell, at, before_port=False)

    def insert_before_port(self, net: int, cell: str) -> int:
        """A buffer that alone drives a net's output port; its number."""
        return self._insert(net, [], cell, self.ports[net][0], before_port=True)

    def insert_behind_port(self, net: int, cell: str) -> int:
        """A buffer behind an input port that drives all of its pins; its number."""
        return self._insert(net, list(self.sinks[net]), cell, self.ports[net][0], before_port=False)

    def _insert(self, net: int, moved: list[Pin], cell: str, at: Spot, *, before_port: bool) -> int:
        gate, new = len(self.cells), len(self.driver)
        found = self.library.cell(cell)
        source, out = found.inputs[0], found.outputs[0]
        self.cells.append(cell)
        driver = self.driver[net]
        self.names.append(f"{self.names[driver[0]] if driver else 'port'}_repair_{gate}")
        self.spots.append({source: at, out: at})
        self.middles[gate] = at
        self.fresh.add(gate)
        for values in (self.wire_um, self.load_ff):
            values.append(0.0)
        self.ports.append([])
        self.driver.append(None)
        self.sinks.append([])
        kept = self.driver[net], self.sinks[net]
        if before_port:  # what was on the net goes to the new one; the port keeps its own
            self.driver[new], self.sinks[new] = kept[0], [*kept[1], (gate, source)]
            self.driver[net], self.sinks[net] = (gate, out), []
            self.pins.append({source: new, out: net})
        else:
            going = set(moved)
            self.driver[new], self.sinks[new] = (gate, out), moved
            rest = [pin for pin in kept[1] if pin not in going]
            self.sinks[net] = [*rest, (gate, source)]
            self.pins.append({source: net, out: new})
        self._renumber(new)
        self._renumber(net)
        self._journal.append(lambda: self._take_back(net, kept))
        return gate

    def _renumber(self, net: int) -> None:
        """Tell the pins of a net which one they are on, and measure it."""
        driver = self.driver[net]
        for gate, pin in [*self.sinks[net], *([driver] if driver is not None else [])]:
            self.pins[gate][pin] = net
        self.measure(net)

    def _take_back(self, net: int, kept: tuple[Pin | None, list[Pin]]) -> None:
        """Undo the last insertion."""
        for values in (self.cells, self.names, self.pins, self.spots):
            values.pop()
        self.middles.pop(len(self.cells), None)
        self.fresh.discard(len(self.cells))
        for more in (self.wire_um, self.load_ff, self.ports, self.driver, self.sinks):
            more.pop()
        self.dirty.discard(len(self.driver))
        self.driver[net], self.sinks[net] = kept
        self._renumber(net)

    def remove(self, gate: int) -> None:
        """Take a buffer out: its input's net drives its pins."""
        (source, out) = self.library.cell(self.cells[gate]).inputs[0], self._output(gate)
        net, behind = self.pins[gate][source], self.pins[gate][out]
        kept = self.cells[gate], self.pins[gate], self.sinks[net], self.sinks[behind]
        rest = [pin for pin in kept[2] if pin != (gate, source)]
        self.cells[gate], self.pins[gate] = GONE, {}
        self.sinks[net], self.sinks[behind] = [*rest, *kept[3]], []
        self.driver[behind] = None
        self._renumber(net)
        self._renumber(behind)

        def back() -> None:
            self.cells[gate], self.pins[gate] = kept[0], kept[1]
            self.sinks[net], self.sinks[behind] = kept[2], kept[3]
            self.driver[behind] = gate, out
            self._renumber(net)
            self._renumber(behind)

        self._journal.append(back)

    def _output(self, gate: int) -> str:
        return self.library.cell(self.cells[gate]).outputs[0]

    # -- the result --------------------------------------------------------------------------------

    def finished(self) -> tuple[Netlist, Laid]:
        """The netlist as it is now and its wires; cells stay where they were placed.

        Nothing is made legal again: a cell that grew overlaps its neighbour by what it grew.
        """
        left = [number for number, cell in enumerate(self.cells) if cell != GONE]
        netlist = replace(
            self.netlist,
            gates=tuple(
                Gate(name=self.names[i], cell=self.cells[i], pins=dict(self.pins[i])) for i in left
            ),
            nets=len(self.driver),
        )
        found = self.found
        return netlist, Laid.of(
            wiring_of(netlist), self._placement(left),
            footprints=found.footprints, rc=found.rc, buffer=found.buffer,
        )  # fmt: skip

    def _placement(self, left: Sequence[int]) -> Placement:
        """Of the gates that are left: new ones are around the middle that they were put at."""
        old = self.found.placement
        x, y, mirror_x, mirror_y = [], [], [], []
        for number in left:
            if number in self.middles:
                foot = self.found.footprints.of(self.cells[number])
                at = self.middles[number]
                x.append(at[0] - foot.width / 2)
                y.append(at[1] - foot.height / 2)
                mirror_x.append(False)
                mirror_y.append(False)
            else:
                x.append(float(old.x[number]))
                y.append(float(old.y[number]))
                mirror_x.append(bool(old.mirror_x[number]))
                mirror_y.append(bool(old.mirror_y[number]))
        return replace(
            old,
            x=np.array(x),
            y=np.array(y),
            mirror_x=np.array(mirror_x, bool),
            mirror_y=np.array(mirror_y, bool),
        )


def tree_um(spots: Sequence[Spot]) -> float:
    """Length of the Steiner tree of some points."""
    if len(spots) < 2:
        return 0.0
    if len(spots) == 2:
        return abs(spots[0][0] - spots[1][0]) + abs(spots[0][1] - spots[1][1])
    x, y = np.array(spots, float).T
    return float(steiner_lengths(x, y, np.array([0, len(spots)], np.int64))[0])
