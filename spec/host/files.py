"""Writing files so that a crash never leaves half of one, whatever the path is.

* A regular file, or none: written beside it and renamed; a symbolic link keeps pointing at it.
* A pipe, a terminal, `/dev/null`, `/dev/stdout`: cannot be renamed over, so what was written
  elsewhere is copied into it.
* A folder, a socket, a disk: refused before anything is computed into it.
"""

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import DiskFullError, InputError
from .unfinished import remove_stale, reserve

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Full disk, used up quota, file size limit of the process."""
_MOST_LINKS = 40
"""As in the kernel: a longer chain is a loop."""


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
    """Yield a temporary path; `path` becomes its content when the block ends without error.

    The temporary file is synced before it is renamed, so that after a power cut or SIGKILL either
    the old file or the new one is there, whole. What a killed writer left in the same folder is
    removed (`unfinished`).
    """
    given = Path(path)
    target, streamed = _destination(given)
    with _streamed(target) if streamed else _renamed(target, given) as temporary:
        yield temporary


def write_file(path: str | Path, content: str | bytes) -> None:
    """Write a file whole, or keep the old one; text as UTF-8."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content.encode() if isinstance(content, str) else content)


def _destination(given: Path) -> tuple[Path, bool]:
    """Where the bytes go, links followed, and whether they are copied in instead of renamed."""
    try:
        target = given
        for _ in range(_MOST_LINKS):
            if target.parent.resolve().match("/proc/*/fd"):  # /dev/stdout: a stream, whatever it is
                return target, True
            if not target.is_symlink():
                break
            target = target.parent / target.readlink()
        else:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            mode = stat.S_IFREG
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"Output file must be writable, not {str(given)!r}: {error}") from error
    if stat.S_ISREG(mode):
        return target, False
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return target, True
    kind = "a folder" if stat.S_ISDIR(mode) else "a socket" if stat.S_ISSOCK(mode) else "a disk"
    raise InputError(f"Output must be a file or a pipe, not {kind}: {str(given)!r}")


@contextmanager
def _renamed(target: Path, given: Path) -> Iterator[Path]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_stale(target.parent)
        with room_for(given):
            handle, temporary = reserve(target)
    except OSError as error:
        raise InputError(f"Output file must be writable, not {str(given)!r}: {error}") from error
    try:
        with room_for(given):
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
        temporary.chmod(_mode(target))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def _streamed(target: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="adqhw_out_") as folder:
        temporary = Path(folder) / f"out{target.suffix}"
        with room_for(temporary):
            yield temporary
        try:
            # no O_TRUNC: standard output may be a file that others have written to
            out = os.open(target, os.O_WRONLY | os.O_APPEND)
            with temporary.open("rb") as source, os.fdopen(out, "wb") as sink:
                shutil.copyfileobj(source, sink)
        except BrokenPipeError:
            raise  # its reader has had enough
        except OSError as error:
            raise InputError(
                f"Output must take what is written, not {str(target)!r}: {error}"
            ) from error


def _mode(target: Path) -> int:
    """Mode of the file that is replaced; for a new one that of the umask."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        return 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
