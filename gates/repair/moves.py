"""What can be done to one gate of a path that is too slow, in the order in which it is tried.

A buffer is taken out if the path is faster without it; a cell becomes the weakest stronger one that
is faster; the pins of its net that the path does not need go behind a buffer, all but those that
are as critical; of many pins the half that has most slack goes (OpenROAD, `src/rsz/src`:
UnbufferMove, SizeUpMove, BufferMove, SplitLoadMove). Gains are estimated here at target transition
times; whether a change stays is for the timing of the whole design to say. Pins are not swapped,
gates are not cloned.
"""

from collections.abc import Callable

from ..netlist.worst_paths import is_buffer
from .arrivals import Arrivals
from .clocking import End, Stage
from .draft import Draft, Pin, tree_um
from .drives import Drives
from .limits import Limits, middle_of

MOST_REBUFFERED = 20
"""Pins of a net that is buffered for the critical ones (`rebuffer_max_fanout_`)."""
LEAST_SPLIT = 8
"""Pins of a net that is split (`split_load_min_fanout_`)."""
MOST_UNBUFFERED = 10
"""Pins of a driver after a buffer is taken out, without a limit of its own
(`buffer_removal_max_fanout_`)."""


class Moves:
    """On one draft."""

    def __init__(self, draft: Draft, drives: Drives, arrivals: Arrivals, limits: Limits) -> None:
        self.draft, self.drives, self.arrivals, self.limits = draft, drives, arrivals, limits
        self.touched: set[int] = set()
        """Gates that were changed: none of them is a buffer to take out."""

    def try_all(
        self,
        path: list[Stage],
        at: int,
        end: End,
        margins: Callable[[], dict[Pin, float]] | None,
    ) -> bool:
        """Change the gate of a stage; margins: slack of pins when asked for, None to size only."""
        if margins is not None and self._unbuffer(path, at):
            return True
        if self._size(path, at):
            return True
        return margins is not None and self._isolate(path, at, end, margins())

    # -- sizes -------------------------------------------------------------------------------------

    def _before(self, path: list[Stage], at: int) -> tuple[Stage | None, float]:
        """The stage that drives a stage, and its resistance."""
        if at == 0:
            return None, 0.0
        stage = path[at - 1]
        return stage, self.drives.resistance(self.draft.cells[stage.gate], stage.out)

    def _size(self, path: list[Stage], at: int) -> bool:
        stage = path[at]
        load = self.draft.load_ff[self.arrivals.net_of(stage)]
        _, resistance = self._before(path, at)
        found = self.drives.upsized(
            self.draft.cells[stage.gate], stage.out, stage.pin, load, resistance
        )
        if found is None:
            return False
        self.draft.swap(stage.gate, found)
        self.touched.add(stage.gate)
        return True

    # -- buffers -----------------------------------------------------------------------------------

    def _unbuffer(self, path: list[Stage], at: int) -> bool:
        draft, stage = self.draft, path[at]
        if at == 0 or stage.gate in self.touched or stage.gate in draft.middles:
            return False
        if not is_buffer(draft.library.cell(draft.cells[stage.gate])):
            return False
        before, behind = path[at - 1], self.arrivals.net_of(stage)
        net = self.arrivals.net_of(before)
        if draft.ports[behind]:
            return False
        fanout = len(draft.sinks[net]) + len(draft.sinks[behind]) - 1
        cell = draft.cells[before.gate]
        limit = self.limits.limit(cell, before.out)
        load = draft.load_ff[net] + draft.load_ff[behind]
        load -= self.drives.input_ff(draft.cells[stage.gate], stage.pin)
        if fanout > min(limit.fanout, MOST_UNBUFFERED) or load > limit.load_ff:
            return False
        now = self.drives.delay(cell, before.out, draft.load_ff[net])
        now += self.drives.delay(draft.cells[stage.gate], stage.out, draft.load_ff[behind])
        if self.drives.delay(cell, before.out, load) >= now:
            return False
        draft.remove(stage.gate)
        return True

    def _isolate(self, path: list[Stage], at: int, end: End, margins: dict[Pin, float]) -> bool:
        """The pins with more slack than the path's, most of it first, behind a buffer."""
        draft, stage = self.draft, path[at]
        net = self.arrivals.net_of(stage)
        sinks = draft.sinks[net]
        following = path[at + 1] if at + 1 < len(path) else None
        needed = self.arrivals.sink_of(stage, following, end)
        others = [pin for pin in sinks if pin != needed]
        if not others or net in self.arrivals.ideal:
            return False
        others.sort(key=lambda pin: (-margins.get(pin, 0.0), pin))
        if 1 < len(sinks) <= MOST_REBUFFERED and self._rebuffer(stage, net, others, margins):
            return True
        if len(sinks) > LEAST_SPLIT:
            self._insert(net, others[: max(1, len(sinks) // 2)])
            return True
        return False

    def _rebuffer(
        self, stage: Stage, net: int, others: list[Pin], margins: dict[Pin, float]
    ) -> bool:
        """Of the groups with most slack the one whose buffer speeds the driver up most."""
        draft = self.draft
        cell, load = draft.cells[stage.gate], draft.load_ff[net]
        least = min(margins.get(pin, 0.0) for pin in draft.sinks[net])
        now = self.drives.delay(cell, stage.out, load)
        best, group = 0.0, 0
        for count in range(1, len(others) + 1):
            buffer, its_load, rest = self._split_loads(net, others[:count])
            pin, out = self.drives.buffer_pins(buffer)
            left = rest + self.drives.input_ff(buffer, pin)
            gain = now - self.drives.delay(cell, stage.out, left)
            cost = self.drives.delay(buffer, out, its_load) - gain
            spare = margins.get(others[count - 1], 0.0) - least
            if gain > best and cost <= spare:
                best, group = gain, count
        if not group:
            return False
        self._insert(net, others[:group])
        return True

    def _split_loads(self, net: int, group: list[Pin]) -> tuple[str, float, float]:
        """The buffer over some pins, its load, and the rest of the net's; in fF."""
        draft, ff = self.draft, self.draft.found.rc.signal.ff
        going = set(group)
        rest = [pin for pin in draft.sinks[net] if pin not in going]
        spots = [draft.spots[gate][pin] for gate, pin in group]
        at = middle_of(spots)
        behind = tree_um([*spots, at]) * ff + sum(draft.pin_ff(pin) for pin in group)
        left = draft.length_um(net, [*(draft.spots[gate][pin] for gate, pin in rest), at])
        return (
            self.limits.buffer_for(behind),
            behind,
            left * ff + sum(draft.pin_ff(pin) for pin in rest),
        )

    def _insert(self, net: int, group: list[Pin]) -> None:
        buffer, _, _ = self._split_loads(net, group)
        at = middle_of([self.draft.spots[gate][pin] for gate, pin in group])
        self.touched.add(self.draft.insert(net, group, buffer, at))
