"""Working folders: with a path that make takes, and removed with their process.

Make, Verilator's makefiles and cocotb split paths at blanks and obey `&`, `;`, `#`, `:` and `$`.
For a folder with such a path another one is used, and a link in it points there.
"""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ...spec.errors import InputError, SimulationError
from ...spec.host.caches import cache_home
from ...spec.host.locks import lock
from ...spec.host.unfinished import remove_if_left

ELSEWHERE = "elsewhere"
"""Name of the link to the folder in use."""
KEPT = "kept"
"""Empty file in a working folder whose log a message named: the folder is kept for some days."""
KEPT_SECONDS = 7 * 24 * 3600
_TAKEN = re.compile(r"[\w./+,@-]+")
_OURS = re.compile(r"(making|network|simulation|waves)_[a-z0-9_]{8}")


def workshop(folder: str | Path) -> Path:
    """`folder`, or its replacement if make does not take its path; it exists."""
    wanted = Path(folder).absolute()
    try:
        wanted.mkdir(parents=True, exist_ok=True)
        if takes(wanted) and takes(wanted.resolve()):
            return wanted
        name = hashlib.sha256(os.fsencode(wanted.resolve())).hexdigest()[:16]
        instead = _private_cache() / name
        instead.mkdir(exist_ok=True)
        _point(wanted / ELSEWHERE, instead)
    except (OSError, ValueError) as error:
        raise InputError(f"Build folder must be writable, not {str(wanted)!r}: {error}") from None
    return instead


def takes(path: Path) -> bool:
    """Whether make and the simulators take this path literally, as one word."""
    return _TAKEN.fullmatch(str(path)) is not None


@contextmanager
def scratch(folder: Path, kind: str) -> Iterator[Path]:
    """A new folder below `folder` (a `workshop`), removed at the end.

    A SimulationError leaves it for some days: its message names a log there. Leftovers of killed
    processes are removed first.
    """
    with unfinished(folder, kind) as path:
        try:
            yield path
        except SimulationError:
            keep(path)
            raise


@contextmanager
def unfinished(folder: Path, kind: str) -> Iterator[Path]:
    """A new folder below `folder`, locked while in use; removed at the end, if not kept.

    It may be renamed inside the block.
    """
    remove_stale(folder)
    handle, path = _reserve(folder, kind)
    try:
        yield path
    finally:
        if path.is_dir() and not (path / KEPT).exists():
            shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def keep(path: Path) -> None:
    """Keep an unfinished folder: a message names a log in it."""
    (path / KEPT).touch()


@contextmanager
def alone(target: Path) -> Iterator[None]:
    """One process at a time (and one thread) that makes `target`; the others wait."""
    handle = os.open(target.with_name(f".{target.name}.lock"), os.O_RDWR | os.O_CREAT, 0o666)
    try:
        lock(handle, wait=True)
        yield
    finally:
        os.close(handle)


def remove_stale(folder: Path, now: Callable[[], float] = time.time) -> None:
    """Remove working folders whose processes have ended; kept ones after some days."""
    with contextlib.suppress(OSError):
        for path in [entry for entry in folder.iterdir() if _OURS.fullmatch(entry.name)]:
            kept = path / KEPT
            if not kept.exists() or now() - kept.stat().st_mtime > KEPT_SECONDS:
                remove_if_left(path)


def _reserve(folder: Path, kind: str) -> tuple[int, Path]:
    """A locked handle of a new folder, and its path."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=f"{kind}_", dir=folder))
        with contextlib.suppress(FileNotFoundError):
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            lock(handle, wait=True)
            # Between its making and its lock another process may have taken it for a leftover.
            if path.exists():
                return handle, path
            os.close(handle)


def _point(link: Path, target: Path) -> None:
    """Make or correct a link; the folder may be read by others while it is changed."""
    if link.is_symlink() and link.readlink() == target:
        return
    beside = link.with_name(f".{link.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(link)


def _private_cache() -> Path:
    """A folder of this user's alone, with a path that make takes."""
    home = cache_home()
    for base in (home, Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")):
        shared = base != home
        path = base / (f"adqhw-builds-{os.getuid()}" if shared else "adqhw/builds")
        with contextlib.suppress(OSError):
            if not path.is_absolute() or not takes(path.resolve()):
                continue  # nothing is left in the working folder
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if _private(path):
                return path
    raise InputError(
        "Build folder must have a path that make takes (letters, digits, `_./+,@-`), or "
        "XDG_CACHE_HOME must be one that has"
    )


def _private(path: Path) -> bool:
    """Owned by this user, no link, not writable by others, writable by us."""
    status = path.lstat()
    ours = status.st_uid == os.getuid() and path.is_dir() and not path.is_symlink()
    return ours and not status.st_mode & 0o022 and os.access(path, os.W_OK | os.X_OK)
