"""Cycles of the passes of a plan, from their descriptors, with the jobs that run beside them."""

from dataclasses import dataclass, replace
from typing import Any, assert_never

from ...spec.layers import MacLayer, PoolLayer
from ...spec.program import INPUT
from ..arch.arch import Arch
from ..dma.slots import transfer_slots
from ..layouts.descriptor import PassKind
from ..layouts.jobs import external_of, transfer_of
from ..networks.plans import Pass, Plan
from ..timing.dram import DramModel, JobTimer
from ..timing.group_pace import Blocks, Pace, tile_pace
from ..timing.grouping import grouping
from ..timing.held_timing import (
    HELD_PASS_OVERHEAD,
    STAGE_SETUP_CYCLES,
    first_times,
    fold_cycles,
    maxima_cycles,
    stage_finish_cycles,
)
from ..timing.schedule import layer_schedule
from ..timing.tensor_cycles import TensorCycles


@dataclass(frozen=True, kw_only=True, slots=True)
class StepCycles:
    """A pass with its jobs: cycles, and what is counted in them; `run` cycles from `setup` to the
    end of the pass, without its jobs."""

    cycles: int
    run: int = 0
    beats: int = 0
    drain_stalls: int = 0
    word_stalls: int = 0
    weight_words: int = 0
    chunks: int = 0
    external_stalls: int = 0
    beats_read: int = 0
    beats_written: int = 0

    def __add__(self, other: "StepCycles") -> "StepCycles":
        names = StepCycles.__dataclass_fields__
        return StepCycles(**{name: getattr(self, name) + getattr(other, name) for name in names})


def step_cycles(arch: Arch, plan: Plan, memory: DramModel | None = None) -> list[StepCycles]:
    """Every pass of a plan, in order, with streams that do not stall.

    A step takes HELD_PASS_OVERHEAD - 1 cycles, one per level of its codebook, and those from
    `setup` until its pass and its jobs have ended. memory: what jobs use; the first burst finds no
    row open.
    """
    timer = None
    if arch.external is not None:
        timer = JobTimer(external=external_of(arch), model=memory or DramModel())
    return [_step(arch, plan, entry, timer) for entry in plan.passes]


def plan_cycles(arch: Arch, plan: Plan, memory: DramModel | None = None) -> list[TensorCycles]:
    """The input and every layer, in order: their steps together."""
    steps = step_cycles(arch, plan, memory)
    kinds = {INPUT: INPUT} | {layer.name: str(layer.kind) for layer in plan.program.layers}
    found = []
    for name, kind in kinds.items():
        mine = [s for s, e in zip(steps, plan.passes, strict=True) if e.layer == name]
        total = sum(mine, StepCycles(cycles=0))
        found.append(
            TensorCycles(
                name=name, kind=kind, cycles=total.cycles, beats=total.beats,
                drain_stalls=total.drain_stalls, word_stalls=total.word_stalls,
                weight_words=total.weight_words, chunks=total.chunks, passes=len(mine),
                external_stalls=total.external_stalls, beats_read=total.beats_read,
                beats_written=total.beats_written,
            )
        )  # fmt: skip
    return found


def _step(arch: Arch, plan: Plan, entry: Pass, timer: JobTimer | None) -> StepCycles:
    alone = StepCycles(cycles=0, run=1) if entry.idle else _pass(arch, plan, entry)
    jobs = 0
    read = written = 0
    if timer is not None and entry.jobs:
        slots, before = transfer_slots(arch), (timer.beats_read, timer.beats_written)
        transfers = [transfer_of(job, slots[job.target], external_of(arch)) for job in entry.jobs]
        jobs = timer.step(transfers) + 1
        read, written = timer.beats_read - before[0], timer.beats_written - before[1]
    run = max(alone.run, jobs)
    return replace(
        alone,
        cycles=HELD_PASS_OVERHEAD - 1 + int(entry.word.get("codebook_count", 0)) + run,
        external_stalls=run - alone.run,
        beats_read=read,
        beats_written=written,
    )


def _pass(arch: Arch, plan: Plan, entry: Pass) -> StepCycles:
    """Without overhead: `run` is what counts."""
    word = entry.word
    walk, stage = word["walk"], word["stage"]
    results = bool(word.get("to_stream"))
    lanes = 1 if walk.get("narrow") or results else arch.out_lanes
    finish = stage_finish_cycles(
        arch, requant=bool(stage.get("requant")), chained=bool(stage.get("chained")),
        results=results,
    )  # fmt: skip
    match entry.kind:
        case PassKind.INPUT:
            names = ("columns", "stride", "padding", "channels", "height", "width", "out_width")
            sizes = {name: int(word["fold"][name]) for name in names}
            return StepCycles(cycles=0, run=fold_cycles(arch, **sizes))
        case PassKind.MAX_POOL:
            feed = word["feed"]
            words = feed["groups"] * feed["kernel_height"] * feed["kernel_width"] * feed["blocks"]
            return StepCycles(cycles=0, run=maxima_cycles(arch, words))
        case PassKind.DIRECT:
            chunks = -(-walk["channels"] // lanes) * walk["height"] * walk["width"]
            run = STAGE_SETUP_CYCLES + chunks - 1 + finish
            return StepCycles(cycles=0, run=run, chunks=chunks)
        case PassKind.ARRAY:
            pace = _pace(arch, plan, entry, lanes)
            return StepCycles(
                cycles=0, run=pace.drained + finish, beats=pace.beats,
                drain_stalls=pace.drain_stalls, word_stalls=pace.word_stalls,
                weight_words=pace.words, chunks=pace.chunks,
            )  # fmt: skip
        case _:
            assert_never(entry.kind)


def _pace(arch: Arch, plan: Plan, entry: Pass, lanes: int) -> Pace:
    layer = plan.program.layer(entry.layer)
    assert isinstance(layer, MacLayer | PoolLayer)
    work = layer_schedule(arch, plan.program, layer)
    return tile_pace(_blocks(arch, entry.word, lanes), **first_times(arch, work))


def _blocks(arch: Arch, word: dict[str, Any], lanes: int) -> Blocks:
    feed, walk = word["feed"], word["walk"]
    return Blocks(
        channels=walk["channels"],
        cols=arch.cols,
        pixels=grouping(walk["height"] * walk["width"], arch.hold),
        words=feed["kernel_height"] * feed["kernel_width"] * feed["channel_blocks"],
        constant=bool(feed["constant"]),
        lanes=lanes,
    )
