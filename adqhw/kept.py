"""Figures kept from an earlier run of the same command: read only if they are what was written.

A file that was cut short, changed, or copied to another name is computed again, with one line.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from .spec.files import atomic_path

MAX_BYTES = 1 << 20


def write(path: Path, figures: dict[str, Any]) -> None:
    """Write `figures` (JSON values) with a digest of them and of the file's name, their key."""
    record = {"figures": figures, "digest": _digest(path, figures)}
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(record) + "\n")


def read(path: Path) -> dict[str, Any] | None:
    """The figures of a file; None, said on standard error, where they are not those written."""
    if not path.exists():
        return None
    try:
        if path.stat().st_size <= MAX_BYTES:
            record = json.loads(path.read_text(encoding="utf-8"))
            figures = record["figures"]
            if record["digest"] == _digest(path, figures) and isinstance(figures, dict):
                return figures
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass  # no figures: said below
    print(f"adqhw: kept figures {str(path)!r} are damaged: computed again", file=sys.stderr)
    return None


def _digest(path: Path, figures: object) -> str:
    text = json.dumps([path.name, figures], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
