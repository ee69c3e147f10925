"""Amaranth's simulator behind a plain function: streams in, streams with their cycles out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.hdl import ClockDomain, Module
from amaranth.sim import Simulator

Payload = Any
"""An integer, or a dict of field values."""


@dataclass
class Trace:
    """Transfers: cycles of acceptance per input port, (value, cycle) per output port."""

    accepted: dict[str, list[int]] = field(default_factory=dict)
    outputs: dict[str, list[tuple[Payload, int]]] = field(default_factory=dict)

    def values(self, port: str) -> list[Payload]:
        return [value for value, _ in self.outputs[port]]

    def cycles(self, port: str) -> list[int]:
        return [cycle for _, cycle in self.outputs[port]]


def simulate(
    dut: Any,
    feeds: Mapping[str, Sequence[Payload]],
    counts: Mapping[str, int],
    *,
    loads: Sequence[tuple[str, Payload]] = (),
    constants: Mapping[str, Payload] | None = None,
    idle: float = 0.0,
    pause: float = 0.0,
    seed: int = 0,
    probe: Any = None,
    later: Mapping[int, tuple[str, Payload]] | None = None,
    holds: float = 0.0,
    simulator: Any = None,
) -> Trace:
    """Load parameters, play `feeds`, and stop when every output port has given its count.

    Inputs are held back with chance `idle`, outputs with chance `pause`. `probe(ctx)` runs in
    every cycle. `later`: loads by cycle. `holds`: chance of the input `hold`, under which nothing
    is offered. `simulator`: a class in place of Amaranth's. Checks the stream rules: an offered
    payload stays until taken, and valid does not depend on ready.
    """
    rng = np.random.default_rng(seed)
    trace = Trace({port: [] for port in feeds}, {port: [] for port in counts})

    async def bench(ctx):
        for name, value in (constants or {}).items():
            ctx.set(getattr(dut, name), value)
        for port, payload in loads:
            await _load(ctx, getattr(dut, port), payload)
        players = [_Player(dut, port, list(items), trace) for port, items in feeds.items()]
        takers = [_Taker(dut, port, trace) for port in counts]
        limit = 1000 + 40 * (sum(map(len, feeds.values())) + sum(counts.values()))
        for cycle in range(limit):
            frozen = holds > 0 and rng.random() < holds
            if holds:
                ctx.set(dut.hold, int(frozen))
            if later:
                _present(ctx, dut, later, cycle)
            for player in players:
                player.offer(ctx, rng.random() >= idle)
            for taker in takers:
                taker.offer(ctx, rng.random() >= pause, frozen=frozen)
            for end in (*players, *takers):
                end.sample(ctx, cycle)
            if probe is not None:
                probe(ctx)
            await ctx.tick()
            if all(len(trace.outputs[port]) >= count for port, count in counts.items()):
                return
        raise AssertionError(f"no end after {limit} cycles: {trace.outputs}")

    running, _ = started(dut, simulator)
    played(running, bench)
    return trace


def started(dut: Any, simulator: Any = None) -> tuple[Any, Any]:
    """Amaranth's simulator, or the given class, of a unit, and the signal that resets it."""
    if simulator is not None:
        running = simulator(dut)
        return running, running.rst
    m = Module()
    m.domains.sync = domain = ClockDomain()
    m.submodules.dut = dut
    return Simulator(m), domain.rst


def played(running: Any, bench: Any) -> None:
    """Run the one testbench of what `started` gave to its end."""
    running.add_clock(1e-6)
    running.add_testbench(bench)
    running.run()


async def reset(ctx: Any, rst: Any) -> None:
    """A cycle of reset."""
    ctx.set(rst, 1)
    await ctx.tick()
    ctx.set(rst, 0)


async def _load(ctx, port, payload):
    ctx.set(port.payload, payload)
    ctx.set(port.valid, 1)
    await ctx.tick()
    ctx.set(port.valid, 0)


def _present(ctx, dut, later, cycle):
    """The load of this cycle, if any."""
    for name in {name for name, _ in later.values()}:
        ctx.set(getattr(dut, name).valid, int(cycle in later and later[cycle][0] == name))
    if cycle in later:
        name, payload = later[cycle]
        ctx.set(getattr(dut, name).payload, payload)


class _Player:
    """Offers the items of one input stream, each until it is taken."""

    def __init__(self, dut, name, items, trace):
        self.port, self.items, self.accepted = getattr(dut, name), items, trace.accepted[name]
        self.at, self.held = 0, False

    def offer(self, ctx, willing):
        valid = self.at < len(self.items) and (self.held or willing)
        if valid:
            ctx.set(self.port.payload, self.items[self.at])
        elif self.items:  # not valid: something else, which must not matter
            ctx.set(self.port.payload, self.items[(3 * self.at + 5) % len(self.items)])
        ctx.set(self.port.valid, int(valid))
        self.held = valid

    def sample(self, ctx, cycle):
        if self.held and ctx.get(self.port.ready):
            self.accepted.append(cycle)
            self.at, self.held = self.at + 1, False


class _Taker:
    """Takes from one output stream and checks the stream rules."""

    def __init__(self, dut, name, trace):
        self.name, self.port, self.outputs = name, getattr(dut, name), trace.outputs[name]
        self.waiting = None

    def offer(self, ctx, ready, *, frozen=False):
        ctx.set(self.port.ready, int(not ready))
        before = ctx.get(self.port.valid)
        ctx.set(self.port.ready, int(ready))
        assert ctx.get(self.port.valid) == before, f"{self.name}: valid depends on ready"
        self.ready, self.frozen = ready, frozen

    def sample(self, ctx, cycle):
        valid = ctx.get(self.port.valid)
        if self.frozen:
            assert not valid, f"{self.name}: valid while held"
            return
        value = ctx.get(self.port.payload) if valid else None
        if self.waiting is not None:
            assert valid, f"{self.name}: valid dropped before ready"
            assert value == self.waiting, f"{self.name}: payload changed before ready"
        taken = valid and self.ready
        if taken:
            self.outputs.append((value, cycle))
        self.waiting = value if valid and not taken else None
