"""A folder has one owner at a time, for as long as its process lives."""

import errno
import fcntl
import signal
import subprocess
import sys

import pytest

from adqhw.spec.errors import InputError
from adqhw.spec.host.locks import sole_owner

HOLDER = """
import sys, time
from adqhw.spec.host.locks import sole_owner
with sole_owner(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_owner_is_refused_until_the_first_one_ends(tmp_path):
    with sole_owner(tmp_path / "new"):
        with (
            pytest.raises(InputError, match=r"one command at a time, not '.*new'"),
            sole_owner(tmp_path / "new"),
        ):
            pass
        with sole_owner(tmp_path / "other"):
            pass
    with sole_owner(tmp_path / "new"):
        pass


def test_a_killed_owner_leaves_the_folder_free(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            with pytest.raises(InputError, match="one command at a time"), sole_owner(tmp_path):
                pass
        finally:
            holder.send_signal(signal.SIGKILL)
        holder.wait()
    with sole_owner(tmp_path):
        pass


def test_an_unwritable_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(InputError, match="Output folder must be writable"),
        sole_owner(tmp_path / "file" / "run"),
    ):
        pass


def test_a_file_system_without_locks_is_told_and_used(tmp_path, monkeypatch, capsys):
    def refuse(handle, kind):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with sole_owner(tmp_path):
        pass
    told = capsys.readouterr().err
    assert "cannot be locked (No locks available)" in told
    assert told.count("\n") == 1
