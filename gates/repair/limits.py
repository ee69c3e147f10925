"""Repair of a placed design's limits: sizes for the loads that wires make, buffers for the rest.

As OpenROAD's `repair_design` (`src/rsz/src/RepairDesign.cc`), from the outputs to the inputs: the
cell that drives a net is sized to the load of its wires and pins (`resizeToTargetSlew`); a net that
is still beyond a limit of the library (`max_capacitance` of its driver, `max_transition` at its
driver and pins, `max_fanout`) gets the smallest cell that keeps them, or buffers over groups of its
pins that lie together.
"""

import math
from dataclasses import dataclass

from ..liberty.cells import number
from ..liberty.liberty import Library
from ..placement.buffers import most_load_ff
from .arrivals import EDGES, Arrivals
from .draft import GONE, Draft, Pin, Spot, tree_um
from .drives import Drives

NO_LIMIT = float("inf")
MOST_ROUNDS = 30
"""Of buffers over buffers on one net."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """What an output may drive."""

    load_ff: float
    slew_ns: float
    fanout: float


def limits_of(library: Library, cell: str, pin: str) -> Limit:
    """Of an output, its own or else the library's; infinite without one."""
    (group,) = (one for one in library.groups[cell].named("pin") if one.label == pin)
    what = f"Liberty {library.where!r}, cell {cell!r}, pin {pin!r}"

    def given(name: str, unit: float) -> float:
        text = group.values.get(name, library.defaults.get(f"default_{name}"))
        if text is None:
            return NO_LIMIT
        return number(text, f"{what}: {name}", positive=True) * unit

    return Limit(
        load_ff=most_load_ff(library, cell, pin),
        slew_ns=given("max_transition", library.units.time_ns),
        fanout=given("max_fanout", 1.0),
    )


class Limits:
    """The repair of one draft."""

    def __init__(self, draft: Draft, drives: Drives, arrivals: Arrivals) -> None:
        self.draft, self.drives, self.arrivals = draft, drives, arrivals
        self.library = draft.library
        self._known: dict[tuple[str, str], Limit] = {}

    def limit(self, cell: str, pin: str) -> Limit:
        """What an output may drive."""
        if (cell, pin) not in self._known:
            self._known[cell, pin] = limits_of(self.library, cell, pin)
        return self._known[cell, pin]

    def size(self) -> None:
        """Every driver for the load that it has, outputs first."""
        draft = self.draft
        seen: set[int] = set()
        for gate in self._outputs_first():
            for out in self.library.cell(draft.cells[gate]).outputs:
                net = draft.pins[gate].get(out, -1)
                if net >= 0 and draft.load_ff[net] > 0:
                    cell = draft.cells[gate]
                    fits = self.drives.for_load(cell, out, draft.load_ff[net], larger=gate in seen)
                    seen.add(gate)
                    if fits != cell:
                        draft.swap(gate, fits)
        self.arrivals.update()

    def repair(self) -> None:
        """Every net that is beyond a limit, outputs first."""
        for gate in self._outputs_first():
            for out in self.library.cell(self.draft.cells[gate]).outputs:
                net = self.draft.pins[gate].get(out, -1)
                if net >= 0 and self.draft.sinks[net] and self._violates(gate, out, net):
                    self._stronger(gate, out, net)
                    self.arrivals.update()
                    if self._violates(gate, out, net):
                        self._buffer(gate, out, net)
                        self.arrivals.update()

    def _outputs_first(self) -> list[int]:
        """Gates that may be changed."""
        draft, level = self.draft, self.arrivals.level
        free = [
            gate
            for gate, cell in enumerate(draft.cells)
            if cell != GONE and not self.arrivals.ideal & set(self._driven(gate))
        ]
        return sorted(free, key=lambda gate: (-level[gate], gate))

    def _driven(self, gate: int) -> list[int]:
        outputs = self.library.cell(self.draft.cells[gate]).outputs
        return [self.draft.pins[gate][out] for out in outputs if out in self.draft.pins[gate]]

    def _violates(self, gate: int, out: str, net: int) -> bool:
        """Whether a net is beyond a limit of its driver."""
        limit = self.limit(self.draft.cells[gate], out)
        sinks = self.draft.sinks[net]
        if self.draft.load_ff[net] > limit.load_ff or len(sinks) > limit.fanout:
            return True
        if limit.slew_ns == NO_LIMIT:
            return False
        return max(self.arrivals.slew[net]) > limit.slew_ns or any(
            self.arrivals.at(*pin, net, edge)[1] > limit.slew_ns for pin in sinks for edge in EDGES
        )

    def _stronger(self, gate: int, out: str, net: int) -> None:
        """The smallest variant that keeps load and transition time, if there is one."""
        load = self.draft.load_ff[net]
        for other in self.drives.variants[self.draft.cells[gate]]:
            limit = self.limit(other, out)
            if load <= limit.load_ff and self._slew(gate, other, out, load) <= limit.slew_ns:
                if other != self.draft.cells[gate]:
                    self.draft.swap(gate, other)
                return

    def _slew(self, gate: int, cell: str, out: str, load: float) -> float:
        """ns, of an output if a gate were another cell."""
        pins, slowest = self.draft.pins[gate], 0.0
        for related, _, start, _, transition in self.drives.ways(cell, out):
            net = pins.get(related, -1)
            if net >= 0:
                _, slew = self.arrivals.at(gate, related, net, start)
                slowest = max(slowest, transition.number_at(slew, load))
        return slowest

    # -- buffers -----------------------------------------------------------------------------------

    def _buffer(self, gate: int, out: str, net: int) -> None:
        """Buffers over groups of pins, until the driver keeps its limits."""
        driver = self.limit(self.draft.cells[gate], out)
        most = min(driver.load_ff, self._load_for_slew(gate, out, driver.slew_ns))
        for _ in range(MOST_ROUNDS):
            sinks = self.draft.sinks[net]
            load = self.draft.load_ff[net]
            if (load <= most and len(sinks) <= driver.fanout) or len(sinks) < 2:
                break
            groups = self._groups(net, sinks)
            if len(groups) >= len(sinks):
                break  # a buffer for each pin makes nothing smaller
            for group in groups:
                self._over(net, group)
        if len(self.draft.sinks[net]) == 1 and self.draft.load_ff[net] > most:
            self._long(net, most)

    def _load_for_slew(self, gate: int, out: str, slew: float) -> float:
        """fF at which an output is as slow as it may be."""
        if slew == NO_LIMIT:
            return NO_LIMIT
        cell, low, high = self.draft.cells[gate], 0.0, self.draft.load_ff[self._net(gate, out)]
        for _ in range(MOST_ROUNDS):
            middle = (low + high) / 2
            if self._slew(gate, cell, out, middle) <= slew:
                low = middle
            else:
                high = middle
        return low

    def _net(self, gate: int, out: str) -> int:
        return self.draft.pins[gate][out]

    def _most(self) -> tuple[str, float, float]:
        """The buffer that drives most, its load and fanout."""
        found = []
        for name in self.drives.buffers:
            out = self.drives.buffer_pins(name)[1]
            limit = self.limit(name, out)
            load = min(limit.load_ff, self.drives.target_load(name, out))
            found.append((load, name, limit.fanout))
        load, name, fanout = max(found)
        return name, load, fanout

    def _groups(self, net: int, sinks: list[Pin]) -> list[list[Pin]]:
        """Pins that one buffer drives, halved at the median of their longer side until it does."""
        _, most, fanout = self._most()
        found, waiting = [], [sinks]
        while waiting:
            group = waiting.pop()
            spots = [self.draft.spots[gate][pin] for gate, pin in group]
            load = tree_um(spots) * self.draft.found.rc.signal.ff
            load += sum(self.draft.pin_ff(pin) for pin in group)
            if len(group) == 1 or (load <= most and len(group) <= fanout and group is not sinks):
                found.append(group)
                continue
            x, y = zip(*spots, strict=True)
            wide = max(x) - min(x) >= max(y) - min(y)
            order = sorted(range(len(group)), key=lambda at: ((x if wide else y)[at], at))
            half = len(order) // 2
            waiting += [[group[at] for at in order[half:]], [group[at] for at in order[:half]]]
        return found

    def _over(self, net: int, group: list[Pin]) -> None:
        spots = [self.draft.spots[gate][pin] for gate, pin in group]
        at = middle_of(spots)
        load = tree_um([*spots, at]) * self.draft.found.rc.signal.ff
        load += sum(self.draft.pin_ff(pin) for pin in group)
        self.draft.insert(net, group, self.buffer_for(load), at)

    def buffer_for(self, load_ff: float) -> str:
        """The buffer whose target load is nearest."""
        smallest = self.drives.smallest
        return self.drives.for_load(smallest, self.drives.buffer_pins(smallest)[1], load_ff)

    def _long(self, net: int, most: float) -> None:
        """Buffers on a wire to one pin, so far apart that each of its parts is short enough."""
        name, its_most, _ = self._most()
        source, out = self.drives.buffer_pins(name)
        free = min(most, its_most) - self.drives.input_ff(name, source)
        root, wire = self.draft.root(net), self.draft.wire_um[net] * self.draft.found.rc.signal.ff
        if root is None or free <= 0:
            return
        ((gate, pin),) = self.draft.sinks[net]
        end, parts = self.draft.spots[gate][pin], math.ceil(wire / free)
        for step in range(1, parts):
            share = step / parts
            at = (root[0] + (end[0] - root[0]) * share, root[1] + (end[1] - root[1]) * share)
            net = self.draft.pins[self.draft.insert(net, [(gate, pin)], name, at)][out]


def middle_of(spots: list[Spot]) -> Spot:
    """The middle of some points."""
    return (
        sum(x for x, _ in spots) / len(spots),
        sum(y for _, y in spots) / len(spots),
    )
