"""Locks of the kernel (flock), released when their process ends: on handles and on folders."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError

NAME = ".lock"
"""Empty file in the folder, removed at the end; the lock on it ends with the process."""
_BUSY = (errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)
"""Of file systems that have none."""


def lock(handle: int, *, wait: bool) -> bool:
    """Whether the exclusive lock on an open file or folder is ours; wait: until it is free.

    A file system, or a system, without locks gives none: then nothing waits.
    """
    fault = _flock(handle, wait=wait)
    if fault is not None and wait and fault.errno not in _NO_LOCKS:
        raise fault
    return fault is None


def _flock(handle: int, *, wait: bool) -> OSError | None:
    """Lock exclusively; the fault if that fails."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except ImportError:
        return OSError(errno.ENOSYS, "this system has no flock")
    except OSError as error:
        return error
    return None


@contextmanager
def sole_owner(folder: str | Path) -> Iterator[None]:
    """Hold the folder (made if it is missing); another owner, alive, is an `InputError`.

    The kernel's lock (flock) ends with its process, however that ends: nothing is left to remove.
    Where a file system has no locks (some network file systems), one line says so and the block
    runs without.
    """
    path = Path(folder) / NAME
    handle = _open(path)
    try:
        _lock(handle, folder)
        while not _is_file_at(handle, path):  # its owner removed it between opening and locking
            os.close(handle)
            handle = _open(path)
            _lock(handle, folder)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while the lock is held: the file is this process's
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(
            f"Output folder must be writable, not {str(path.parent)!r}: {error.strerror}"
        ) from error


def _is_file_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _lock(handle: int, folder: str | Path) -> None:
    fault = _flock(handle, wait=False)
    if fault is None:
        return
    if fault.errno in _BUSY:
        raise InputError(
            f"Output folder must be used by one command at a time, not {str(folder)!r}, which "
            "another one works in: wait for it, end it, or choose another folder"
        ) from fault
    print(
        f"adqhw: folder {str(folder)!r} cannot be locked ({fault.strerror}): "
        "start no other command in it",
        file=sys.stderr,
    )
