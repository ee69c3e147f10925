"""Cache folders that take files: compiled kernels, WebAssembly and fonts go below them.

Other packages find their cache by `XDG_CACHE_HOME`. Where the user's takes no files (a read-only
or absent home, a service's user), a private temporary folder takes its place, said in one line and
only when something is to be cached. A cache only saves time: one that fails is a warning, and
the command goes on.
"""

import os
import stat
import sys
import tempfile
from functools import cache
from pathlib import Path

from .text import warn

VARIABLE = "XDG_CACHE_HOME"
FONTS = "MPLCONFIGDIR"
"""Folder of matplotlib's settings and fonts; it prints four lines if that takes no files."""


def ensure_cache_home() -> None:
    """Set `XDG_CACHE_HOME` to a private temporary folder where the user's takes no files."""
    if not os.environ.get(VARIABLE, "-"):  # Numba takes an empty one for the current folder
        del os.environ[VARIABLE]
    home = cache_home()
    private = None if takes_files(home) else private_cache()
    if private is not None and str(private) != str(home):
        os.environ[VARIABLE] = str(private)
        print(
            f"adqhw: caches are kept in {str(private)!r}: {str(home)!r} takes no files",
            file=sys.stderr,
        )


def ensure_font_cache() -> None:
    """Set `MPLCONFIGDIR` to a folder that takes files, before matplotlib is imported."""
    if "matplotlib" in sys.modules:
        return
    settings = Path(os.environ.get("XDG_CONFIG_HOME") or _below_home(".config"))
    given = os.environ.get(FONTS)
    if not takes_files(Path(given) if given else settings / "matplotlib"):
        ensure_cache_home()
        os.environ[FONTS] = str(cache_home() / "matplotlib")


def cache_home() -> Path:
    """`XDG_CACHE_HOME`, or its default; a user without a home has `~` in it."""
    return Path(os.environ.get(VARIABLE) or _below_home(".cache"))


def _below_home(name: str) -> Path:
    try:
        return Path.home() / name
    except RuntimeError:  # neither HOME nor an entry in the list of users
        return Path("~") / name


def takes_files(folder: Path) -> bool:
    """Whether a file can be made in `folder`, which is made with its parents where it is absent."""
    try:
        if not folder.is_absolute():  # `~` of a user without a home
            return False
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(4096))
    except (OSError, ValueError):
        return False
    return True


@cache
def private_cache() -> Path | None:
    """A temporary folder of this user alone: kernels that are loaded from it are run.

    None, and a warning, where there is none.
    """
    try:
        path = Path(tempfile.gettempdir()) / f"adqhw-cache-{os.getuid()}"
        path.mkdir(mode=0o700, exist_ok=True)
        status = path.lstat()
    except OSError as error:
        warn(f"no private cache: {error}: set {VARIABLE} to a folder that takes files")
        return None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        warn(f"{str(path)!r} is no private folder and caches nothing: set {VARIABLE}")
        return None
    if not takes_files(path):
        warn(f"{str(path)!r} takes no files and caches nothing: set {VARIABLE}")
        return None
    return path
