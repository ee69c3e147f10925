"""How much time is left at every pin: when signals must be there for all ends behind them."""

import math

from ..netlist.timing import FALL, RISE
from .arrivals import Arrivals
from .draft import GONE, Pin

EDGES = RISE, FALL


def margins_of(arrivals: Arrivals) -> dict[Pin, float]:
    """Slack of every input pin that leads to an end, in ns."""
    draft = arrivals.draft
    needed = [_ends(arrivals, net) for net in range(len(draft.driver))]
    found: dict[Pin, float] = {}
    order = sorted(range(len(draft.cells)), key=lambda gate: (-arrivals.level[gate], gate))
    for gate in order:
        if draft.cells[gate] == GONE or arrivals.clocks(gate):
            continue
        for pin, slack in _inputs(arrivals, gate, needed).items():
            net = draft.pins[gate][pin]
            for edge in EDGES:
                begin, _ = arrivals.at(gate, pin, net, edge)
                wire = draft.delays[gate, pin]
                needed[net][edge] = min(needed[net][edge], begin + slack[edge] - wire)
            found[gate, pin] = min(slack)
    return found | {end: slack_ns for end, slack_ns in arrivals.slacks.items() if end[1]}


def _ends(arrivals: Arrivals, net: int) -> list[float]:
    """When a net must be there for the ends on it."""
    due = math.inf
    latest = max(arrivals.arrival[net])
    ends = [(-1 - net, ""), *arrivals.draft.sinks[net]]
    for end in ends:
        if end in arrivals.slacks:
            due = min(due, latest + arrivals.slacks[end])
    return [due, due]


def _inputs(arrivals: Arrivals, gate: int, needed: list[list[float]]) -> dict[str, list[float]]:
    """Slack of a gate's inputs by edge."""
    draft = arrivals.draft
    pins, cell = draft.pins[gate], draft.cells[gate]
    found: dict[str, list[float]] = {}
    for out in draft.library.cell(cell).outputs:
        net = pins.get(out, -1)
        if net < 0 or net in arrivals.ideal or min(needed[net]) == math.inf:
            continue
        load = draft.load_ff[net]
        for related, edge, start, delay, _ in arrivals.drives.ways(cell, out):
            source = pins.get(related, -1)
            if source < 0 or source in arrivals.ideal:
                continue
            begin, slew = arrivals.at(gate, related, source, start)
            if begin == -math.inf:
                continue
            slack = needed[net][edge] - begin - delay.number_at(slew, load)
            one = found.setdefault(related, [math.inf, math.inf])
            one[start] = min(one[start], slack)
    return found
