"""Temporary files beside their target: told from leftovers by a lock that ends with its process.

The name tells that a file is ours, an exclusive `flock` on it that its process runs. Locks end with
the process, however it ends, so no process number is compared.
"""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from .locks import lock

_MARK = ".adqhw-"
_NAME = re.compile(r"\..*\.adqhw-[a-z0-9_]{8}(\.[^.]*)?", re.DOTALL)
_LONGEST = 120
"""Characters of the target's name that are kept: a file system allows 255 bytes in all."""
_LOOKED: set[Path] = set()
"""Folders whose leftovers are gone: a process looks once, however many files it writes there."""


def reserve(target: Path) -> tuple[int, Path]:
    """An open, locked handle and the path of a new file beside `target`, with its suffix."""
    while True:
        handle, name = tempfile.mkstemp(
            prefix=f".{_short(target.name)}{_MARK}",
            suffix=_short(target.suffix, 40),
            dir=target.parent,
        )
        lock(handle, wait=True)
        # Between its making and its lock another process may have taken it for a leftover.
        if os.fstat(handle).st_nlink:
            return handle, Path(name)
        os.close(handle)


def remove_stale(folder: Path) -> None:
    """Remove leftovers of killed writers in `folder`; files of living ones stay."""
    folder = folder.absolute()
    if folder in _LOOKED:
        return
    _LOOKED.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for name in [entry.name for entry in entries if _NAME.fullmatch(entry.name)]:
            remove_if_left(folder / name)


def remove_if_left(path: Path) -> None:
    """Remove a file or a folder whose maker has ended: no process holds the lock on it."""
    with contextlib.suppress(OSError):
        mode = os.O_RDONLY if path.is_dir() else os.O_RDWR
        handle = os.open(path, mode | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if lock(handle, wait=False):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink()
        finally:
            os.close(handle)


def _short(text: str, longest: int = _LONGEST) -> str:
    return text.encode("utf-8", "surrogateescape")[:longest].decode("utf-8", "ignore")
