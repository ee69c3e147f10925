"""What this machine offers to adqhw: packages, simulators, processor, memory, caches.

Each `Finding` says what is there, what it serves, and, where something is missing, what to do.
Nothing is installed or changed, but that a cache folder is made to see whether it takes files.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..cosim.simulators.toolchain import SIMULATORS, find_simulator
from ..sim.kernels import simd
from ..spec.errors import InputError
from ..spec.host.caches import VARIABLE as CACHE_VARIABLE
from ..spec.host.caches import cache_home, takes_files
from ..spec.host.limits import GIB, memory_budget
from ..spec.host.limits import VARIABLE as MEMORY_VARIABLE
from ..spec.host.version import VERSION
from .extras import DEMO, installed, own_requirements

Area = Literal["install", "extra", "simulator", "processor", "memory", "cache"]
SERVES = {
    "train": "train, calibrate, export, --engine torch", "data": "digits and image folders",
    "rtl": "verilog, the cycle model", "cosim": "cosim, reports, characterize, demo",
    "sweep": "sweep --scheduler, Parquet", "exchange": "import, export-onnx",
    "ert": "Accelergy's tables", "tensorboard": "train.tensorboard",
    "bench": "bench sim, bench train", "synth": "bench synth, bench timing",
    "place": "characterize --place, bench place", "formal": "make prove, make mutate",
    "compression": "TFLite-Micro's compressed files",
}  # fmt: skip
_FEATURES = ("avx2", "avx512f", "avx512vnni", "avxvnni", "avx512vbmi", "amx-int8", "neon")


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that was looked at."""

    area: Area
    name: str
    found: str
    """What is there, with its version; empty: nothing."""
    serves: str
    advice: str = ""
    """What to do; empty: nothing has to be done."""

    def to_dict(self) -> dict[str, str]:
        return {
            "area": self.area, "name": self.name, "found": self.found, "serves": self.serves,
            "advice": self.advice,
        }  # fmt: skip


def findings() -> list[Finding]:
    """All of them, the base install first."""
    return [*_packages(), *_simulators(), *_machine(), *_caches()]


def demo_runs(found: list[Finding]) -> bool:
    """Whether `adqhw demo` has all that it takes."""
    needed = {("extra", name) for name in DEMO} | {("install", "base"), ("simulator", "verilator")}
    return not any(f.advice for f in found if (f.area, f.name) in needed)


def _packages() -> Iterator[Finding]:
    for extra, names in own_requirements().items():
        if extra and extra not in SERVES:  # sets of extras, and what tests take
            continue
        versions = {name: installed(name) for name in sorted(names)}
        missing = [name for name, version in versions.items() if version is None]
        there = ", ".join(f"{name} {v}" for name, v in versions.items() if v is not None)
        target = f"adqhw[{extra}]" if extra else "adqhw"
        yield Finding(
            area="extra" if extra else "install",
            name=extra or "base",
            found=there if extra else f"adqhw {VERSION}, {there}",
            serves=SERVES.get(extra, "inspect, evaluate, simulate"),
            advice=f"missing: {', '.join(missing)}: pip install '{target}'" if missing else "",
        )


def _simulators() -> Iterator[Finding]:
    serves = {
        "verilator": "cosim, demo",
        "icarus": "cosim --simulator icarus, make of emitted files",
    }
    for name in SIMULATORS:
        try:
            found, advice = find_simulator(name).version, ""
        except InputError as error:
            found, advice = "", str(error)
        optional = "optional: " if name != "verilator" and advice else ""
        yield Finding(
            area="simulator", name=name, found=found, serves=serves[name], advice=optional + advice
        )


def _machine() -> Iterator[Finding]:
    modes, features = simd.supported(), simd.cpu_features()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding(
        area="processor",
        name="simd",
        found=f"{', '.join(modes)} (the first is taken); {cores} cores; "
        f"{' '.join(f for f in _FEATURES if f in features) or 'no vector features known'}",
        serves="evaluate and simulate with the numba engine",
    )
    budget = memory_budget() / GIB
    yield Finding(
        area="memory",
        name="budget",
        found=f"{budget:.3g} GiB for one command ({MEMORY_VARIABLE} in GiB sets another)",
        serves="what files may ask for",
    )


def _caches() -> Iterator[Finding]:
    for name, folder in (("home", cache_home()), ("working folder", Path.cwd())):
        takes = takes_files(folder)
        free = f", {shutil.disk_usage(folder).free / GIB:.1f} GiB free" if takes else ""
        advice = f"{str(folder)!r} takes no files: "
        advice += f"set {CACHE_VARIABLE}" if name == "home" else "work in another folder"
        yield Finding(
            area="cache",
            name=name,
            found=f"{folder}{free}" if takes else "",
            serves="compiled kernels" if name == "home" else "runs/, builds of cosim",
            advice="" if takes else advice,
        )


def record(found: list[Finding]) -> dict[str, Any]:
    """The JSON record of `adqhw doctor`."""
    return {
        "version": VERSION,
        "demo": demo_runs(found),
        "findings": [finding.to_dict() for finding in found],
    }
