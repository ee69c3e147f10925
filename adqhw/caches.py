"""A cache folder that can be written: compiled kernels, WebAssembly, fonts all go below it."""

import os
import stat
import sys
import tempfile
from pathlib import Path

from .spec.errors import InputError

VARIABLE = "XDG_CACHE_HOME"


def ensure_cache_home() -> None:
    """Set `XDG_CACHE_HOME` to a private temporary folder where the user's takes no files."""
    home = Path(os.environ.get(VARIABLE) or Path("~/.cache").expanduser())
    try:
        home.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=home).close()
    except OSError:
        os.environ[VARIABLE] = str(_private())
        print(
            f"adqhw: caches are kept in {os.environ[VARIABLE]!r}: {str(home)!r} takes no files",
            file=sys.stderr,
        )


def _private() -> Path:
    """Of this user alone: kernels that are loaded from it are run."""
    path = Path(tempfile.gettempdir()) / f"adqhw-cache-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise InputError(f"Cache must be a private folder, not {str(path)!r}: set {VARIABLE}")
    return path
