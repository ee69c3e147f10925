"""Writing files so that a crash never leaves half of one."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import DiskFullError, InputError

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Full disk, used up quota, file size limit of the process."""


@contextmanager
def room_for(path: Path) -> Iterator[None]:
    """Name `path` in the error when the block finds no room to write it."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise DiskFullError(
            f"Output file must have room on its disk, not {str(path)!r}: {error.strerror}"
        ) from error


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without error.

    The temporary file is synced before the rename, so that after a power cut or SIGKILL either the
    old file or the new one is there, whole.
    """
    target = Path(path)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with room_for(target):
            handle, name = tempfile.mkstemp(
                prefix=f".{target.name}.", suffix=target.suffix, dir=target.parent
            )
    except OSError as error:
        raise InputError(f"Output file must be writable, not {str(target)!r}: {error}") from error
    os.close(handle)
    temporary = Path(name)
    try:
        with room_for(target):
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
