"""Output paths: files, links, pipes, devices, folders; leftovers of killed writers."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adqhw.spec.errors import InputError
from adqhw.spec.host import unfinished
from adqhw.spec.host.files import atomic_path


def write(path, text="new"):
    with atomic_path(path) as temporary:
        temporary.write_text(text)


@pytest.fixture(autouse=True)
def looked():
    """As in a new process."""
    unfinished._LOOKED.clear()


def test_a_link_keeps_pointing_and_its_file_is_replaced(tmp_path):
    real, link = tmp_path / "deep" / "real.txt", tmp_path / "link.txt"
    link.symlink_to("deep/real.txt")
    for text in ("made", "again"):  # a link to nothing makes its file
        write(link, text)
        assert link.is_symlink()
        assert real.read_text() == link.read_text() == text
    assert names(real.parent) == ["real.txt"]


def test_a_replaced_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o600)
    write(path)
    assert (path.stat().st_mode & 0o777, path.read_text()) == (0o600, "new")
    write(tmp_path / "other")
    assert (tmp_path / "other").stat().st_mode & 0o777 == 0o666 & ~_umask()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_pipe_is_written_through_and_stays(tmp_path):
    pipe, link, found = tmp_path / "pipe", tmp_path / "link", []
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        reader = threading.Thread(target=lambda: found.append(pipe.read_text()))
        reader.start()
        write(path, "through")
        reader.join(10)
        assert pipe.is_fifo()
    assert found == ["through", "through"]


def test_devices_stay_devices(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/dev/null")
    for path in ("/dev/null", link):
        before = Path(path).stat()
        write(path)
        assert Path(path).stat().st_ino == before.st_ino
        assert not Path("/dev/null").is_file()
    with pytest.raises(InputError, match="Output must take what is written"):
        write("/dev/full")


@pytest.mark.parametrize(("path", "end"), [("/dev/stdout", "file"), ("/dev/fd/1", "pipe")])
def test_standard_output_is_a_stream(path, end, tmp_path):
    code = (
        "import sys; from adqhw.spec.host.files import atomic_path\n"
        f"with atomic_path({path!r}) as t: t.write_text('new')"
    )
    log = tmp_path / "log"
    log.write_text("before ")
    with log.open("ab") as stream:
        out = stream if end == "file" else subprocess.PIPE
        done = subprocess.run([sys.executable, "-c", code], stdout=out, check=True)
    text = log.read_text() if end == "file" else done.stdout.decode()
    assert text == ("before new" if end == "file" else "new")


def test_what_cannot_be_written_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(tmp_path)  # addresses of sockets are short
        server.bind("socket")
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    (tmp_path / "to_folder").symlink_to(tmp_path)
    (tmp_path / "file").write_text("")
    before = names(tmp_path)
    wrong = [".", "socket", "loop", "to_folder", "x" * 300, "a\0b"]
    for name in wrong:
        with pytest.raises(InputError, match="Output") as refused:
            write(tmp_path / name)
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match="must be writable"):
        write(tmp_path / "file" / "below")
    assert names(tmp_path) == before


def test_a_name_of_the_greatest_length_has_a_temporary_one(tmp_path):
    for name in ("x" * 255, "é" * 127, "a." + "b" * 253):
        write(tmp_path / name)
        assert (tmp_path / name).read_text() == "new"


WRITER = """
import sys, time
from adqhw.spec.host.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_text("half")
    print(temporary, flush=True)
    sys.stdin.read()
    temporary.write_text("whole")
"""


def start_writer(path):
    made = subprocess.Popen(
        [sys.executable, "-c", WRITER, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    return made, Path(made.stdout.readline().strip())


def test_the_next_writer_removes_what_a_killed_one_left_and_nothing_else(tmp_path):
    killed, leftover = start_writer(tmp_path / "layers.csv")
    living, held = start_writer(tmp_path / "layers.csv")
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert leftover.is_file()  # nothing else could remove it
    theirs = [tmp_path / name for name in (".layers.csv.swp", ".adqhw-notes", "x.adqhw-abcdefgh")]
    for path in theirs:
        path.write_text("")
    write(tmp_path / "other.txt")
    assert not leftover.exists()
    assert held.read_text() == "half"
    living.communicate("")
    assert living.returncode == 0
    assert (tmp_path / "layers.csv").read_text() == "whole"
    assert sorted(tmp_path.iterdir()) == sorted(
        [*theirs, tmp_path / "layers.csv", tmp_path / "other.txt"]
    )


def test_writers_and_cleaners_at_once_lose_nothing(tmp_path):
    """A file between its making and its lock looks like a leftover: its maker must notice."""

    def many(number):
        for turn in range(100):
            unfinished._LOOKED.clear()
            write(tmp_path / f"{number}", f"{turn}")

    threads = [threading.Thread(target=many, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert names(tmp_path) == ["0", "1", "2", "3"]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"99"}


def test_an_error_in_the_block_leaves_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text(f"half {1 / 0}")
    assert (path.read_text(), names(tmp_path)) == ("old", ["x"])
