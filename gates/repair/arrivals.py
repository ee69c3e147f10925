"""Static timing of a draft, kept up to date: after a change only what it moves is timed again.

As `gates/netlist/static.py`: Liberty tables, edges apart, a gate's output as slow as the slowest of
its inputs makes it; here with the delays of placed wires. The clock is ideal: registers see it at
once, with no transition time, as OpenSTA has it before a tree is made. Latches begin and end paths
as flip-flops do. Inputs arrive, and outputs are due, a stated share of the period from the clock's
edge. Wires make edges slower (Kashyap, Alpert, Liu and Devgan, "PERI", TAU 2002: the squares of the
driver's transition time and of ln 9 times Elmore's delay are added).
"""

import math
from collections.abc import Iterable
from heapq import heappop, heappush

from ...spec.errors import InputError
from ..netlist.timing import FALL, RISE
from .clocking import Clocking, End, Stage, register_clocks
from .draft import GONE, Draft, Pin
from .drives import Drives

_LN9 = math.log(9)
EDGES = RISE, FALL
STILL_NS = 1e-6
"""A change that is not followed any further: 1 fs, of edges that are 10 ps and more."""
NEVER = -math.inf


class Arrivals:
    """Arrival and transition times of all nets of a draft, and the slack of all ends."""

    def __init__(
        self, draft: Draft, drives: Drives, clocking: Clocking, ideal: Iterable[int]
    ) -> None:
        """ideal: nets of the clock, which have no delay."""
        self.draft, self.drives, self.clocking = draft, drives, clocking
        self.library, self.ideal = draft.library, frozenset(ideal)
        self.arrival: list[list[float]] = []
        self.slew: list[list[float]] = []
        self.cause: list[list[Stage | None]] = []
        self.slacks: dict[End, float] = {}
        self.evaluated = 0
        self._clocks: dict[str, tuple[str, ...]] = {}
        self._grow()
        for net in self.ideal:
            self.arrival[net] = [0.0, 0.0]
        given = clocking.io_share * clocking.period_ns
        inputs = (net for nets in draft.netlist.inputs.values() for net in nets if net >= 0)
        self.given = frozenset(inputs) - self.ideal
        for net in self.given:
            self.arrival[net] = [given, given]
        self.outputs = {net for nets in draft.netlist.outputs.values() for net in nets if net >= 0}
        self.level = self._levels()
        draft.dirty.clear()
        self._run((level, gate) for gate, level in enumerate(self.level))
        for net in range(len(draft.driver)):
            self._judge(net)

    # -- kinds of cells ----------------------------------------------------------------------------

    def clocks(self, gate: int) -> tuple[str, ...]:
        """Clock pins of a gate that keeps something."""
        name = self.draft.cells[gate]
        if name not in self._clocks:
            self._clocks[name] = register_clocks(self.library, self.library.cell(name))
        return self._clocks[name]

    def _levels(self) -> list[float]:
        """Gates behind what drives them, registers before all; a loop is refused."""
        draft = self.draft
        missing = [0] * len(draft.cells)
        after: list[list[int]] = [[] for _ in draft.cells]
        for gate, cell in enumerate(draft.cells):
            if cell == GONE or self.clocks(gate):
                continue
            before = {
                driver[0]
                for pin in self.library.cell(cell).inputs
                if (net := draft.pins[gate].get(pin, -1)) >= 0
                and (driver := draft.driver[net]) is not None
            }
            missing[gate] = len(before)
            for other in before:
                after[other].append(gate)
        level = [0.0] * len(draft.cells)
        ready = [gate for gate, count in enumerate(missing) if not count]
        for gate in ready:  # grows while it is walked
            for other in after[gate]:
                level[other] = max(level[other], level[gate] + 1.0)
                missing[other] -= 1
                if not missing[other]:
                    ready.append(other)
        if len(ready) < len(missing):
            name = next(draft.names[gate] for gate, count in enumerate(missing) if count)
            raise InputError(f"Netlist must have no loop of gates, not one through {name!r}")
        return level

    def _grow(self) -> None:
        """As many entries as the draft has nets."""
        count = len(self.draft.driver)
        del self.arrival[count:], self.slew[count:], self.cause[count:]
        while len(self.arrival) < count:
            self.arrival.append([NEVER, NEVER])
            self.slew.append([0.0, 0.0])
            self.cause.append([None, None])

    # -- timing ------------------------------------------------------------------------------------

    def update(self) -> None:
        """Time again what the draft's changes moved."""
        draft = self.draft
        self._grow()
        self._place_new_gates()
        dirty, draft.dirty = draft.dirty, set()
        waiting: list[tuple[float, int]] = []
        for net in sorted(dirty):
            driver = draft.driver[net]
            if driver is not None:
                waiting.append((self.level[driver[0]], driver[0]))
            elif net not in self.ideal and net not in self.given:
                self.arrival[net], self.cause[net] = [NEVER, NEVER], [None, None]
            waiting += [(self.level[gate], gate) for gate, _ in draft.sinks[net]]
        self._run(waiting)
        for net in dirty:
            self._judge(net)

    def _place_new_gates(self) -> None:
        """A new buffer is between its driver and the first of its pins."""
        draft = self.draft
        del self.level[len(draft.cells) :]
        self.level += [0.0] * (len(draft.cells) - len(self.level))
        fresh, draft.fresh = sorted(draft.fresh), set()
        for gate in fresh:
            cell = self.library.cell(draft.cells[gate])
            before = draft.driver[draft.pins[gate][cell.inputs[0]]]
            low = self.level[before[0]] if before is not None else -1.0
            after = [
                self.level[sink]
                for sink, _ in draft.sinks[draft.pins[gate][cell.outputs[0]]]
                if not self.clocks(sink) and self.level[sink] > low
            ]
            self.level[gate] = (low + min(after)) / 2 if after else low + 1.0

    def _run(self, gates: Iterable[tuple[float, int]]) -> None:
        waiting: list[tuple[float, int]] = []
        queued: set[int] = set()
        for entry in gates:
            if entry[1] not in queued:
                queued.add(entry[1])
                heappush(waiting, entry)
        while waiting:
            _, gate = heappop(waiting)
            queued.discard(gate)
            if self.draft.cells[gate] == GONE:
                continue
            for net in self._evaluate(gate):
                self._judge(net)
                for sink, _ in self.draft.sinks[net]:
                    if sink not in queued and not self.clocks(sink):
                        queued.add(sink)
                        heappush(waiting, (self.level[sink], sink))

    def at(self, gate: int, pin: str, net: int, edge: int) -> tuple[float, float]:
        """Arrival and transition time at an input, its wire's delay in it."""
        if net in self.ideal:
            return 0.0, 0.0
        delay, slew = self.draft.delays[gate, pin], self.slew[net][edge]
        if delay > 0:
            slew = math.sqrt(slew * slew + (_LN9 * delay) ** 2)
        return self.arrival[net][edge] + delay, slew

    def _evaluate(self, gate: int) -> list[int]:
        """Time the outputs of a gate; the nets that moved."""
        draft, moved = self.draft, []
        cell, pins, clocks = draft.cells[gate], draft.pins[gate], self.clocks(gate)
        self.evaluated += 1
        for out in self.library.cell(cell).outputs:
            net = pins.get(out, -1)
            if net < 0 or net in self.ideal:
                continue
            load = draft.load_ff[net]
            arrival, slews = [NEVER, NEVER], [0.0, 0.0]
            cause: list[Stage | None] = [None, None]
            for related, edge, start, timed in self.drives.timed(cell, out):
                source = pins.get(related, -1)
                if source < 0 or (clocks and related not in clocks):
                    continue
                begin, slew = self.at(gate, related, source, start)
                if begin == NEVER:
                    continue
                delay, transition = timed(slew, load)
                at = begin + delay
                slews[edge] = max(slews[edge], transition)
                if at > arrival[edge]:
                    arrival[edge] = at
                    cause[edge] = Stage(gate, related, start, out, edge)
            self.cause[net] = cause
            if _differ(arrival, self.arrival[net]) or _differ(slews, self.slew[net]):
                self.arrival[net], self.slew[net] = arrival, slews
                moved.append(net)
        return moved

    # -- ends --------------------------------------------------------------------------------------

    def _judge(self, net: int) -> None:
        """Slack of the ends on a net."""
        period = self.clocking.period_ns
        if net in self.outputs:
            latest = max(self.arrival[net])
            self._put((-1 - net, ""), latest, (1 - self.clocking.io_share) * period)
        for gate, pin in self.draft.sinks[net]:
            clocks = self.clocks(gate)
            if clocks and pin not in clocks and net not in self.ideal:
                late = [
                    (begin + self._setup(gate, pin, edge, slew))
                    for edge in EDGES
                    for begin, slew in (self.at(gate, pin, net, edge),)
                ]
                self._put((gate, pin), max(late), period)

    def _put(self, end: End, latest: float, due: float) -> None:
        if latest == NEVER:
            self.slacks.pop(end, None)
        else:
            self.slacks[end] = due - latest

    def _setup(self, gate: int, pin: str, edge: int, slew: float) -> float:
        """Longest of the set-up times of a pin; 0 where the library has none (enables, clears)."""
        name = "rise" if edge == RISE else "fall"
        arcs = self.library.setups(self.draft.cells[gate], pin)
        return max((arc[name].setup_number(slew, 0.0) for arc in arcs if name in arc), default=0.0)

    def worst(self) -> tuple[float, End | None]:
        """The least slack and its end; the period without ends."""
        if not self.slacks:
            return self.clocking.period_ns, None
        slack, end = min((slack, end) for end, slack in self.slacks.items())
        return slack, end

    def total_negative(self) -> float:
        """ns: the sum of negative slacks."""
        return sum(slack for slack in self.slacks.values() if slack < 0)

    def violating(self, margin: float = 0.0) -> list[End]:
        """Ends below a slack, worst first."""
        return [e for s, e in sorted((s, e) for e, s in self.slacks.items()) if s < margin]

    def path(self, end: End) -> list[Stage]:
        """The gates of the longest path to an end, from its beginning."""
        if end[1]:
            gate, pin = end
            net = self.draft.pins[gate][pin]
            late = [
                begin + self._setup(gate, pin, edge, slew)
                for edge in EDGES
                for begin, slew in (self.at(gate, pin, net, edge),)
            ]
        else:
            net = -1 - end[0]
            late = list(self.arrival[net])
        edge = FALL if late[FALL] > late[RISE] else RISE
        found: list[Stage] = []
        while net >= 0 and (stage := self.cause[net][edge]) is not None:
            found.append(stage)
            if self.clocks(stage.gate):
                break
            net, edge = self.draft.pins[stage.gate][stage.pin], stage.edge
        return found[::-1]

    def net_of(self, stage: Stage) -> int:
        """The net that a stage drives."""
        return self.draft.pins[stage.gate][stage.out]

    def stage_delay(self, stage: Stage) -> tuple[float, float]:
        """ns of a stage, and what it would have without load."""
        pins, cell = self.draft.pins[stage.gate], self.draft.cells[stage.gate]
        _, slew = self.at(stage.gate, stage.pin, pins[stage.pin], stage.edge)
        load = self.draft.load_ff[pins[stage.out]]
        delays = [
            (delay.number_at(slew, load), delay.number_at(slew, 0.0))
            for related, edge, start, delay, _ in self.drives.ways(cell, stage.out)
            if related == stage.pin and edge == stage.out_edge and start == stage.edge
        ]
        return max(delays, default=(0.0, 0.0))

    def sink_of(self, stage: Stage, following: Stage | None, end: End) -> Pin | None:
        """The pin at which a path leaves a stage's net; None: a port."""
        if following is not None:
            return following.gate, following.pin
        return end if end[1] else None


def _differ(new: list[float], old: list[float]) -> bool:
    """Whether times differ by more than `STILL_NS`."""
    if new == old:
        return False
    return any(
        one != other and not abs(one - other) <= STILL_NS
        for one, other in zip(new, old, strict=True)
    )
