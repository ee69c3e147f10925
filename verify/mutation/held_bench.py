"""The bench of the array that holds weights: groups, words and slots under stalls; its times."""

from dataclasses import replace
from typing import Any

import numpy as np

from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.registry import BASELINE
from adqhw.rtl.lanes.shift_add import ShiftAdd
from adqhw.rtl.timing.held_timing import held_array_latency
from adqhw.spec.formats import Int64Array

from ..held_work import LEVELS, Handshakes, Work, random_work, run
from .mac_bench import PRESSURES


def held_arch(micro: str) -> Arch:
    multiply_width = 3 if micro == BASELINE else None
    return Arch(
        rows=2, cols=2, micro=micro, hold=2, fill=2, act_width=3, weight_width=3, level_width=8,
        acc_width=14, multiply_width=multiply_width,
    )  # fmt: skip


def held_bench(micro: str, make: Any, simulator: Any) -> None:
    """All levels with all activations; random groups; both kinds of stall; latency."""
    a, rng = held_arch(micro), np.random.default_rng(6)
    for number, (idle, pause) in enumerate((*PRESSURES, (0.0, 0.95))):
        work = random_work(a, rng, 6, depth=3, bypass=number % 2 == 1)
        work = replace(work, levels=_levels(a, rng))
        _checked(make(), work, simulator, idle=idle, pause=pause, seed=number)
    for _ in range(4):
        _checked(make(), replace(_every_product(a), levels=_levels(a, rng)), simulator)
    for bypass in (False, True):
        _times(make(), a, rng, simulator, bypass=bypass)


def _levels(a: Arch, rng: np.random.Generator) -> tuple[int, ...]:
    """Level 0, and seven that the lanes can have."""
    every = np.arange(-128, 128)
    if a.micro == ShiftAdd.name:
        powers = 1 << np.arange(7)
        every = np.concatenate([powers, -powers, 5 * powers[:5], -5 * powers[:5]])
    return (0, *(int(level) for level in rng.choice(every, 7)))


def _checked(dut: Any, work: Work, simulator: Any, **pressure: Any) -> None:
    model = Handshakes(dut, work)
    trace, sums = run(dut, work, model, simulator=simulator, **pressure)
    assert sums == [group.tolist() for group in work.sums]
    assert [value["count"] for value in trace.values("groups")] == [len(s) for s in sums]


def _every_product(a: Arch) -> Work:
    """A code per word, two activations per word, in every lane."""
    codes, acts = np.mgrid[0 : len(LEVELS), 0 : 1 << (a.act_width - 1)].reshape(2, -1)
    lanes = np.arange(4).reshape(2, 2)
    return Work(
        arch=a,
        activations=[np.array([[[2 * x] * 2, [2 * x + 1] * 2]]) for x in acts.tolist()],
        codes=[(np.array([lanes + code]) % len(LEVELS)) for code in codes.tolist()],
        read=[[True]] * len(codes),
    )


def _times(dut: Any, a: Arch, rng: Any, simulator: Any, *, bypass: bool) -> None:
    """A word in max(its beats, fill + 1) cycles; a group `held_array_latency` after its last."""

    def drawn(high: int, *shape: int) -> list[Int64Array]:
        return [rng.integers(0, high, shape) for _ in range(3)]

    work = Work(
        arch=a, activations=drawn(8, 3, 2, 2), codes=drawn(8, 3, 2, 2), read=[[True] * 3] * 3,
        bypass=bypass,
    )  # fmt: skip
    trace, _ = run(dut, work, simulator=simulator)
    taken, schedule = np.array(trace.accepted["beats"]), work.mac.schedule
    assert set(np.diff(taken[::2])) == {max(2 * schedule.beat_cycles, a.fill + 1)}
    latency = np.array(trace.cycles("groups")) - taken[5::6]
    assert set(latency) == {held_array_latency(a, schedule)}
