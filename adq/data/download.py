"""The official CIFAR-10 archive, fetched by `adqhw train --download` only.

https://www.cs.toronto.edu/~kriz/cifar.html. The archive is checked against its published MD5 before
anything is extracted, and only the known batches are, by name: no path of the archive is used. Each
batch is checked again when it is read (`cifar10`).
"""

import gzip
import hashlib
import http.client
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path
from typing import IO, BinaryIO

from ...spec.errors import InputError
from ...spec.host.files import atomic_path
from .cifar10 import FOLDER, OFFICIAL_MD5

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
ARCHIVE_MD5 = "c58f30108f718f92721af3b95e74349a"
MAX_ARCHIVE, MAX_MEMBER = 200 << 20, 64 << 20
"""Bytes: the archive has 170,498,071, a batch 31,035,704."""
TIMEOUT = 60
"""Seconds without an answer."""


def fetch_cifar10(folder: str | Path, url: str = URL, digest: str = ARCHIVE_MD5) -> Path:
    """Leave the batches in ``folder/cifar-10-batches-py``; nothing is fetched if they are there."""
    target = Path(folder) / FOLDER
    if all((target / name).exists() for name in OFFICIAL_MD5):
        return target
    with tempfile.TemporaryFile() as archive:
        _receive(url, archive)
        archive.seek(0)
        md5 = hashlib.file_digest(archive, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 != digest:
            raise InputError(f"MD5 of {url} must be {digest}, not {md5}: nothing was kept")
        archive.seek(0)
        _unpack(archive, target, url)
    return target


def _receive(url: str, archive: BinaryIO) -> None:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            _copy(answer, archive, MAX_ARCHIVE, url)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, OSError) as error:
        raise InputError(f"Archive {url} must be reachable: {error}") from error


def _copy(source: IO[bytes], target: IO[bytes], limit: int, what: str) -> None:
    """Copy a stream of at most ``limit`` bytes."""
    left = limit
    while part := source.read(1 << 20):
        left -= len(part)
        if left < 0:
            raise InputError(f"{what} must have at most {limit} bytes: nothing was kept")
        target.write(part)


def _unpack(archive: BinaryIO, target: Path, url: str) -> None:
    try:
        _unpack_members(archive, target, url)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"Archive {url} must be a whole .tar.gz, not: {error}") from error


def _unpack_members(archive: BinaryIO, target: Path, url: str) -> None:
    with tarfile.open(fileobj=archive, mode="r:gz") as members:
        for name in OFFICIAL_MD5:
            try:
                content = members.extractfile(f"{FOLDER}/{name}")
            except KeyError:
                content = None
            if content is None:
                raise InputError(f"Archive {url} must hold the file {FOLDER}/{name}, not lack it")
            with atomic_path(target / name) as temporary, temporary.open("wb") as file:
                _copy(content, file, MAX_MEMBER, f"Member {name} of {url}")
