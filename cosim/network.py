"""Whole networks through the emitted accelerator: run, read every layer's codes and cycles back."""

import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..rtl.arch import Arch
from ..rtl.image import Row, image_lines, memory_image
from ..rtl.passes import Plan
from ..rtl.sequencer import EVENTS
from ..rtl.storage_fit import check_storage
from ..rtl.verilog import accelerator_texts
from ..spec.program import INPUT, Program
from .harness import Pressure, is_finished
from .network_cycles import network_cycles
from .network_files import NETWORK_MODULE, Trace, network_verilog, read_trace, write_image
from .runner import build_texts, simulate
from .toolchain import Simulator

Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LayerTrace:
    """What one layer did for one image.

    codes: (C, H, W); at_cycle: when each left, -1 for one that never came. cycles: of all its
    passes, from their fetch to their last code. events: totals of `sequencer.EVENTS`.
    """

    codes: Codes
    at_cycle: Codes
    cycles: int
    events: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class NetworkRun:
    """One LayerTrace per tensor (the input's too) and image; seconds spent."""

    images: list[dict[str, LayerTrace]]
    build_seconds: float
    simulation_seconds: float
    folder: Path | None = None
    """Where the waves are, when asked for."""


def run_network(
    program: Program,
    images: npt.NDArray[Any],
    arch: Arch,
    simulator: Simulator,
    build_dir: str | Path,
    *,
    pressure: Pressure | None = None,
    waves: bool = False,
    change_image: Callable[[list[Row]], list[Row]] = lambda rows: rows,
    finished: Callable[[int], None] = lambda number: None,
) -> NetworkRun:
    """Run `program` on the accelerator for every image (N, C, H, W).

    change_image: what to do to the memory image before it is loaded (a fault to be found).
    """
    arch.check_program(program)
    plan = check_storage(arch, program)
    rows = change_image(memory_image(arch, plan))
    sizes = len(rows), int(np.prod(program.input_shape))
    texts = {**accelerator_texts(arch), f"{NETWORK_MODULE}.v": network_verilog(arch, *sizes)}
    made = build_texts(
        texts, arch, simulator, Path(build_dir), top=NETWORK_MODULE, waves=waves
    )
    start = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="network_", dir=build_dir)).absolute()
    (folder / "loads.hex").write_text(image_lines(arch, rows), encoding="ascii")
    held = pressure or Pressure()
    slow = max(held.beat_idle, held.output_pause)
    free = sum(entry.cycles for entry in network_cycles(arch, program)) + sizes[1]
    limit = 4 * free * 256 // (256 - slow) + 1000
    for number, image in enumerate(images):
        write_image(arch, image, folder, number, len(rows), limit, held)
    errors = simulate(made, len(images), folder, finished, waves=waves)
    traces = [_finished(arch, folder, number, errors) for number in range(len(images))]
    seconds = time.perf_counter() - start
    if not waves:
        shutil.rmtree(folder)  # kept when the simulation fails: the message names its log
    return NetworkRun(
        images=[layer_traces(arch, plan, trace) for trace in traces],
        build_seconds=made.seconds,
        simulation_seconds=seconds,
        folder=folder if waves else None,
    )


def _finished(arch: Arch, folder: Path, number: int, errors: list[BaseException]) -> Trace:
    if not is_finished(folder, number):
        cause = f"{errors[0]}; " if errors else ""
        log = folder / "simulation.log"
        raise RuntimeError(f"Network: the simulation ended too early: {cause}see {log}")
    return read_trace(arch, folder / f"{number}_outputs.txt")


def layer_traces(arch: Arch, plan: Plan, trace: Trace) -> dict[str, LayerTrace]:
    """The recording by layer: codes put where their addresses say."""
    found = {}
    program = plan.program
    names = [INPUT, *(layer.name for layer in program.layers)]
    for number, name in enumerate(names):
        mine = [i for i, entry in enumerate(plan.passes) if entry.layer == name]
        totals = trace.totals[[i for i in mine if i < len(trace.totals)]].sum(axis=0)
        if number == len(names) - 1:
            codes, at_cycle = _results(plan, trace)
        else:
            codes, at_cycle = _stored(arch, plan, trace, name, number)
        found[name] = LayerTrace(
            codes=codes,
            at_cycle=at_cycle,
            cycles=int(totals[0]),
            events=dict(zip(EVENTS, totals[1:].tolist(), strict=True)),
        )
    return found


def _stored(arch: Arch, plan: Plan, trace: Trace, name: str, number: int) -> tuple[Codes, Codes]:
    """Codes and cycles of a tensor from the writes of its layer."""
    region = plan.placement.tensors[name]
    channels, height, width = plan.program.tensor_shape(name)
    blocks = -(-channels // arch.rows)
    mine = trace.writes[:, 0] == number
    words, lanes = trace.words[mine], trace.lanes[mine].astype(bool)
    _, address, cycle = trace.writes[mine].T
    offset = address - region.base
    size = blocks * arch.rows * height * width
    codes, at_cycle = np.zeros(size, np.int64), np.full(size, -1)
    flat = (offset[:, None] * arch.rows + np.arange(arch.rows))[lanes]
    if flat.size and (flat.min() < 0 or flat.max() >= size):
        raise RuntimeError(f"Layer {name!r} must write inside its region, not at {flat.max()}")
    codes[flat] = words[lanes]
    at_cycle[flat] = np.broadcast_to(cycle[:, None], lanes.shape)[lanes]
    if plan.program.tensor_format(name).signed:
        limit = 1 << (arch.storage.code_width - 1)
        codes = (codes ^ limit) - limit
    return tuple(
        values.reshape(height, width, -1)[:, :, :channels].transpose(2, 0, 1)
        for values in (codes, at_cycle)
    )


def _results(plan: Plan, trace: Trace) -> tuple[Codes, Codes]:
    """Codes and cycles of the last layer from its results, in the order of its passes."""
    name = plan.program.layers[-1].name
    shape = plan.program.tensor_shape(name)
    positions = np.concatenate(
        [
            result_positions(entry.word["write"], shape)
            for entry in plan.passes
            if entry.word.get("to_stream")
        ]
    )
    codes, at_cycle = np.zeros(positions.size, np.int64), np.full(positions.size, -1)
    count = min(len(positions), len(trace.results))
    codes[positions[:count]] = trace.results[:count, 0]
    at_cycle[positions[:count]] = trace.results[:count, 1]
    return codes.reshape(shape), at_cycle.reshape(shape)


def result_positions(walk: dict[str, int], shape: tuple[int, int, int]) -> Codes:
    """Indices in the flattened (C, H, W) map of the codes of a walk, in its order."""
    channels, height, width = shape
    pixels = height * width
    block, pixel, column = np.indices((walk["blocks"], pixels, walk["group"])).reshape(3, -1)
    channel = walk["channel"] + block * walk["group"] + column
    return (channel * pixels + pixel)[channel < channels]
