"""No room for a file: one line that names it, the last checkpoint intact, resume exact."""

import os
import resource
import subprocess
import sys

import pytest
from tiny_runs import TINY, contents, tiny

from adqhw.adq.runs import checkpoint
from adqhw.adq.training import trainer
from adqhw.spec.errors import InputError
from adqhw.spec.host.files import atomic_path

pytestmark = pytest.mark.skipif(os.name != "posix", reason="file size limits")
NAME = "digits_resnet8_float"


class LimitAt(trainer.Observer):
    """From step `last` on no file may grow beyond `limit` bytes, as on a full disk."""

    def __init__(self, last: int, limit: int):
        self.last, self.limit = last, limit

    def step(self, *, step, loss, lr):
        if step == self.last:
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, hard))


@pytest.fixture
def unlimited():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, before)
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    trainer.train(tiny(NAME), folder)
    return contents(folder)


@pytest.mark.parametrize(
    ("last", "limit", "file", "kept"),
    [
        (3, 10_000, "checkpoint.safetensors", 0),
        (4, 10_000, "best.safetensors", 3),
        (6, 10, "metrics.jsonl", 4),
    ],
)
def test_a_run_without_room_stops_and_resumes_exactly(
    tmp_path, whole, unlimited, last, limit, file, kept
):
    with pytest.raises(InputError, match="must have room on its disk") as caught:
        trainer.train(tiny(NAME), tmp_path, observer=LimitAt(last, limit))
    unlimited()
    text = str(caught.value)
    assert f"{file}'" in text
    assert "the last checkpoint is intact" in text
    assert "--resume" in text
    assert "\n" not in text
    assert checkpoint.load(tmp_path / "checkpoint.safetensors").step == kept
    assert not list(tmp_path.glob(".*"))
    trainer.train(tiny(NAME), tmp_path, existing="resume")
    assert contents(tmp_path) == whole


def test_the_command_line_says_it_in_one_line(tmp_path):
    changes = [word for change in TINY for word in ("--set", change)]
    done = subprocess.run(
        [sys.executable, "-m", "adqhw.cli", "train", NAME, "--out", str(tmp_path), *changes],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000)),
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = (x for x in done.stderr.splitlines() if x.strip())
    assert line.startswith("adqhw: Output file must have room on its disk, not ")
    assert line.endswith("there is no checkpoint yet")


def test_an_existing_file_outlives_a_full_disk(tmp_path, unlimited):
    path = tmp_path / "file"
    path.write_bytes(b"before")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    with pytest.raises(InputError, match="must have room"), atomic_path(path) as temporary:
        temporary.write_bytes(bytes(1000))
    unlimited()
    assert [x.read_bytes() for x in tmp_path.iterdir()] == [b"before"]
