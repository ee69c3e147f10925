"""CIFAR-10's archive: checked before it is opened, and only known members are taken."""

import hashlib
import io
import tarfile

import pytest

from adqhw.adq.data import download
from adqhw.adq.data.cifar10 import FOLDER, OFFICIAL_MD5
from adqhw.adq.data.download import fetch_cifar10
from adqhw.spec.errors import InputError


def archive(path, names) -> str:
    with tarfile.open(path, "w:gz") as file:
        for name in names:
            content = f"content of {name}".encode()
            member = tarfile.TarInfo(name)
            member.size = len(content)
            file.addfile(member, io.BytesIO(content))
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def test_known_batches_are_taken_and_nothing_else(tmp_path):
    names = [*(f"{FOLDER}/{name}" for name in OFFICIAL_MD5), "../evil", f"{FOLDER}/other"]
    digest = archive(tmp_path / "a.tar.gz", names)
    url = (tmp_path / "a.tar.gz").as_uri()
    found = fetch_cifar10(tmp_path / "data", url, digest)
    assert sorted(path.name for path in found.iterdir()) == sorted(OFFICIAL_MD5)
    assert (found / "test_batch").read_text() == f"content of {FOLDER}/test_batch"
    assert not (tmp_path / "evil").exists()
    (tmp_path / "a.tar.gz").unlink()
    assert fetch_cifar10(tmp_path / "data", url, digest) == found  # there already: no request


def test_a_wrong_archive_leaves_nothing(tmp_path):
    archive(tmp_path / "a.tar.gz", [f"{FOLDER}/test_batch"])
    url = (tmp_path / "a.tar.gz").as_uri()
    with pytest.raises(InputError, match=r"MD5 of file:.* must be c58f.*nothing was kept"):
        fetch_cifar10(tmp_path / "data", url)
    assert not (tmp_path / "data").exists()
    digest = hashlib.md5((tmp_path / "a.tar.gz").read_bytes(), usedforsecurity=False).hexdigest()
    with pytest.raises(InputError, match="must hold the file cifar-10-batches-py/data_batch_1"):
        fetch_cifar10(tmp_path / "data", url, digest)


def test_no_answer_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"Archive file:.*nowhere must be reachable"):
        fetch_cifar10(tmp_path, (tmp_path / "nowhere").as_uri())
    assert download.URL.startswith("https://")
