"""The AXI master beside a memory in Python that checks the rules of AXI4: beats, bursts, times."""

from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.timing.dram import ADDRESS_CYCLES, DramModel

from ..memory_slave import MemorySlave
from ..rtl_streams import played, started

BYTES, BURST, OUTSTANDING = 4, 4, 3
PAGE = 1 << 12
REQUESTS, LONG = 63, 22
"""Requests; cycles after which one that is too long is stopped."""


def master_arch() -> Arch:
    external = External(bus_width=8 * BYTES, burst_beats=BURST, outstanding=OUTSTANDING, jobs=4)
    return Arch(rows=2, cols=2, hold=2, external=external)


class Memory:
    """All bytes that 32 bits address; those that nobody wrote depend on the address."""

    def __init__(self) -> None:
        self.written: dict[int, int] = {}

    def __len__(self) -> int:
        return 1 << 32

    def __getitem__(self, part: slice) -> bytes:
        return bytes(
            self.written.get(at, (at * 0x9E3779B1 >> 13) & 255)
            for at in range(part.start, part.stop)
        )

    def __setitem__(self, at: int, value: int) -> None:
        self.written[at] = value


def master_bench(make: Any, simulator: Any) -> None:
    """Requests of all sizes anywhere in memory, one after the other; half of them are stopped."""
    dut, rng = make(), np.random.default_rng(21)
    running, _ = started(dut, simulator)

    async def bench(ctx: Any) -> None:
        for number in range(REQUESTS):
            await _Run(ctx, dut, rng, number).run()

    played(running, bench)


class _Run:
    """A request, from idle to idle."""

    def __init__(self, ctx: Any, dut: Any, rng: np.random.Generator, number: int) -> None:
        self.ctx, self.dut, self.rng = ctx, dut, rng
        self.store = bool(number // 2 & 1)
        self.beats = int(rng.integers(1, 18))
        self.stop = int(rng.integers(1, 24)) if number % 6 == 1 else None
        if number % 3 == 2:  # more than can be moved: low bits alone must not end it
            self.store = True
            self.beats, self.stop = (1 << 3 + number // 3 % 21) + int(rng.integers(0, 14)), LONG
        first = int(rng.integers(0, (1 << 30) - min(self.beats, 1 << 29) - 9))
        if self.stop == LONG:  # it ends with a block: what is left becomes 1 << k
            self.beats += -(first + self.beats) % BURST
        self.base = int(rng.integers(0, first * BYTES // PAGE + 1)) * PAGE
        self.at, self.address = first - self.base // BYTES, first * BYTES
        self.pressure = 0.0 if number % 2 == 0 else float(rng.choice([0.2, 0.6]))
        model = DramModel(
            latency=int(rng.integers(1, 12)), beat_cycles=int(rng.choice([1, 1, 2])),
            row_bytes=64, row_miss=int(rng.integers(0, 4)),
        )  # fmt: skip
        at = rng.integers(0, min(self.beats, 40), 2).tolist()
        faults = [self.address + BYTES * beat for beat in at] if number % 4 == 1 else []
        self.memory = Memory()
        self.expected: dict[int, int] = {}
        self.slave = MemorySlave(
            model, self.memory, BYTES, stall=self.pressure, seed=number,  # type: ignore[arg-type]
            faults=frozenset(faults),
        )  # fmt: skip
        self.moved = self.failed = self.cycle = self.end = 0
        self.draining = False
        self.offer: dict[str, int] | None = None
        self.taken: list[int] = []
        self.closes: list[int] = []

    async def run(self) -> None:
        ctx, dut = self.ctx, self.dut
        ctx.set(dut.base, self.base)
        request = {"store": int(self.store), "at": self.at, "beats": self.beats}
        stop, self.stop = self.stop, None
        for _ in range(int(self.rng.integers(0, 3))):  # not valid: it must not matter
            ctx.set(dut.memory.request.payload, request | {"beats": 5})
            await self._cycle(asking=False)
        if self.rng.random() < 0.3:  # not ready
            self.stop = self.cycle
            await self._cycle(asking=True)
            await self._cycle(asking=False)
        ctx.set(dut.memory.request.payload, request)
        assert ctx.get(dut.memory.request.ready)
        self.cycle, self.stop = 0, stop
        await self._cycle(asking=True)
        ctx.set(dut.memory.request.payload, {n: ~v & 1 for n, v in request.items()})
        while not ctx.get(dut.idle):
            await self._cycle(asking=False)
            assert self.cycle < 700, "no end"
        self.end = self.cycle
        await self._cycle(asking=False)  # a last report
        while self.draining:
            await self._cycle(asking=False)
        self._check()

    async def _cycle(self, *, asking: bool) -> None:
        ctx, dut, slave = self.ctx, self.dut, self.slave
        ctx.set(dut.memory.request.valid, int(asking))
        stopping = self.stop is not None and self.cycle == self.stop
        ctx.set(dut.stop, int(stopping))
        slave.drive(ctx, dut)
        self._data()
        before = len(slave.bursts), len(slave.queue)
        slave.sample(ctx, dut)
        self.taken += [self.cycle] * (len(slave.bursts) - before[0])
        over = len(slave.queue) < before[1] + len(slave.bursts) - before[0]
        self.closes += [self.cycle] * (slave.answering if self.store else over)
        self._count()
        ended = ctx.get(dut.idle)
        assert ctx.get(dut.memory.ended) == ended
        assert ctx.get(dut.memory.request.ready) == (ended and not (self.draining or stopping))
        self.draining = stopping or (self.draining and not ended)
        await ctx.tick()
        self.cycle += 1

    def _data(self) -> None:
        """Beats to write, beats that are read."""
        ctx, memory = self.ctx, self.dut.memory
        willing = self.rng.random() >= self.pressure
        if self.offer is None and self.store and willing and self.moved < self.beats:
            data, strobes = int(self.rng.integers(1 << 32)), int(self.rng.integers(16))
            self.offer = {"data": data, "strobes": strobes}
        ctx.set(memory.writes.valid, int(self.offer is not None))
        if self.offer is not None:
            ctx.set(memory.writes.payload, self.offer)
        ctx.set(memory.reads.ready, int(self.rng.random() >= self.pressure))

    def _count(self) -> None:
        """Transfers of this cycle: each beat at its place."""
        ctx, memory = self.ctx, self.dut.memory
        self.failed += ctx.get(self.dut.failed)
        place = self.address + BYTES * self.moved
        if ctx.get(memory.reads.valid) and ctx.get(memory.reads.ready):
            wanted = int.from_bytes(self.memory[place : place + BYTES], "little")
            assert not self.store
            assert ctx.get(memory.reads.payload) == wanted
            self.moved += 1
        if self.offer is not None and ctx.get(memory.writes.ready):
            for byte in range(BYTES):
                if self.offer["strobes"] >> byte & 1:
                    self.expected[place + byte] = self.offer["data"] >> 8 * byte & 255
            self.moved, self.offer = self.moved + 1, None

    def _check(self) -> None:
        slave, at, left = self.slave, self.at, self.beats
        wanted: list[tuple[bool, int, int]] = []
        while left and len(wanted) <= len(slave.bursts):
            beats = min(left, BURST - at % BURST)
            wanted.append((self.store, self.base + BYTES * at, beats))
            at, left = at + beats, left - beats
        found = [(burst.store, burst.address, burst.beats) for burst in slave.bursts]
        assert found == wanted[: len(found)]
        assert not slave.queue
        assert not slave.answers
        assert self.memory.written == self.expected
        if self.stop is None or self.stop >= self.end:
            assert self.moved == self.beats
            assert len(found) == len(wanted)
            assert self.failed == self._faults()
        elif self.stop == LONG:
            assert len(found) > 1
        assert self.failed <= self._faults()
        if not self.pressure:
            self._times()

    def _faults(self) -> int:
        bursts = [range(b.address, b.address + b.beats * BYTES) for b in self.slave.bursts]
        if self.store:
            return sum(any(at in burst for at in self.slave.faults) for burst in bursts)
        return sum(at in burst for burst in bursts for at in self.slave.faults)

    def _times(self) -> None:
        """An address per cycle, as far as bursts may be outstanding."""
        before = ADDRESS_CYCLES - 1
        for number, cycle in enumerate(self.taken):
            wanted = before + 1
            if number >= OUTSTANDING:
                wanted = max(wanted, self.closes[number - OUTSTANDING] + 2)
            assert cycle == wanted
            before = cycle
