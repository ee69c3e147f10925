"""Programs around an already compiled Verilator model, with the clock in their own loop."""

import hashlib
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ...spec.errors import InputError
from ..layer.runner import Build
from ..simulators.toolchain import Simulator, last_words
from ..simulators.workshop import alone

_TEMPLATES = Path(__file__).parent / "templates"
NETWORK_MAIN = _TEMPLATES / "network_main.cpp"
"""Runs jobs without Python and VPI: the time of the model alone."""
COCOTB_MAIN = _TEMPLATES / "cocotb_main.cpp"
"""Runs jobs under cocotb."""


def build_cpp_main(compiled: Build, source: Path = NETWORK_MAIN) -> Path:
    """A program around the compiled model of `made` whose `main` is `source`; made once."""
    binary = compiled.folder / f"{source.stem}_{_digest(source)}"
    _once(compiled, source, binary)
    return binary


def build_player(compiled: Build) -> Path:
    """A folder with a simulator as cocotb's runner starts it, made of `COCOTB_MAIN`; made once."""
    from cocotb_tools.config import libs_dir

    folder = compiled.folder / f"player_{_digest(COCOTB_MAIN)}"
    folder.mkdir(exist_ok=True)
    binary = folder / compiled.top  # the name that the runner looks for
    cocotb = [f"-Wl,-rpath,{libs_dir}", f"-L{libs_dir}", "-lcocotbvpi_verilator"]
    _once(compiled, COCOTB_MAIN, binary, cocotb)
    return folder


def _once(compiled: Build, source: Path, binary: Path, libraries: Sequence[str] = ()) -> None:
    """Link unless it exists; one process at a time: leftovers of a killed one are overwritten."""
    if binary.is_file():
        return
    with alone(binary):
        if not binary.is_file():
            _link(compiled, source, binary, libraries)


def _digest(source: Path) -> str:
    return hashlib.sha256(source.read_bytes()).hexdigest()[:8]


def _link(compiled: Build, source: Path, binary: Path, libraries: Sequence[str]) -> None:
    root = _verilator_root(compiled.simulator)
    runtime = sorted(compiled.folder.glob("verilated*.o"))  # cocotb's main is verilator.o
    partial = binary.with_name(f"{binary.name}.partial")
    includes = [compiled.folder, root / "include", root / "include" / "vltstd"]
    command = ["g++", "-O1", *(f"-I{path}" for path in includes), str(source)]
    command += [str(compiled.folder / "Vtop__ALL.a"), *map(str, runtime), *libraries]
    command += ["-pthread", "-o", str(partial)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"C++ main must compile, not fail: {last_words(done.stderr)}")
    partial.rename(binary)


def _verilator_root(simulator: Simulator) -> Path:
    """The folder of the headers of its runtime."""
    root = simulator.environment.get("VERILATOR_ROOT")
    if root is None:
        command = [str(simulator.executable), "--getenv", "VERILATOR_ROOT"]
        root = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    return Path(root)
