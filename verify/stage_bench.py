"""Bench of the output stage: passes one after the other, every write and result with its cycle."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from amaranth.sim import Simulator

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.output.output_stage import OutputStage
from adqhw.rtl.output.payloads import Source
from adqhw.rtl.timing.held_timing import (
    MAXIMA_SETUP_CYCLES,
    STAGE_SETUP_CYCLES,
    stage_finish_cycles,
    stage_result_cycles,
    stage_write_cycles,
)

from .rtl_streams import played
from .stage_model import (
    Contents,
    StagePass,
    chunks,
    expected,
    parameter_reads,
    word_reads,
)


@dataclass
class Pressure:
    """Chances per cycle: a group (or a word of maxima) is not there; a result is not taken."""

    idle: float = 0.0
    pause: float = 0.0


@dataclass
class Record:
    """Of one pass; cycles count from its setup."""

    writes: list[tuple[int, dict]] = field(default_factory=list)
    seconds: list[tuple[int, dict]] = field(default_factory=list)
    results: list[tuple[int, dict]] = field(default_factory=list)
    reads: list[tuple[int, int]] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    """Cycles in which a group is valid first, and in which it is accepted."""
    offered: list[int] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=lambda: {"requant": 0, "threshold": 0})
    finished: int = 0


def run_passes(
    arch: Arch,
    contents: Contents,
    passes: list[StagePass],
    pressure: Pressure | None = None,
    seed: int = 0,
    *,
    dut: Any = None,
    simulator: Any = None,
) -> list[Record]:
    """Load the parameters, then run the passes, each setup right after the one before ended.

    dut, simulator: a unit and a class in place of Amaranth's simulator, which shows ports alone.
    """
    dut = dut or OutputStage(arch)
    rng = np.random.default_rng(seed)
    records: list[Record] = []

    async def bench(ctx):
        await _load(ctx, dut, contents)
        for one in passes:
            run = _Run(ctx, dut, contents, one, pressure or Pressure(), rng)
            run.inside = simulator is None
            records.append(await run.run())

    running = (simulator or Simulator)(dut)
    played(running, bench)
    return records


async def _load(ctx, dut, contents):
    rows = len(contents.multiplier)
    ctx.set(dut.result.ready, 1)
    for name, depth in (("requants", rows), ("thresholds", len(contents.tau))):
        load = getattr(dut, name)
        layout = (dut.requant_rows if name == "requants" else dut.threshold_rows).layout
        ctx.set(load.valid, 1)
        for row in range(depth):
            if name == "requants":
                value = [
                    {"multiplier": int(m), "bias": int(b)}
                    for m, b in zip(contents.multiplier[row], contents.bias[row], strict=True)
                ]
            else:
                value = [
                    {"negative": int(n), "tau": [int(v) for v in tau]}
                    for n, tau in zip(contents.negative[row], contents.tau[row], strict=True)
                ]
            bits = layout.const(value).as_value().value
            ctx.set(load.payload, {"row": row, "bits": bits})
            await ctx.tick()
        ctx.set(load.valid, 0)


class _Run:
    def __init__(self, ctx, dut, contents, one, pressure, rng):
        self.ctx, self.dut, self.contents, self.one = ctx, dut, contents, one
        self.pressure, self.rng, self.arch = pressure, rng, dut.arch
        self.record = Record()
        self.group, self.offering = 0, False
        self.inside, self.maxima = True, 0
        self.words = [[0] * dut.arch.rows for _ in range(2)]
        self.starts = np.cumsum([0, *one.groups])
        self.blocks = range(0, one.walk["channels"], one.walk["group"])

    async def run(self) -> Record:
        ctx, dut, one = self.ctx, self.dut, self.one
        for name in ("stage", "walk", "source", "to_stream", "final"):
            ctx.set(getattr(dut, name), getattr(one, name))
        ctx.set(dut.setup, 1)
        assert ctx.get(dut.finished)
        limit = 300 + 40 * len(chunks(self.arch, one.walk))
        for cycle in range(limit):
            self._offer(cycle)
            if cycle and ctx.get(dut.finished):
                self.record.finished = cycle
                break
            self._sample(cycle)
            await ctx.tick()
            ctx.set(dut.setup, 0)
            self._answer()
        else:
            raise AssertionError(f"no end after {limit} cycles: {one}")
        total = len(self.blocks) * len(one.groups)
        assert (self.group, self.maxima) == (total, len(one.maxima))
        return self.record

    def _offer(self, cycle: int) -> None:
        """Groups stay until accepted; the maxima just come; sums of the slot asked for."""
        ctx, dut, one = self.ctx, self.dut, self.one
        willing = self.rng.random() >= self.pressure.idle
        if one.source is Source.ARRAY and self.group < len(self.blocks) * len(one.groups):
            if not self.offering and willing and cycle >= 1:
                self.offering = True
                self.record.offered.append(cycle)
            ctx.set(dut.groups.valid, int(self.offering))
            ctx.set(dut.groups.payload, {"count": one.groups[self.group % len(one.groups)]})
        else:
            ctx.set(dut.groups.valid, 0)
        ctx.set(dut.result.ready, int(self.rng.random() >= self.pressure.pause))
        has = self.maxima < len(one.maxima) and willing and cycle >= MAXIMA_SETUP_CYCLES
        ctx.set(dut.maxima.valid, int(has))
        if has:
            ctx.set(dut.maxima.payload, one.maxima[self.maxima])
            self.record.taken.append(cycle)
            self.maxima += 1
        ctx.set(dut.accs, self._sums() if self.offering else self._noise())

    def _sums(self) -> list[int]:
        walk, slot = self.one.walk, self.ctx.get(self.dut.slot)
        block, group = divmod(self.group, len(self.one.groups))
        y, x = divmod(int(self.starts[group]) + slot, walk["width"])
        first = block * walk["group"]
        end = min(first + walk["group"], walk["channels"])
        sums = self._noise()  # columns without a channel have anything
        if slot < self.one.groups[group]:
            sums[: end - first] = [int(v) for v in self.one.sums[first:end, y, x]]
        return sums

    def _check_filled(self, filled: int, lanes: int, word: int) -> None:
        """Nothing, or 0 in all lanes above the last code."""
        above = -1 << lanes.bit_length() & ((1 << self.arch.rows) - 1)
        assert filled in (0, above)
        width = self.arch.storage.code_width
        assert not any(
            filled >> lane & 1 and word >> width * lane & ((1 << width) - 1)
            for lane in range(self.arch.rows)
        )

    def _noise(self) -> list[int]:
        reach = 1 << (self.arch.acc_width - 1)
        return [int(v) for v in self.rng.integers(-reach, reach, self.arch.cols)]

    def _sample(self, cycle: int) -> None:
        ctx, dut, record = self.ctx, self.dut, self.record
        for port, found in ((dut.write, record.writes), (dut.second, record.seconds)):
            banks, lanes = ctx.get(port.banks), ctx.get(port.lanes)
            if lanes:  # given, also where no bank has the map
                word = ctx.get(port.word.as_value())
                width = self.arch.storage.code_width
                codes = {
                    lane: word >> width * lane & ((1 << width) - 1)
                    for lane in range(self.arch.rows)
                    if lanes >> lane & 1
                }
                self._check_filled(ctx.get(port.filled), lanes, word)
                at = {"banks": banks, "address": ctx.get(port.address), "codes": codes}
                found.append((cycle, at))
        if ctx.get(dut.result.valid) and ctx.get(dut.result.ready):
            payload = dut.result.payload
            result = {"code": ctx.get(payload.code), "last": ctx.get(payload.last)}
            record.results.append((cycle, result))
        if self.one.source is not Source.MAXIMA and self._takes():
            record.taken.append(cycle)
        self.request = None
        if ctx.get(dut.read_enable):
            self.request = ctx.get(dut.read_bank), ctx.get(dut.read_address)
            record.reads.append((cycle, self.request[1]))
            assert self.one.walk["read"]["banks"] >> self.request[0] & 1
        if self.inside:
            record.rows["requant"] += ctx.get(dut.requant_rows.reading)
            record.rows["threshold"] += ctx.get(dut.threshold_rows.reading)
        if self.offering and ctx.get(dut.groups.ready):
            record.accepted.append(cycle)
            self.group, self.offering = self.group + 1, False

    def _takes(self) -> bool:
        """A chunk is taken; from outside it is seen where no results are."""
        if self.inside:
            return bool(self.ctx.get(self.dut.take))
        return not self.one.to_stream and bool(self.ctx.get(self.dut.progress))

    def _answer(self) -> None:
        """The memory's word of the request in the cycle before."""
        if self.request is not None:
            bank, address = self.request
            self.words[bank] = [int(v) for v in self.contents.banks[bank, address]]
            self.ctx.set(self.dut.words, self.words)


def check(
    a: Arch, contents: Contents, one: StagePass, record: Record, *, inside: bool = True
) -> None:
    """Values in their order; words and rows are read only when they change.

    inside: reads of rows are known.
    """
    wanted = expected(a, contents, one)
    for found, model in zip((record.writes, record.seconds, record.results), wanted, strict=True):
        named = [{k: v for k, v in event.items() if k != "chunk"} for event in model]
        assert [event for _, event in found] == named
    stage, walk = one.stage, one.walk
    if walk["read"]["banks"]:
        assert [address for _, address in record.reads] == word_reads(a, one)
    else:
        assert not record.reads
    rows = {"requant": 0, "threshold": 0}
    if one.source is not Source.MAXIMA:
        first = parameter_reads(a, one, walk["parameter_base"], shared=stage["shared"])
        rows["requant" if stage["requant"] else "threshold"] = first
        if stage["chained"]:
            shared = stage["second_shared"]
            rows["threshold"] = parameter_reads(a, one, walk["second_base"], shared=shared)
    if inside:
        assert record.rows == rows


def check_cycles(a: Arch, contents: Contents, one: StagePass, record: Record) -> None:
    """What `held_timing` says, where no result waits."""
    stage, taken = one.stage, record.taken
    requant = bool(stage["requant"])
    writes, seconds, results = expected(a, contents, one)
    if one.source is Source.MAXIMA:
        assert [cycle for cycle, _ in record.writes] == taken
        assert record.finished == taken[-1] + 1
        return
    for found, model, latency in (
        (record.writes, writes, stage_write_cycles(a, requant=requant)),
        (record.seconds, seconds, stage_write_cycles(a, requant=False)),
        (record.results, results, stage_result_cycles(a, requant=requant)),
    ):
        assert [cycle for cycle, _ in found] == [taken[e["chunk"]] + latency for e in model]
    chained, streamed = bool(stage["chained"]), bool(one.to_stream)
    tail = stage_finish_cycles(a, requant=requant, chained=chained, results=streamed)
    assert record.finished == taken[-1] + tail
    if one.source is Source.DIRECT:
        assert taken == [STAGE_SETUP_CYCLES + i for i in range(len(taken))]
        return
    at = 0
    for begin, end in zip(record.offered, record.accepted, strict=True):
        first = max(begin, STAGE_SETUP_CYCLES)
        assert taken[at] == first
        assert taken[at : at + end - first + 1] == list(range(first, end + 1))
        at += end - first + 1
    assert at == len(taken)
