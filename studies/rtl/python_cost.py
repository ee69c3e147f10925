"""What Python costs in co-simulation: the same compiled model in `cosim`, cocotb and a C++ main."""

import resource
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...cosim.layer.runner import Build, simulate
from ...cosim.network.cpp_main import build_cpp_main
from ...cosim.network.network import Case, play, prepare, write_jobs
from ...cosim.simulators.toolchain import find_simulator
from ...cosim.simulators.workshop import scratch, workshop
from ...rtl.arch.arch import Arch
from ...spec.errors import InputError, SimulationError
from ...spec.formats import IntArray
from ...spec.program import Program


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of a simulator process: wall time, and processor time of the process.

    On a machine with other load only the processor time is meaningful.
    """

    seconds: float
    cpu_seconds: float


@dataclass(frozen=True, kw_only=True)
class PythonCost:
    """Runs in turns, and what was run."""

    images: int
    cycles: int
    """Simulated, of all images together."""
    build_seconds: float
    build_cpu_seconds: float
    """0 when the build was there."""
    runs: dict[str, list[Run]]
    """cosim: files written, simulated, read back as `adqhw cosim` does it; cocotb: the model under
    cocotb, its clock below Python and VPI; cpp: the model with a C++ main, nothing else."""
    identical: bool
    """cocotb and cpp wrote the same bytes: every code, every cycle."""
    arch: Arch = field(repr=False)
    simulator: str

    def to_dict(self) -> dict[str, Any]:
        best = {name: _best(runs) for name, runs in self.runs.items()}
        return {
            **{name: value for name, value in asdict(self).items() if name != "arch"},
            "arch": self.arch.to_dict(),
            "best": {name: asdict(run) for name, run in best.items()},
            "python_share": {
                name: {
                    unit: round(getattr(best[name], unit) / getattr(best["cpp"], unit) - 1, 4)
                    for unit in ("seconds", "cpu_seconds")
                }
                for name in ("cosim", "cocotb")
            },
        }


def _best(runs: list[Run]) -> Run:
    """The least of each, since noise only adds."""
    return Run(
        seconds=min(run.seconds for run in runs), cpu_seconds=min(run.cpu_seconds for run in runs)
    )


def measure(
    program: Program,
    images: IntArray,
    arch: Arch,
    build_dir: Path,
    *,
    rounds: int = 3,
    tick: Callable[[str], None] = lambda text: None,
) -> PythonCost:
    """Run `images` in turns under cocotb and under a C++ main on one compiled model.

    Whole processes are timed, from their start to their end: Python's start is a part of the cost.
    """
    if rounds < 1:
        raise InputError(f"Rounds must be at least 1, not {rounds}")
    simulator = find_simulator("verilator")
    before = _cpu()
    tick("build")
    case = Case(program=program, images=images)
    compiled, loaded = prepare([case], arch, simulator, build_dir)
    build_cpu = _cpu() - before
    main = build_cpp_main(compiled)
    jobs, place = len(images), workshop(build_dir)
    with scratch(place, "network") as ours, scratch(place, "network") as bare:
        for folder in (ours, bare):
            write_jobs(arch, loaded, folder)
        tasks: dict[str, Callable[[], object]] = {
            "cosim": lambda: play(arch, loaded, compiled, build_dir),
            "cocotb": lambda: _played(compiled, jobs, ours),
            "cpp": lambda: _run_main(main, jobs, bare),
        }
        runs: dict[str, list[Run]] = {name: [] for name in tasks}
        for number in range(rounds):
            for name, once in tasks.items():
                tick(f"{name}, round {number + 1} of {rounds}")
                runs[name].append(_timed(once))
        same, cycles = _compared(ours, bare, jobs)
    return PythonCost(
        images=jobs,
        cycles=cycles,
        build_seconds=compiled.seconds,
        build_cpu_seconds=round(build_cpu, 2) if compiled.seconds else 0.0,
        runs=runs,
        identical=same,
        arch=arch,
        simulator=f"{simulator.name} {simulator.version}",
    )


def _timed(once: Callable[[], object]) -> Run:
    start, cpu = time.perf_counter(), _cpu()
    once()
    return Run(seconds=round(time.perf_counter() - start, 3), cpu_seconds=round(_cpu() - cpu, 3))


def _played(compiled: Build, jobs: int, folder: Path) -> None:
    errors = simulate(compiled, jobs, folder)
    if errors:
        raise SimulationError(f"Simulation must end without an error: {errors[0]}; see {folder}")


def _run_main(main: Path, jobs: int, folder: Path) -> None:
    done = subprocess.run([main, str(jobs)], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        raise SimulationError(f"C++ main must end with 0, not {done.returncode}; see {folder}")


def _compared(left: Path, right: Path, jobs: int) -> tuple[bool, int]:
    """Whether all recordings are the same bytes, and their cycles."""
    same, cycles = True, 0
    for job in range(jobs):
        name = f"{job}_outputs.txt"
        text = (left / name).read_text()
        same &= text == (right / name).read_text()
        cycles += int(text.rsplit("end ", 1)[1].split()[1])
    return same, cycles


def _cpu() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
