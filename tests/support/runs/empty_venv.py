"""Environments that hold a few installed packages, made without a network."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def closure(requirements: Iterable[str]) -> set[str]:
    """Names of installed distributions: those that are required, and all that they need."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in requirements]
    seen = set()
    while waiting:
        wanted = waiting.pop()
        key = (wanted.name, frozenset(wanted.extras))
        if key in seen:
            continue
        seen.add(key)
        found.add(metadata.distribution(wanted.name).name)
        for text in metadata.requires(wanted.name) or []:
            inner = Requirement(text)
            extras = wanted.extras or {""}
            if inner.marker is None or any(inner.marker.evaluate({"extra": x}) for x in extras):
                waiting.append(inner)
    return found


def empty_venv(folder: Path, distributions: Iterable[str]) -> Path:
    """A new environment with copies of installed distributions; its interpreter.

    Files are linked, not copied, where the file system allows it.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    schemes = {"base": str(folder), "platbase": str(folder)}
    target = Path(sysconfig.get_path("purelib", "venv", schemes))
    for name in distributions:
        _link(metadata.distribution(name), target)
    return python


def _link(distribution: metadata.Distribution, target: Path) -> None:
    for file in distribution.files or ():
        if ".." in file.parts or "__pycache__" in file.parts:
            continue  # scripts and manual pages; byte code of another folder
        source, destination = Path(str(distribution.locate_file(file))), target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, destination)
        except OSError:
            shutil.copy2(source, destination)


def install(python: Path, wheel: Path) -> None:
    """The wheel alone, by pip of this interpreter."""
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps"]
    subprocess.run([*command, "--no-index", "--quiet", str(wheel)], check=True)
