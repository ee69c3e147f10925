"""Local workers: they end with the process that started them, however that one ends."""

import os
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from adqhw.cost.sweep.workers import InProcess, LocalPool, Task, ended_by_sigterm
from adqhw.spec.errors import SimulationError

TASKS = '''
import os, signal, time
from pathlib import Path

def nap(shared, own):
    """Leave the number of this process in the folder, then sleep for a minute."""
    (Path(shared) / str(os.getpid())).touch()
    time.sleep(60)

def die(shared, own):
    os.kill(os.getpid(), signal.SIGKILL)
'''
PARENT = """
import sys
from slow_tasks import nap
from adqhw.cost.sweep.workers import LocalPool, Task, ended_by_sigterm

if __name__ == "__main__":
    tasks = [Task(function=nap, shared=sys.argv[1], own=None)] * 8
    with ended_by_sigterm():
        list(LocalPool(count=2).run(tasks))
"""


@pytest.fixture
def started(tmp_path):
    """A parent with two workers that are busy, and the folder of their numbers."""
    (tmp_path / "slow_tasks.py").write_text(TASKS)
    (tmp_path / "parent.py").write_text(PARENT)
    seen = tmp_path / "seen"
    seen.mkdir()
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py"), str(seen)],
        stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while len(list(seen.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = [int(path.name) for path in seen.iterdir()]
    assert len(workers) == 2
    yield process, workers
    process.kill()
    process.communicate()


def gone(pids: list[int], seconds: float) -> bool:
    """Whether all of the processes end within `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(alive(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


def test_workers_end_when_their_parent_is_killed(started):
    process, workers = started
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert gone(workers, 5)


def test_sigterm_ends_parent_and_workers_at_once(started):
    process, workers = started
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + signal.SIGTERM
    assert gone(workers, 1)
    assert said.splitlines()[0].startswith("adqhw: ended by SIGTERM")
    assert "Traceback" not in said


def test_a_worker_that_dies_is_one_error(tmp_path, monkeypatch):
    (tmp_path / "slow_tasks.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    die = import_module("slow_tasks").die

    with pytest.raises(SimulationError, match="Workers must survive a task"):
        list(LocalPool(count=1).run([Task(function=die, shared=None, own=None)]))


def test_sigterm_in_this_process_runs_what_must_be_run(tmp_path):
    """The block's own `finally` runs, and the handler of before is back afterwards."""
    before = signal.getsignal(signal.SIGTERM)
    left: list[str] = []

    def interrupted() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        finally:
            left.append("tidy")

    with pytest.raises(SystemExit) as ended, ended_by_sigterm():
        interrupted()
    assert ended.value.code == 143
    assert left == ["tidy"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_every_answer_comes_once_with_its_number():
    tasks = [Task(function=divmod, shared=100, own=number) for number in (3, 7, 9)]
    assert dict(InProcess().run(tasks)) == {0: (33, 1), 1: (14, 2), 2: (11, 1)}
    assert dict(LocalPool(count=2).run(tasks)) == {0: (33, 1), 1: (14, 2), 2: (11, 1)}
