"""Jobs, AXI master and activation words in Amaranth's simulator, beside a memory in Python."""

from dataclasses import dataclass, field

import numpy as np
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import connect, flipped
from amaranth.sim import Simulator

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.dma.axi_master import AxiMaster
from adqhw.rtl.dma.job_engine import JobEngine
from adqhw.rtl.dma.slots import transfer_slots
from adqhw.rtl.layouts.jobs import Job, external_of, job_word
from adqhw.rtl.timing.dram import DramModel
from adqhw.verify.memory_slave import MemorySlave


class Pair(wiring.Component):
    """Jobs and their master; `stop` resets the jobs."""

    def __init__(self, arch: Arch):
        self.engine, self.master = JobEngine(arch), AxiMaster(arch)
        skip = ("memory",)
        members = {k: v for k, v in self.engine.signature.members.items() if k not in skip}
        members |= {k: v for k, v in self.master.signature.members.items() if k not in skip}
        super().__init__(members)

    def elaborate(self, platform):
        m = Module()
        stop = Signal()
        m.submodules.engine = ResetInserter(stop)(self.engine)
        m.submodules.master = self.master
        m.d.comb += stop.eq(self.stop)
        connect(m, self.engine.memory, self.master.memory)
        for unit in (self.engine, self.master):
            for name, member in unit.signature.members.items():
                if name == "memory":
                    continue
                mine, inner = getattr(self, name), getattr(unit, name)
                if member.is_signature:
                    pair = (mine, inner) if member.flow == wiring.In else (inner, mine)
                    outer = flipped(mine)
                    connect(m, *(outer if end is mine else end for end in pair))
                else:
                    inward = member.flow == wiring.In
                    m.d.comb += inner.eq(mine) if inward else mine.eq(inner)
        return m


@dataclass
class Outcome:
    """Rows loaded in order; cycles for which each step was active; beats counted; faults seen."""

    rows: list[tuple[int, int, int]] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    read: int = 0
    written: int = 0
    failed: int = 0


def jobs_run(
    arch: Arch, steps: list[list[Job]], slave: MemorySlave, words: dict[tuple[int, int], int],
    *, base: int = 0, stop_at: int | None = None, limit: int = 60_000,
) -> Outcome:  # fmt: skip
    """Load the jobs, run step by step. words: activations by (bank, address). stop_at: cycle of the
    first step in which it is stopped; the next steps run when the master is idle."""
    dut, outcome = Pair(arch), Outcome()
    slots = transfer_slots(arch)

    async def bench(ctx):
        ctx.set(dut.base, base)
        jobs = [job for step in steps for job in step]
        for row, job in enumerate(jobs):
            place = slots[job.target]
            ctx.set(dut.jobs.payload, {"row": row, "job": job_word(arch, job, place)})
            ctx.set(dut.jobs.valid, 1)
            await ctx.tick()
        ctx.set(dut.jobs.valid, 0)
        first, word = 0, 0
        for number, step in enumerate(steps):
            ctx.set(dut.first, first)
            ctx.set(dut.count, len(step))
            ctx.set(dut.begin, 1)
            first, active, cycle = first + len(step), 0, 0
            while True:
                stopping = number == 0 and cycle == stop_at
                ctx.set(dut.stop, int(stopping))
                slave.drive(ctx, dut)
                ctx.set(dut.read_word.as_value(), word)
                slave.sample(ctx, dut)
                if ctx.get(dut.load.valid):
                    row = ctx.get(dut.load.payload)
                    outcome.rows.append((row["target"], row["row"], row["data"]))
                outcome.read += ctx.get(dut.read_beat)
                outcome.written += ctx.get(dut.written_beat)
                outcome.failed += ctx.get(dut.failed)
                if ctx.get(dut.read_enable):
                    word = words[ctx.get(dut.read_bank), ctx.get(dut.read_address)]
                busy = ctx.get(dut.active)
                active += busy
                ending = not ctx.get(dut.begin) and not busy and not stopping
                await ctx.tick()
                ctx.set(dut.begin, 0)
                cycle += 1
                if ending and (stop_at is None or number or ctx.get(dut.idle)):
                    break
                assert cycle < limit, "no end"
            outcome.cycles.append(active)

    m = Module()
    m.submodules.dut = dut
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return outcome


def random_steps(arch: Arch, rng: np.random.Generator, size: int, count: int) -> list[list[Job]]:
    """Steps of random jobs of every kind below byte `size`, stores in the upper half."""
    slots, external = transfer_slots(arch), external_of(arch)
    steps = []
    for _ in range(count):
        step = []
        for _ in range(int(rng.integers(0, 4))):
            store = bool(rng.random() < 0.4)
            target = int(rng.choice([4, 5] if store else list(slots)))
            place = slots[target]
            room = size // 2 - external.bus_bytes
            rows = min(int(rng.integers(1, 1 + int(rng.choice([3, 40])))), room // place.bytes)
            unit = place.bytes if place.beats == 1 else external.bus_bytes
            at = int(rng.integers(0, (room - rows * place.bytes) // unit + 1)) * unit
            most = arch.storage.activation_words - rows
            row = int(rng.integers(0, most + 1))
            address = at + (size // 2 if store else 0)
            step.append(Job(target=target, row=row, rows=rows, address=address, store=store))
        steps.append(step)
    return steps


def random_model(rng: np.random.Generator) -> DramModel:
    return DramModel(
        latency=int(rng.integers(1, 40)),
        beat_cycles=int(rng.choice([1, 1, 2, 3, 8])),
        row_bytes=int(rng.choice([64, 256, 2048])),
        row_miss=int(rng.integers(0, 30)),
    )
