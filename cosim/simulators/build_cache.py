"""Compiled and synthesized results on disk: a folder per digest of all inputs."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ...spec.errors import InputError
from ...spec.host.digests import json_digest
from .workshop import alone, keep, unfinished, workshop


def build_folder(cache: Path, kind: str, key: object) -> Path:
    """The folder of the build of `key`, which is any JSON value.

    It is in the `workshop` of `cache`, whose path make accepts.
    """
    return workshop(cache) / f"{kind}_{json_digest(key)[:16]}"


def built(
    folder: Path,
    make: Callable[[Path], object],
    texts: Mapping[str, str] | None = None,
    *,
    result: str = ".",
    keep_refused: bool = False,
) -> Path:
    """`folder` (of `build_folder`), made unless its `result` is there.

    A new folder gets the files `texts`, then what `make` adds; one process makes it, others wait.
    """
    if not (folder / result).exists():
        with alone(folder):
            if not (folder / result).exists():  # not made while this process waited
                shutil.rmtree(folder, ignore_errors=True)
                with making(folder, texts or {}, keep_refused=keep_refused) as path:
                    make(path)
    return folder


@contextmanager
def making(folder: Path, texts: Mapping[str, str], *, keep_refused: bool = False) -> Iterator[Path]:
    """A folder with the files `texts` that becomes `folder` when the block ends without an error.

    Processes may share a cache: the build that is there first stays, another of the same digest is
    the same; with `workshop.alone` the second waits for it. keep_refused: an InputError leaves the
    unfinished folder for some days (its message names a log there); everything else leaves nothing,
    and what a killed process left goes with the next build.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with unfinished(folder.parent, "making") as path:
            for name, text in texts.items():
                (path / name).write_text(text, encoding="utf-8")
            try:
                yield path
            except InputError:
                if keep_refused:
                    keep(path)
                raise
            _settle(path, folder)
    except OSError as error:
        raise InputError(
            f"Build folder must be writable, not {str(folder.parent)!r}: {error}"
        ) from None


def _settle(path: Path, folder: Path) -> None:
    """Give a complete build its name, unless another process was faster."""
    if folder.exists():
        return
    try:
        path.rename(folder)
    except OSError:
        if not folder.exists():
            raise
