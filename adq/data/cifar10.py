"""CIFAR-10 from its official python version, without trusting a pickle.

Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009;
https://www.cs.toronto.edu/~kriz/cifar.html. Every batch is checked against its official MD5 before
a byte of it is interpreted, and the unpickler knows three numpy names and nothing else.
"""

import hashlib
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...spec.errors import InputError
from .dataset import Dataset, Split

FOLDER = "cifar-10-batches-py"
CLASSES = 10
MAX_BYTES = 64 << 20
"""Of a batch file; the official ones have 31 million."""
HELD_OUT = 5000
"""Validation images: the last ones of data_batch_5. Selection uses them, never the test split."""

OFFICIAL_MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}


def load(
    split: Split,
    folder: str | Path,
    *,
    digests: Mapping[str, str] = OFFICIAL_MD5,
    held_out: int = HELD_OUT,
) -> Dataset:
    """Read one split from `folder` or `folder/cifar-10-batches-py`; only the batches it needs."""
    root = find_root(folder)
    training = sorted(name for name in digests if name.startswith("data_batch"))
    names = {"train": training, "validation": training[-1:], "test": ["test_batch"]}[split]
    batches = [read_batch(root / name, digests[name]) for name in names]
    images = np.concatenate([batch[0] for batch in batches])
    labels = np.concatenate([batch[1] for batch in batches])
    kept = len(labels) - held_out
    keep = {"train": slice(None, kept), "validation": slice(kept, None)}
    part = keep.get(split, slice(None))
    return Dataset(
        name="cifar10", split=split, images=images[part], labels=labels[part], classes=CLASSES
    )


def find_root(folder: str | Path) -> Path:
    """Return the folder that holds the batches: `folder` itself or its official subfolder."""
    given = Path(folder)
    for root in (given / FOLDER, given):
        if (root / "test_batch").exists() or (root / "data_batch_1").exists():
            return root
    lack = "a folder without data_batch_1 and test_batch" if given.is_dir() else "missing"
    raise InputError(
        f"CIFAR-10 folder {str(given)!r} must hold {FOLDER}/ or the batches themselves, not {lack}"
        " (download cifar-10-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html)"
    )


def read_batch(path: Path, digest: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return images (N, 3, 32, 32) and labels (N,) of one batch file whose MD5 is `digest`."""
    try:
        size = path.stat().st_size if path.is_file() else 0
        if size > MAX_BYTES:
            raise InputError(
                f"CIFAR-10 batch {str(path)!r} must have at most {MAX_BYTES} bytes, not {size}"
            )
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"CIFAR-10 batch {str(path)!r} must be a readable file: {error.strerror}"
        ) from error
    actual = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if actual != digest:
        raise InputError(f"MD5 of CIFAR-10 batch {str(path)!r} must be {digest}, not {actual}")
    record = _unpickle(content, path)
    try:
        images = np.asarray(record[b"data"], np.uint8).reshape(-1, 3, 32, 32)
        labels = np.asarray(record[b"labels"], np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"CIFAR-10 batch {str(path)!r} must hold data (N, 3072) and labels, not {error}"
        ) from error
    return images, labels


class _Unpickler(pickle.Unpickler):
    """Rebuilds numpy arrays and plain Python values; any other name in the file is refused."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np._core.multiarray._reconstruct  # type: ignore[attr-defined]  # private
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"the name {module}.{name}")


def _unpickle(content: bytes, path: Path) -> dict[bytes, Any]:
    refused = (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError)
    try:
        record = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except refused as error:
        raise InputError(
            f"CIFAR-10 batch {str(path)!r} must hold only numpy arrays and plain values, "
            f"not {error}"
        ) from error
    if not isinstance(record, dict):
        raise InputError(
            f"CIFAR-10 batch {str(path)!r} must hold a dictionary, not {type(record).__name__}"
        )
    return record
