"""Store: results by what they depend on, one file each, so that a killed sweep goes on.

The name of a file is the SHA-256 of everything its content depends on. Files appear whole or not
at all (`spec.files.atomic_path`), so a SIGKILL at any moment loses what was being computed and
nothing else; other settings, another program or another version of adqhw make other names.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

from .. import __version__
from ..spec.errors import InputError
from ..spec.files import atomic_path
from ..spec.program import CONTRACT_VERSION

Record = dict[str, Any]

FORMAT = 1
"""Of the records; raise it when their fields or the formulas behind them change."""


def key_of(kind: str, **depends: Any) -> str:
    """Name of the result of `kind` that depends on `depends` (JSON data) and on this version."""
    versions = {"adqhw": __version__, "contract": CONTRACT_VERSION, "format": FORMAT}
    text = json.dumps([kind, versions, depends], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class Store:
    """A folder of records; `None` as folder keeps them in memory only."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.memory: dict[str, Record] = {}

    def get(self, key: str) -> Record | None:
        """The record called `key`, or None when nobody has computed it."""
        if key not in self.memory and self.folder is not None:
            path = self._path(key)
            if path.is_file():
                self.memory[key] = _read(path)
        return self.memory.get(key)

    def put(self, key: str, record: Record) -> None:
        if self.folder is not None:
            with atomic_path(self._path(key)) as temporary:
                temporary.write_text(json.dumps(record, allow_nan=False), encoding="utf-8")
        self.memory[key] = record

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.json"


def _read(path: Path) -> Record:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InputError(
            f"Stored result must be JSON, {str(path)!r} is not ({error}): delete it to compute it "
            "again"
        ) from error
    if not isinstance(record, dict):
        raise InputError(f"Stored result must be a JSON object, {str(path)!r} is not: delete it")
    return record
