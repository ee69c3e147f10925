"""Whole networks through the emitted accelerator: load, start, wait, read everything back."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...rtl.arch.arch import Arch
from ...rtl.networks.plans import Plan
from ...rtl.program.fit import check_storage
from ...rtl.program.image import Row, image_lines, memory_image
from ...rtl.program.run_cycles import run_cycles
from ...rtl.timing.dram import DramModel
from ...spec.errors import SimulationError
from ...spec.program import INPUT, Program
from ..layer.harness import Pressure, is_finished
from ..layer.runner import Build, build_texts, simulate
from ..simulators.toolchain import Simulator
from ..simulators.workshop import scratch, workshop
from .cpp_main import build_player
from .files import (
    MEMORY_MODULE,
    NETWORK_MODULE,
    memory_beats,
    memory_lines,
    memory_verilog,
    network_verilog,
    read_trace,
    write_image,
)
from .kept_texts import kept_texts
from .trace import LayerTrace, layer_traces


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A program, its images (N, C, H, W) and how the streams are stalled.

    change: what to do to the memory image before it is loaded (a fault to be found). plan: of the
    program on the array, when it was made before. memory: times of external memory. resets: by
    image, the cycle of its run in which the accelerator is reset, after which the image is played
    once more; images beyond the last of them run undisturbed.
    """

    program: Program
    images: npt.NDArray[Any] = field(repr=False)
    pressure: Pressure = field(default_factory=Pressure)
    change: Callable[[list[Row]], list[Row]] = lambda rows: rows
    plan: Plan | None = None
    memory: DramModel = field(default_factory=DramModel)
    resets: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkRun:
    """Per case and image one LayerTrace per tensor (the input's too); seconds spent."""

    cases: list[list[dict[str, LayerTrace]]]
    build_seconds: float
    simulation_seconds: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """A case with its memory image, and the cycles after which an image is stopped."""

    case: Case
    plan: Plan
    rows: list[Row]
    limit: int


def run_network(
    cases: Sequence[Case],
    arch: Arch,
    simulator: Simulator,
    build_dir: str | Path,
    *,
    texts: dict[str, str] | None = None,
    finished: Callable[[int], None] = lambda number: None,
) -> NetworkRun:
    """Run every case on one build of the accelerator, in one simulator process.

    `finished(number)` is called as images end, counted over all cases. texts: Verilog of the
    accelerator that was emitted before; default: emit it now.
    """
    compiled, loaded = prepare(cases, arch, simulator, build_dir, texts=texts)
    start = time.perf_counter()
    traces = play(arch, loaded, compiled, build_dir, finished)
    return NetworkRun(
        cases=traces,
        build_seconds=compiled.seconds,
        simulation_seconds=time.perf_counter() - start,
    )


def play(
    arch: Arch,
    loaded: list[Loaded],
    compiled: Build,
    build_dir: str | Path,
    finished: Callable[[int], None] = lambda number: None,
) -> list[list[dict[str, LayerTrace]]]:
    """Simulate every case; its traces. Working files are removed at the end, unless it fails."""
    with scratch(workshop(build_dir), "network") as folder:
        return _simulate(arch, loaded, compiled, folder, finished=finished)


def prepare(
    cases: Sequence[Case],
    arch: Arch,
    simulator: Simulator,
    build_dir: str | Path,
    *,
    texts: dict[str, str] | None = None,
) -> tuple[Build, list[Loaded]]:
    """A build of `arch`, the same for all programs, and the memory images of the cases."""
    sources, loaded = collect(cases, arch, build_dir, texts)
    compiled = build_texts(sources, arch, simulator, Path(build_dir), top=NETWORK_MODULE)
    if simulator.name == "verilator":
        # a clock driven by cocotb would cost three quarters of the model
        start = time.perf_counter()
        player = build_player(compiled)
        linking = time.perf_counter() - start if compiled.seconds else 0.0
        compiled = replace(compiled, player=player, seconds=compiled.seconds + linking)
    return compiled, loaded


def collect(
    cases: Sequence[Case], arch: Arch, build_dir: str | Path, texts: dict[str, str] | None = None
) -> tuple[dict[str, str], list[Loaded]]:
    """Verilog of the accelerator (`texts`, or emitted now) and its harness; the cases loaded."""
    loaded = [_load(arch, case) for case in cases]
    harness = {f"{NETWORK_MODULE}.v": network_verilog(arch)}
    if arch.external is not None:
        beats = max(memory_beats(arch, entry.plan) for entry in loaded)
        harness[f"{MEMORY_MODULE}.v"] = memory_verilog(arch, beats)
    return {**(kept_texts(arch, build_dir) if texts is None else texts), **harness}, loaded


def _load(arch: Arch, case: Case) -> Loaded:
    """The memory image of a case, and the cycles after which it is stopped."""
    plan = case.plan or check_storage(arch, case.program)
    slow = max(case.pressure.beat_idle, case.pressure.output_pause, case.pressure.memory_stall)
    cycles = run_cycles(arch, case.program, plan, case.memory)
    free = sum(entry.cycles for entry in cycles)
    return Loaded(
        case=case,
        plan=plan,
        rows=case.change(memory_image(arch, plan)),
        limit=4 * free * 256 // (256 - slow) + 1000,
    )


def write_jobs(arch: Arch, loaded: list[Loaded], folder: Path) -> int:
    """The files of every image, numbered through all cases; how many."""
    job = 0
    for program, entry in enumerate(loaded):
        text = image_lines(arch, entry.rows)
        (folder / f"{program}_loads.hex").write_text(text, encoding="ascii")
        if entry.plan.outside is not None:
            lines = memory_lines(arch, entry.plan.outside.contents)
            (folder / f"{program}_memory.hex").write_text(lines, encoding="ascii")
        shift = entry.plan.offsets.get(INPUT, 0)
        case, counts = entry.case, (len(entry.rows), entry.limit, program)
        images = np.asarray(case.images, np.int64) + shift
        for image, reset_at in zip_longest(images, case.resets[: len(images)]):
            write_image(arch, image, folder, job, counts, case.pressure, case.memory, reset_at)
            job += 1
    return job


def _simulate(
    arch: Arch, loaded: list[Loaded], compiled: Build, folder: Path, *,
    finished: Callable[[int], None],
) -> list[list[dict[str, LayerTrace]]]:  # fmt: skip
    """Write the files, run, read the traces."""
    job = write_jobs(arch, loaded, folder)
    errors = simulate(compiled, job, folder, finished)
    traces, job = [], 0
    for entry in loaded:
        mine, resets = [], entry.case.resets
        for number, _ in enumerate(entry.case.images):
            if not is_finished(folder, job):
                cause = f"{errors[0]}; " if errors else ""
                log = folder / "simulation.log"
                raise SimulationError(f"Network: the simulation ended too early: {cause}see {log}")
            trace = read_trace(arch, folder / f"{job}_outputs.txt")
            if trace.was_reset != (number < len(resets)):
                raise SimulationError(f"Network: image {number} must be reset within its run")
            mine.append(layer_traces(arch, entry.plan, trace))
            job += 1
        traces.append(mine)
    return traces
