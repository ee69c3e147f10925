"""Store: results by the digest of their inputs, one file each, so that a killed sweep resumes.

The name of a file is the SHA-256 of everything its content depends on. Files appear whole or not
at all (`spec.host.files.atomic_path`), so a SIGKILL at any moment loses what was being computed and
nothing else; other settings, another program or another version of adqhw make other names. Each
file holds a digest of its name and its record. One that does not fit is as good as absent.
"""

import json
from pathlib import Path
from typing import Any

from ...spec.host.digests import json_digest
from ...spec.host.files import write_file
from ...spec.host.limits import MAX_TEXT_BYTES
from ...spec.host.version import VERSION
from ...spec.program import CONTRACT_VERSION

Record = dict[str, Any]

FORMAT = 3
"""Of the records; raise it when their fields or the formulas behind them change."""


def key_of(kind: str, **depends: Any) -> str:
    """Name of the result of `kind` that depends on `depends` (JSON data) and on this version."""
    versions = {"adqhw": VERSION, "contract": CONTRACT_VERSION, "format": FORMAT}
    return json_digest([kind, versions, depends])


class Store:
    """A folder of records; `None` as folder keeps them in memory only."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.memory: dict[str, Record] = {}
        self.damaged: set[str] = set()
        """Keys whose file is not what was written under that name: to be computed again."""

    def get(self, key: str) -> Record | None:
        """The record called `key`, or None if it is absent or its file is damaged."""
        if key not in self.memory and self.folder is not None and key not in self.damaged:
            path = self._path(key)
            if path.is_file():
                record = _read(path, key)
                if record is None:
                    self.damaged.add(key)
                else:
                    self.memory[key] = record
        return self.memory.get(key)

    def put(self, key: str, record: Record) -> None:
        if self.folder is not None:
            sealed = {"key": key, "sha256": _seal(key, record), "record": record}
            write_file(self._path(key), json.dumps(sealed, allow_nan=False))
        self.memory[key] = record

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{key}.json"


def _seal(key: str, record: Record) -> str:
    """SHA-256 of a record together with its name: neither fits another one."""
    return json_digest([key, record])


def _read(path: Path, key: str) -> Record | None:
    """The record in `path`; None where it is torn, changed, another one's or no record at all."""
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            return None
        sealed = json.loads(path.read_text(encoding="utf-8"))
        record = sealed["record"]
        fits = sealed["key"] == key and sealed["sha256"] == _seal(key, record)
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    return record if fits and isinstance(record, dict) else None
