"""What was compiled or synthesized, kept on disk: a folder per digest of all that goes into it."""

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..spec.errors import InputError


def build_folder(cache: Path, kind: str, key: object) -> Path:
    """Where the build of `key` belongs, which is anything that JSON can say."""
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    return cache.absolute() / f"{kind}_{digest[:16]}"


@contextmanager
def making(folder: Path, texts: Mapping[str, str], *, keep_refused: bool = False) -> Iterator[Path]:
    """A folder with the files `texts` that becomes `folder` when the block ends without an error.

    Processes may share a cache: the build that is there first stays, another of the same digest is
    the same. keep_refused: an InputError leaves the unfinished folder (its message names a log
    there); everything else leaves nothing.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="making_", dir=folder.parent))
    except OSError as error:
        raise InputError(
            f"Build folder must be writable, not {str(folder.parent)!r}: {error}"
        ) from None
    try:
        for name, text in texts.items():
            (unfinished / name).write_text(text, encoding="utf-8")
        yield unfinished
        if not folder.exists():
            unfinished.rename(folder)
    except InputError:
        if not keep_refused:
            shutil.rmtree(unfinished, ignore_errors=True)
        raise
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    shutil.rmtree(unfinished, ignore_errors=True)  # another process was faster
