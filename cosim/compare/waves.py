"""Waves of a window of an image's cycles, from a traced build of the accelerator.

cocotb 2.1 compiles its own main without Verilator's tracing: a C++ main runs the image instead.
"""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from ...rtl.arch.arch import Arch
from ...spec.errors import InputError, SimulationError
from ...spec.host.text import shown
from ..network.files import NETWORK_MODULE
from ..network.network import Case, collect, write_jobs
from ..simulators.build_cache import build_folder, built
from ..simulators.toolchain import compile_program, find_simulator, last_words
from ..simulators.workshop import scratch, workshop

KINDS = ("vcd", "fst")
MOST_CYCLES = 1 << 40
LEAD = 3
"""Clock edges from start to cycle 0 of the image, beside one per loaded row."""
_MAIN = Path(__file__).parent / "templates" / "waves_main.cpp"


def check_waves(kind: str, window: tuple[int, int]) -> None:
    """Refuse an unsupported kind and an invalid window."""
    if kind not in KINDS:
        raise InputError(f"Waves must be {' or '.join(KINDS)}, not {kind!r}")
    first, last = window
    if not 0 <= first <= last < MOST_CYCLES:
        raise InputError(
            f"Window must be FIRST:LAST with 0 <= FIRST <= LAST < 2^40, not {shown(first)}:"
            f"{shown(last)}"
        )


def write_waves(
    case: Case,
    arch: Arch,
    build_dir: str | Path,
    target: str | Path,
    *,
    kind: str,
    window: tuple[int, int],
    image: int = 0,
    texts: dict[str, str] | None = None,
) -> Path:
    """Cycles `window` (both included, counted as in traces) of one image, as file `target`.

    texts: Verilog of an accelerator that was emitted before. A traced build of its own is made,
    and kept below `build_dir`.
    """
    check_waves(kind, window)
    one = replace(case, images=case.images[image : image + 1])
    sources, loaded = collect([one], arch, build_dir, texts)
    binary = _build(sources, Path(build_dir), kind)
    path = Path(target).absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch(workshop(build_dir), "waves") as folder:
        write_jobs(arch, loaded, folder)
        recorded = folder / f"waves.{kind}"
        lead = LEAD + len(loaded[0].rows)
        command = [str(binary), str(recorded), *map(str, (*window, lead))]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode or not recorded.is_file():
            said = last_words(done.stdout + done.stderr)
            raise SimulationError(f"Waves must be written, not fail: {said}")
        shutil.move(recorded, path)
    return path


def _build(texts: dict[str, str], cache: Path, kind: str) -> Path:
    """The traced model, named by the digest of everything that goes into it."""
    simulator = find_simulator("verilator")
    main = _MAIN.read_text(encoding="utf-8")
    options = ["--trace-fst", "-CFLAGS", "-DADQHW_FST"] if kind == "fst" else ["--trace"]
    sources = [*sorted(texts), _MAIN.name]

    def make(folder: Path) -> None:
        said = compile_program(
            simulator, folder, "waves", NETWORK_MODULE, sources, "--prefix", "Vtop", *options
        )
        if said:
            hint = ""
            if kind == "fst" and ("lz4.h" in said or "zlib.h" in said):
                hint = "; it needs `apt install liblz4-dev zlib1g-dev`, or take vcd"
            raise InputError(
                f"Verilator must compile the waves, not fail: {last_words(said)}{hint}"
            )

    folder = build_folder(cache, "waves", [texts, simulator.version, kind, main])
    return built(folder, make, {**texts, _MAIN.name: main}, result="waves") / "waves"
