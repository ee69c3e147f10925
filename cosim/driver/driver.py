"""The C driver of an accelerator's registers, as text, and a host around it in a simulation."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...rtl.arch.arch import Arch
from ...rtl.bus.register_texts import c_header
from ...rtl.layouts.counters import events_of
from ...rtl.networks.plans import Plan
from ...rtl.program.blob import MAGIC, VERSION, program_blob
from ...rtl.program.image import memory_image
from ...rtl.timing.dram import DramModel
from ...rtl.verilog import AXI_MODULE, axi_texts
from ...rtl.verilog_text import PREFIX
from ...spec.errors import InputError, SimulationError
from ...spec.formats import IntArray
from ...spec.program import INPUT
from ..simulators.toolchain import Simulator, compile_program, last_words
from ..templates import filled

_TEMPLATES = Path(__file__).parent / "templates"
_HOST = "driver_host"
_HOST_FILES = ("driver_chip.h", "driver_main.cpp")


def driver_texts(arch: Arch, prefix: str = PREFIX) -> dict[str, str]:
    """C source and headers by file name, for arrays that hold weights: only they interrupt."""
    if not arch.holds:
        raise InputError("Arch hold must be at least 2 for a driver, which waits for irq, not 1")
    values = _values(arch, prefix)
    names = ("PREFIX_driver.c", "PREFIX_driver.h")
    texts = {name.replace("PREFIX", prefix): filled(_TEMPLATES / name, values) for name in names}
    return {**texts, f"{prefix}_regs.h": c_header(arch, prefix)}


def host_texts(arch: Arch, prefix: str = PREFIX) -> dict[str, str]:
    """The C++ of a host that runs scripts with the driver against a Verilator model."""
    return {name: filled(_TEMPLATES / name, _values(arch, prefix)) for name in _HOST_FILES}


def _values(arch: Arch, prefix: str) -> dict[str, object]:
    return {
        "PREFIX": prefix,
        "NAME": prefix.upper(),
        "BLOB_MAGIC": f"{MAGIC:08x}",
        "BLOB_VERSION": VERSION,
        "COUNTERS": 1 + len(events_of(arch)),
        "EXTERNAL": int(arch.external is not None),
        "BUS_BYTES": 1 if arch.external is None else arch.external.bus_bytes,
    }


def streamed(arch: Arch, plan: Plan, image: IntArray) -> bytes:
    """The codes of an image (C, H, W) as the host reads them for s_axis, 32 bits each."""
    codes = np.asarray(image, np.int64) + plan.offsets.get(INPUT, 0)
    stream = codes.transpose(1, 2, 0).ravel() & ((1 << arch.storage.code_width) - 1)
    return stream.astype("<u4").tobytes()


@dataclass(frozen=True, kw_only=True)
class DriverRun:
    """A run that the driver has started: its status, the bits of ERROR, counters by name (only
    after a good run), and (code, tlast, tuser) of every transfer of m_axis."""

    status: int
    errors: int
    counters: dict[str, int]
    results: list[tuple[int, int, int]]


@dataclass(kw_only=True)
class DriverBench:
    """A script for the host, and its files."""

    arch: Arch
    folder: Path
    lines: list[str] = field(default_factory=list)
    files: int = 0

    def _file(self, data: bytes) -> str:
        name = f"{self.files}.bin"
        (self.folder / name).write_bytes(data)
        self.files += 1
        return name

    def load(self, plan: Plan, base: int = 1 << 16) -> None:
        """Load a program through the driver; its external memory begins at `base`."""
        blob = program_blob(self.arch, memory_image(self.arch, plan))
        self.lines.append(f"load {self._file(blob)}")
        if plan.outside is not None:
            name = self._file(plan.outside.contents)
            self.lines.append(f"memory {name} {base} {plan.outside.size}")

    def load_bytes(self, blob: bytes) -> None:
        """The same with a blob as it is."""
        self.lines.append(f"load {self._file(blob)}")

    def memory(self, model: DramModel, fault: int | None = None) -> None:
        """Times of external memory; a beat at byte `fault` answers with an error."""
        values = model.latency, model.beat_cycles, model.row_bytes, model.row_miss
        self.lines.append("model " + " ".join(map(str, values)))
        self.lines.append(f"fault {(1 << 64) - 1 if fault is None else fault}")

    def image(self, plan: Plan, image: IntArray, count: int | None = None) -> None:
        """Offer an image (C, H, W), or its first `count` codes, or 0s after its last one."""
        self.lines.append(f"image {self._file(streamed(self.arch, plan, image))} {count or 0}")

    def run(self) -> None:
        """Start, wait for the interrupt, read counters."""
        self.lines.append("run")

    def play(self, host: Path) -> tuple[list[int], list[DriverRun]]:
        """(status of every load, runs) of the script."""
        (self.folder / "script.txt").write_text("\n".join(self.lines) + "\n", encoding="ascii")
        done = subprocess.run(
            [str(host), "script.txt"], cwd=self.folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SimulationError(f"Host of the driver must end, not fail: {done.stderr[-400:]}")
        return self._outcome([line.split() for line in done.stdout.splitlines()])

    def _outcome(self, lines: list[list[str]]) -> tuple[list[int], list[DriverRun]]:
        loads = [int(line[1]) for line in lines if line[0] in ("open", "load", "base")]
        runs: list[DriverRun] = []
        names = ("cycles", *events_of(self.arch))
        for what, *values in lines:
            numbers = [int(value) for value in values]
            if what == "run":
                counters = dict(zip(names, numbers[2:], strict=False))
                runs.append(
                    DriverRun(status=numbers[0], errors=numbers[1], counters=counters, results=[])
                )
            elif what == "result":
                runs[-1].results.append((numbers[0], numbers[1], numbers[2]))
        return loads, runs


def build_host(arch: Arch, simulator: Simulator, folder: Path) -> Path:
    """The host with the top level of an accelerator as a Verilator model, compiled in `folder`."""
    texts: dict[str, str] = axi_texts(arch) | driver_texts(arch) | host_texts(arch)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    sources: Sequence[str] = [name for name in texts if name.endswith((".v", ".cpp", ".c"))]
    failure = compile_program(simulator, folder, _HOST, AXI_MODULE, sources)
    if failure:
        raise InputError(f"Verilator must build the driver's host, not fail: {last_words(failure)}")
    return folder / _HOST
