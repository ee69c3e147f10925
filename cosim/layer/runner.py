"""Build an engine once, run many layers in one simulator process."""

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from ...rtl.arch.arch import Arch
from ...rtl.lanes.lane_array import COLUMN_MODULE
from ...rtl.verilog import verilog_texts
from ...spec.errors import InputError, SimulationError
from ..simulators import jobs
from ..simulators.build_cache import build_folder, built
from ..simulators.toolchain import Simulator
from .harness import (
    HARNESS_MODULE,
    Capacity,
    Pressure,
    Recording,
    harness_verilog,
    is_finished,
    read_layer,
    write_layer,
)
from .streams import LayerStream

if TYPE_CHECKING:
    from cocotb_tools.runner import Runner

_POLL_S = 0.1
_TIMESCALE = ("1ns", "1ps")
# Inlining the columns makes the compilation of a 16 x 16 array three times as long.
_VERILATOR_CONTROL = f"""`verilator_config
no_inline -module "{COLUMN_MODULE}"
"""


@dataclass(frozen=True, kw_only=True)
class Build:
    """A compiled simulation of one Arch; `seconds` is 0 when it was already there.

    player: folder of a simulator that runs the clock itself, below Python and VPI; None: that of
    cocotb, with cocotb's clock.
    """

    arch: Arch
    simulator: Simulator
    folder: Path
    seconds: float
    top: str = HARNESS_MODULE
    player: Path | None = None


def build(arch: Arch, simulator: Simulator, capacity: Capacity, cache: Path) -> Build:
    """Compile the engine and its harness below `cache`, unless this build exists."""
    texts = {**verilog_texts(arch), f"{HARNESS_MODULE}.v": harness_verilog(arch, capacity)}
    return build_texts(texts, arch, simulator, cache)


def build_texts(
    texts: dict[str, str],
    arch: Arch,
    simulator: Simulator,
    cache: Path,
    *,
    top: str = HARNESS_MODULE,
) -> Build:
    """Compile Verilog `texts` by file name below `cache`, unless this build exists.

    Python can drive and read the signals that the Verilog marks.

    A build's folder is named by the digest of its Verilog and of the tools' versions: equal
    Verilog is compiled once, whatever program it will run.
    """
    if simulator.name == "verilator":
        texts = {**texts, "column.vlt": _VERILATOR_CONTROL}
    arguments = _arguments(simulator)
    key = [texts, simulator.name, simulator.version, arguments, metadata.version("cocotb")]
    seconds = 0.0

    def make(folder: Path) -> None:
        nonlocal seconds
        start = time.perf_counter()
        _compile(simulator, folder, sorted(texts), top, arguments)
        (folder / "arch.json").write_text(json.dumps(arch.to_dict()))
        seconds = time.perf_counter() - start

    folder = build_folder(cache, simulator.name, key)
    built(folder, make, texts, keep_refused=True)
    return Build(arch=arch, simulator=simulator, folder=folder, seconds=seconds, top=top)


def run(
    compiled: Build,
    streams: Sequence[LayerStream],
    limits: Sequence[int],
    folder: Path,
    *,
    pressure: Pressure | None = None,
    finished: Callable[[int], None] = lambda number: None,
) -> list[Recording]:
    """Recordings of `streams`, in order; `limits` are cycles after which a layer is stopped.

    Working files go to `folder`. `finished(number)` is called as layers end.
    """
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for number, (stream, limit) in enumerate(zip(streams, limits, strict=True)):
        (folder / f"{number}_outputs.txt").unlink(missing_ok=True)
        write_layer(compiled.arch, stream, folder, number, limit, pressure or Pressure())
    errors = simulate(compiled, len(streams), folder, finished)
    return [_recording(folder, number, stream, errors) for number, stream in enumerate(streams)]


def simulate(
    compiled: Build,
    count: int,
    folder: Path,
    finished: Callable[[int], None] = lambda number: None,
) -> list[BaseException]:
    """Run the `count` jobs prepared in `folder` in one simulator process; its errors."""
    errors: list[BaseException] = []
    worker = threading.Thread(target=_simulate, args=(compiled, count, folder, errors), daemon=True)
    worker.start()
    seen = 0
    while worker.is_alive():
        worker.join(_POLL_S)
        while seen < count and is_finished(folder, seen):
            finished(seen)
            seen += 1
    return errors


def _recording(
    folder: Path, number: int, stream: LayerStream, errors: list[BaseException]
) -> Recording:
    where = f"Layer {stream.name!r}"
    if not is_finished(folder, number):
        cause = f"{errors[0]}; " if errors else ""
        log = folder / "simulation.log"
        raise SimulationError(f"{where}: the simulation ended too early: {cause}see {log}")
    try:
        recording = read_layer(folder, number, stream.positions)
    except RuntimeError as error:
        raise SimulationError(f"{where}: {error}; see {folder}") from None
    if len(recording.codes) != len(stream.positions):
        raise SimulationError(
            f"{where}: the engine must give {len(stream.positions)} outputs, not "
            f"{len(recording.codes)} until it was stopped in cycle {recording.cycles}; "
            f"see {folder}"
        )
    return recording


def _arguments(simulator: Simulator) -> list[str]:
    if simulator.name != "verilator":
        return []
    # cocotb makes every signal public, which forbids most optimizations: the harness names the
    # few that are needed. -Wno-fatal: Amaranth's Verilog is not free of width warnings. -O1
    # compiles in half the time of -O3 and runs as fast.
    speed = ["-O3", "--x-assign", "fast", "-CFLAGS", "-O1"]
    return ["-Wno-fatal", *speed, "--no-public-flat-rw"]


def _compile(
    simulator: Simulator, folder: Path, names: list[str], top: str, arguments: list[str]
) -> None:
    log = folder / "build.log"
    try:
        with simulator.active():
            _runner(simulator).build(
                sources=[folder / name for name in names],
                hdl_toplevel=top,
                build_dir=folder,
                build_args=arguments,
                timescale=_TIMESCALE,
                always=True,
                log_file=log,
            )
    except (RuntimeError, SystemExit) as error:
        lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
        raise InputError(
            f"Simulator {simulator.name} {simulator.version} must compile the engine, not fail "
            f"({error}; {' | '.join(lines[-2:])}); see {log}"
        ) from error


def _simulate(compiled: Build, count: int, folder: Path, errors: list[BaseException]) -> None:
    """Run the simulator process to its end; errors are appended to `errors` (another thread)."""
    bench = "bench_engine" if compiled.player is None else "bench_network"
    try:
        _runner(compiled.simulator).test(
            test_module=f"{jobs.__package__}.{bench}",
            hdl_toplevel=compiled.top,
            hdl_toplevel_lang="verilog",
            build_dir=compiled.player or compiled.folder,
            test_dir=folder,
            results_xml=str(folder / "results.xml"),
            timescale=_TIMESCALE,
            # rewriting assertions loads all of pytest's plugins; the benches have none
            extra_env={jobs.COUNT: str(count), "COCOTB_REWRITE_ASSERTION_FILES": ""},
            log_file=folder / "simulation.log",
        )
    except (RuntimeError, ValueError, OSError, SystemExit) as error:
        errors.append(error)


def _runner(simulator: Simulator) -> "Runner":
    from cocotb_tools.runner import get_runner

    runner = get_runner(simulator.name)
    runner.log.setLevel(logging.ERROR)
    return runner
