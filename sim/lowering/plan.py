"""A program planned for a number of images in flight, and the memory of a worker that runs it."""

from dataclasses import dataclass, replace
from typing import assert_never

import numpy as np
import numpy.typing as npt

from ...spec.layers import ConcatLayer, MacLayer, PoolLayer, ThresholdLayer, UpsampleLayer
from ...spec.program import INPUT, Program
from ..kernels.convolve import BLOCK, RUNS
from ..kernels.execute import WORK
from ..kernels.op import IN_ARENA, IN_CONSTANTS, IN_COUNTERS, OP
from ..kernels.simd import Tag
from ..kernels.stages import RUN
from .layout import Place, aligned, arrange
from .lower import Lowering
from .lower_mac import lower_mac


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """Everything that workers share; addresses are still relative."""

    program: Program
    tag: Tag
    images: int
    """Images in flight per worker."""
    steps: np.ndarray
    constants: np.ndarray
    places: dict[str, Place]
    arena_bytes: int
    packed_bytes: int
    counters: dict[str, tuple[int, tuple[int, int, int]]]
    counter_words: int


def lower(program: Program, tag: Tag, *, keep: frozenset[str], counting: bool = False) -> Lowering:
    """Steps of `program`; tensors in `keep` and the last one survive to the end."""
    low = Lowering(program=program, tag=tag, counting=counting)
    for layer in program.layers:
        match layer:
            case MacLayer():
                lower_mac(low, layer)
            case ThresholdLayer():
                low.threshold(layer)
            case PoolLayer():
                low.pool(layer)
            case ConcatLayer():
                low.concat(layer)
            case UpsampleLayer():
                low.upsample(layer)
            case _:
                assert_never(layer)
    low.places[INPUT].born = -1
    for name in keep | {program.layers[-1].name}:
        low.places[name].dies = len(low.steps)
    return low


def plan(low: Lowering, *, images: int) -> Plan:
    """Memory map of lowered steps for `images` images in flight; may be made again for others."""
    arena = arrange([*low.places.values(), *low.spare], images)
    for step in low.steps:
        step.link()
    return Plan(
        program=low.program,
        tag=low.tag,
        images=images,
        steps=np.array([step.record for step in low.steps], OP),
        constants=low.constants.block(),
        places={name: replace(place) for name, place in low.places.items()},
        arena_bytes=arena,
        packed_bytes=low.packed_bytes,
        counters=low.counters,
        counter_words=low.counter_words,
    )


class Worker:
    """One thread's maps and scratch, and the steps with absolute addresses. Made once, reused."""

    def __init__(self, shared: Plan, arena_of: "Worker | None" = None) -> None:
        """`arena_of`: another worker whose maps (and counters) this one helps to fill."""
        self.plan = shared
        self.own_arena = arena_of is None
        self.arena: npt.NDArray[np.uint8] = (
            aligned(shared.arena_bytes) if arena_of is None else arena_of.arena
        )
        self.counters = np.zeros(max(shared.counter_words, 1), np.int32)
        self.gate = np.zeros(1, np.int64)
        if arena_of is not None:
            self.counters, self.gate = arena_of.counters, arena_of.gate
        self.places = np.zeros((3, BLOCK), np.int64)
        tile = RUNS * RUN * 4 + RUN * 4  # one run more: the last pixel may write past its lanes
        packed = BLOCK * shared.packed_bytes + 64
        sizes = {"packed": packed, "sums": tile, "codes": tile, "skips": tile}
        self._scratch = {name: aligned(size) for name, size in sizes.items()}
        self.work = np.zeros(1, WORK)
        for name, memory in self._scratch.items():
            self.work[name] = memory.ctypes.data
        self.work["gate"] = self.gate.ctypes.data
        self.steps = shared.steps.copy()
        bases = (
            (IN_ARENA, self.arena), (IN_CONSTANTS, shared.constants), (IN_COUNTERS, self.counters)
        )  # fmt: skip
        for names, memory in bases:
            for name in names:
                self.steps[name] += memory.ctypes.data
