"""What Python costs in co-simulation: the same compiled model under cocotb and under a C++ main."""

import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..rtl.arch import Arch
from ..spec.errors import InputError
from ..spec.formats import IntArray
from ..spec.program import Program
from .network import Case, prepare, write_jobs
from .runner import Build, build_cpp_main, simulate
from .toolchain import find_simulator

_MAIN = Path(__file__).parent / "templates" / "network_main.cpp"


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """One run of a simulator process: wall time, and processor time of the process.

    On a machine that does other work too, only the processor time says what the run costs.
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
    cocotb: list[Run]
    cpp: list[Run]
    identical: bool
    """Both wrote the same bytes: every code, every cycle."""
    arch: Arch = field(repr=False)
    simulator: str

    def to_dict(self) -> dict[str, Any]:
        best = {name: _best(getattr(self, name)) for name in ("cocotb", "cpp")}
        return {
            **{k: v for k, v in asdict(self).items() if k not in ("arch",)},
            "arch": self.arch.to_dict(),
            "best": {name: asdict(run) for name, run in best.items()},
            "python_share": {
                unit: round(getattr(best["cocotb"], unit) / getattr(best["cpp"], unit) - 1, 4)
                for unit in ("seconds", "cpu_seconds")
            },
        }


def _best(runs: list[Run]) -> Run:
    """The least of each: noise only adds."""
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
    before = _children_cpu()
    tick("build")
    made, loaded = prepare([Case(program=program, images=images)], arch, simulator, build_dir)
    binary = build_cpp_main(made, _MAIN)
    build_cpu = _children_cpu() - before
    folders = {name: Path(tempfile.mkdtemp(prefix=f"{name}_", dir=build_dir)).absolute()
               for name in ("cocotb", "cpp")}  # fmt: skip
    jobs = len(images)
    runs: dict[str, list[Run]] = {"cocotb": [], "cpp": []}
    for folder in folders.values():
        write_jobs(arch, loaded, folder)
    for number in range(rounds):
        for name, folder in folders.items():
            tick(f"{name}, round {number + 1} of {rounds}")
            work = _cocotb if name == "cocotb" else _cpp
            runs[name].append(_timed(work, made, binary, jobs, folder))
    same, cycles = _compared(folders["cocotb"], folders["cpp"], jobs)
    for folder in folders.values():
        shutil.rmtree(folder)
    return PythonCost(
        images=jobs,
        cycles=cycles,
        build_seconds=made.seconds,
        build_cpu_seconds=round(build_cpu, 2) if made.seconds else 0.0,
        cocotb=runs["cocotb"],
        cpp=runs["cpp"],
        identical=same,
        arch=arch,
        simulator=f"{simulator.name} {simulator.version}",
    )


def _timed(
    work: Callable[[Build, Path, int, Path], None],
    made: Build,
    binary: Path,
    jobs: int,
    folder: Path,
) -> Run:
    start, cpu = time.perf_counter(), _children_cpu()
    work(made, binary, jobs, folder)
    return Run(
        seconds=round(time.perf_counter() - start, 3),
        cpu_seconds=round(_children_cpu() - cpu, 3),
    )


def _cocotb(made: Build, binary: Path, jobs: int, folder: Path) -> None:
    errors = simulate(made, jobs, folder)
    if errors:
        raise InputError(f"Simulation must end without an error: {errors[0]}; see {folder}")


def _cpp(made: Build, binary: Path, jobs: int, folder: Path) -> None:
    done = subprocess.run([binary, str(jobs)], cwd=folder, check=False)
    if done.returncode:
        raise InputError(f"Simulation must end with 0, not {done.returncode}; see {folder}")


def _compared(left: Path, right: Path, jobs: int) -> tuple[bool, int]:
    """Whether all recordings are the same bytes, and the cycles they say."""
    same, cycles = True, 0
    for job in range(jobs):
        name = f"{job}_outputs.txt"
        text = (left / name).read_text()
        same &= text == (right / name).read_text()
        cycles += int(text.rsplit("end ", 1)[1].split()[1])
    return same, cycles


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
