"""The job engine between a memory of beats and the load port: rows, words and times."""

from typing import Any

import numpy as np

from adqhw.rtl.accelerator.ports import Target
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.dma.slots import transfer_slots
from adqhw.rtl.layouts.jobs import Slot, external_of
from adqhw.rtl.timing.dram import FETCH_CYCLES, NEXT_CYCLES, WORD_CYCLES

from ..rtl_streams import played, reset, started

STEPS, MANY = 74, 3
LONG_JOBS = 36
"""Steps of jobs; jobs of a step that has too many; steps of one job that is too long to end."""


def job_arch() -> Arch:
    """Rows of 4 bits to some beats."""
    storage = Storage(activation_words=32, code_width=6, codebook_rows=16)
    return Arch(
        rows=2, cols=2, hold=2, fill=2, out_lanes=2, level_width=4, threshold_width=1,
        storage=storage, external=External(bus_width=32, jobs=8),
    )  # fmt: skip


def mixed(*numbers: int) -> int:
    """32 bits that depend on all numbers."""
    value = 0
    for number in numbers:
        value = (value ^ number) * 0x9E3779B1 & 0xFFFFFFFFFF
        value ^= value >> 15
    return value & 0xFFFFFFFF


def job_bench(make: Any, simulator: Any) -> None:
    """Steps of up to three jobs under stalls; some are cut off by a reset, as they are too long."""
    dut, rng = make(), np.random.default_rng(3)
    running, rst = started(dut, simulator)

    async def bench(ctx: Any) -> None:
        for number in range(STEPS):
            jobs = [_random_job(dut.arch, rng) for _ in range(int(rng.integers(0, 4)))]
            step = _Step(ctx, dut, rng, jobs, stall=(number % 3) * 0.3)
            if number % 2 and number < 2 * LONG_JOBS:
                step.jobs = [_random_job(dut.arch, rng, most=4, long=number // 2)]
                step.long, step.stall = True, 0.0
            elif number % 4 == 0:  # the job memory comes round again
                step.jobs = [_random_job(dut.arch, rng, most=2) for _ in range(8)]
                step.count = (1 << 2 + number // 4 % 14) + int(rng.integers(1, MANY + 1))
            await step.run()
            if step.cut:
                await reset(ctx, rst)

    played(running, bench)


def _random_job(
    arch: Arch, rng: np.random.Generator, *, most: int = 8, long: int | None = None
) -> dict[str, int]:
    """Fields of `job_layout`; long: number of a job whose low bits of rows alone end early."""
    slots = transfer_slots(arch)
    store = int(rng.random() < 0.5) if long is None else long & 1
    target = int(rng.choice([4, 5] if store else list(slots)))
    place = slots[target]
    rows = int(rng.integers(1, most))
    if long is not None:
        rows += 1 << 3 + long // 2
    slot = int(rng.integers(0, place.per_beat))
    return {
        "store": store, "target": target, "row": int(rng.integers(0, 1 << 24)),
        "rows": rows, "slot": slot, "at": int(rng.integers(0, 1 << 30)),
        "beats": -(-(slot + rows) * place.beats // place.per_beat) & 0xFFFFFF,
    }  # fmt: skip


class _Step:
    """Jobs from one `begin` on."""

    def __init__(
        self, ctx: Any, dut: Any, rng: np.random.Generator, jobs: list[dict[str, int]], *,
        stall: float,
    ) -> None:  # fmt: skip
        self.ctx, self.dut, self.rng, self.jobs = ctx, dut, rng, jobs
        self.stall, self.long, self.cut = stall, False, False
        self.first, self.count = int(rng.integers(0, 8)), 0
        self.waiting: dict[str, Any] = {}
        self.number, self.cycle, self.asks = 0, 0, FETCH_CYCLES
        self.job: dict[str, int] | None = None
        self.beat = self.rows = 0
        self.offered, self.word = False, 0
        self.ending = 0
        self.row_cycle = self.moved_cycle = 0

    @property
    def job_now(self) -> dict[str, int]:
        return self.jobs[self.number % len(self.jobs)]

    def _stays(self, name: str, *, ready: bool) -> None:
        """What is offered stays until it is taken."""
        port = getattr(self.dut.memory, name)
        now = self.ctx.get(port.payload.as_value()) if self.ctx.get(port.valid) else None
        before = self.waiting.get(name)
        assert before is None or now == before, name
        self.waiting[name] = None if ready else now

    def _lucky(self) -> bool:
        return not self.stall or bool(self.rng.random() >= self.stall)

    async def run(self) -> None:
        ctx, dut = self.ctx, self.dut
        self.count = self.count or len(self.jobs)
        for row, job in enumerate(self.jobs, start=self.first):
            ctx.set(dut.jobs.payload, {"row": row & 7, "job": job})
            ctx.set(dut.jobs.valid, 1)
            await ctx.tick()
        ctx.set(dut.jobs.payload, {"row": self.first, "job": _random_job(dut.arch, self.rng)})
        ctx.set(dut.jobs.valid, 0)
        ctx.set(dut.first, self.first | int(self.rng.integers(0, 1 << 13)) << 3)
        ctx.set(dut.count, self.count)
        ctx.set(dut.begin, 1)
        while self.number < self.count or not self.cycle:
            await self._cycle()
            self.cut = (self.long and self.cycle > self._enough()) or self.number > MANY
            if self.cut:
                return
            assert self.cycle < 900, "no end"
        for _ in range(3):
            assert not ctx.get(dut.active)
            await self._quiet()

    def _enough(self) -> int:
        """Cycles until a long job would have stood still, had it only the low bits of its rows."""
        job = self.jobs[0]
        place = transfer_slots(self.dut.arch)[job["target"]]
        low = job["rows"] & 7
        return FETCH_CYCLES + (low + 1) * place.beats + self._step(place) + 2

    def _step(self, place: Slot) -> int:
        """Cycles without a transfer, where nothing stalls."""
        return 1 + place.beats if not self.jobs[0]["store"] else WORD_CYCLES + place.per_beat

    async def _quiet(self) -> None:
        for name in ("load", "memory.request", "memory.writes"):
            port = self.dut
            for part in name.split("."):
                port = getattr(port, part)
            assert not self.ctx.get(port.valid), name
        assert not self.ctx.get(self.dut.read_enable)
        await self.ctx.tick()

    async def _cycle(self) -> None:
        ctx, dut = self.ctx, self.dut
        assert ctx.get(dut.active) == (self.cycle > 0)
        ready = self._lucky()
        ctx.set(dut.memory.request.ready, int(ready))
        asked = ctx.get(dut.memory.request.valid)
        assert asked == (self.job is None and self.cycle >= self.asks)
        self._stays("request", ready=ready)
        self._data()
        self._stays("writes", ready=self.ready)
        over = False
        if self.job is not None:
            over = self._moved(self.job)
        elif asked:
            self._request(ready=ready)
        word = self.word
        if ctx.get(dut.read_enable):
            assert ctx.get(dut.read_bank) == self.job_now["target"] & 1
            word = mixed(ctx.get(dut.read_bank), ctx.get(dut.read_address)) & 0xFFF
        await ctx.tick()
        self.word = word
        ctx.set(dut.begin, 0)
        ctx.set(dut.read_word, [word & 63, word >> 6])
        if over:
            self.job, self.asks = None, self.cycle + NEXT_CYCLES
            self.number += 1
        self.cycle += 1

    def _request(self, *, ready: bool) -> None:
        """The job's beats are asked for; the row that is asked for is that of the job memory."""
        payload, job = self.ctx.get(self.dut.memory.request.payload), self.job_now
        assert [payload[n] for n in ("store", "at", "beats")] == [
            job[n] for n in ("store", "at", "beats")
        ]
        if ready:
            self.job, self.beat, self.rows, self.ending = job, 0, 0, 0
            self.row_cycle = self.moved_cycle = self.cycle

    def _data(self) -> None:
        """Beats of a load, ready for those of a store, and whether all is over."""
        ctx, memory, job = self.ctx, self.dut.memory, self.job
        loads = job is not None and not job["store"] and self.beat < job["beats"]
        self.offered = loads and (self.offered or self._lucky())
        ctx.set(memory.reads.valid, int(self.offered))
        ctx.set(memory.reads.payload, mixed(job["at"] + self.beat if job else 0, 77))
        self.ready = self._lucky()
        ctx.set(memory.writes.ready, int(self.ready))
        done = job is not None and self.beat == job["beats"]
        self.ending += done and bool(job and job["store"])
        ctx.set(memory.ended, int(job is None or self.ending > 2))

    def _moved(self, job: dict[str, int]) -> bool:
        """Transfers of a cycle; is the job over?"""
        ctx, dut = self.ctx, self.dut
        read = self.offered and ctx.get(dut.memory.reads.ready)
        valid = ctx.get(dut.memory.writes.valid)
        wrote = bool(job["store"]) and valid and self.ready
        assert job["store"] or not valid
        assert ctx.get(dut.read_beat) == read
        assert ctx.get(dut.written_beat) == wrote
        if ctx.get(dut.load.valid):
            assert not job["store"]
            self._row(job, ctx.get(dut.load.payload))
        if wrote:
            self._write(job, ctx.get(dut.memory.writes.payload))
        if read:
            self.offered = False
        self.beat += read or wrote
        if self.long:  # it goes on
            place = transfer_slots(self.dut.arch)[job["target"]]
            moved = wrote or ctx.get(dut.load.valid)
            self.moved_cycle = self.cycle if moved else self.moved_cycle
            assert self.cycle - self.moved_cycle <= self._step(place)
        if job["store"]:
            return self.ending > 2
        return self.rows == job["rows"]

    def _row(self, job: dict[str, int], payload: Any) -> None:
        """Row `rows` of the job, in its beats."""
        arch = self.dut.arch
        place, bus = transfer_slots(arch)[job["target"]], external_of(arch).bus_width
        index = job["slot"] + self.rows
        beat, slot = divmod(index, place.per_beat)
        bits = 0
        for part in range(place.beats):
            at = job["at"] + (beat if place.beats == 1 else self.rows * place.beats + part)
            bits |= mixed(at, 77) << bus * part
        value = bits >> slot * place.bits & ((1 << place.width) - 1)
        row, target = (job["row"] + self.rows) & 0xFFFFFF, job["target"]
        if target == Target.WEIGHTS:
            row, bank = divmod(row, arch.plane_banks)
            target += bank
        wanted = {"target": target, "row": row, "data": value}
        assert {name: payload[name] for name in wanted} == wanted
        if not self.stall:  # a row per cycle of a narrow row, behind its beat
            assert self.cycle - self.row_cycle <= 1 + place.beats
        self.row_cycle = self.cycle
        self.rows += 1

    def _write(self, job: dict[str, int], payload: Any) -> None:
        """A beat with the words that belong into it, and no other byte."""
        place = transfer_slots(self.dut.arch)[job["target"]]
        for slot in range(place.per_beat):
            row = self.beat * place.per_beat + slot - job["slot"]
            there = 0 <= row < job["rows"]
            strobes = payload["strobes"] >> slot * place.bytes & ((1 << place.bytes) - 1)
            assert strobes == there * ((1 << place.bytes) - 1)
            if there:
                word = mixed(job["target"] & 1, (job["row"] + row) & 31) & 0xFFF
                assert payload["data"] >> slot * place.bits & 0xFFF == word
                self.rows += 1
        if not self.stall and not self.beat:
            last = min(place.per_beat, job["slot"] + job["rows"]) - job["slot"]
            assert self.cycle - self.row_cycle == WORD_CYCLES + last
