"""A program around an already compiled Verilator model: no Python, no VPI in its loop."""

import hashlib
import os
import subprocess
from pathlib import Path

from ..spec.errors import InputError
from .runner import Build
from .toolchain import Simulator


def build_cpp_main(made: Build, source: Path) -> Path:
    """A program around the compiled model of `made` whose `main` is `source`; made once."""
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    binary = made.folder / f"{source.stem}_{digest[:8]}"
    if binary.is_file():
        return binary
    root = _verilator_root(made.simulator)
    runtime = sorted(made.folder.glob("verilated*.o"))  # cocotb's main is verilator.o
    partial = made.folder / f"{binary.name}.{os.getpid()}"
    includes = [made.folder, root / "include", root / "include" / "vltstd"]
    command = ["g++", "-O1", *(f"-I{path}" for path in includes), source]
    command += [made.folder / "Vtop__ALL.a", *runtime, "-pthread", "-o", partial]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"C++ main must compile, not fail: {' '.join(done.stderr.split())[-300:]}")
    partial.rename(binary)
    return binary


def _verilator_root(simulator: Simulator) -> Path:
    """Where the headers of its runtime lie."""
    root = simulator.environment.get("VERILATOR_ROOT")
    if root is None:
        command = [simulator.executable, "--getenv", "VERILATOR_ROOT"]
        root = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return Path(root)
