"""Runners in children of `fork()`, and as pickles and copies: the same logits, and no waiting."""

import copy
import os
import pickle
import signal
import threading
import time
import warnings

import numpy as np
import programs
import pytest

from adqhw.sim import activity, engine
from adqhw.sim.runner import Runner
from adqhw.spec import golden

PATIENCE = 60
"""Seconds that a child may take on a busy machine; a deadlock takes longer."""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork()")


def in_child(work):
    """True when `work()` is true in a forked child; a child that hangs is killed and fails."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Python 3.12 warns of any fork with threads
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 1
        finally:
            os._exit(code)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@pytest.fixture(scope="module")
def program():
    return programs.every_kind()


@pytest.fixture(scope="module")
def images(program):
    return programs.random_images(program, 24)


@pytest.fixture(scope="module")
def logits(program, images):
    return golden.run(program, images).logits


@needs_fork
def test_a_runner_with_threads_runs_in_a_child(program, images, logits):
    runner = Runner(program, threads=3)
    assert np.array_equal(runner(images), logits)
    assert in_child(lambda: np.array_equal(runner(images), logits))
    assert in_child(lambda: in_child(lambda: np.array_equal(runner(images), logits)))
    assert np.array_equal(runner(images), logits)


@needs_fork
def test_a_fork_while_another_thread_runs(program, images, logits):
    """The child inherits a lock that is never released, and half-written maps."""
    runner, stop = Runner(program, threads=2), threading.Event()

    def work():
        while not stop.is_set():
            runner(images)

    busy = threading.Thread(target=work)
    busy.start()
    try:
        for _ in range(5):
            assert in_child(lambda: np.array_equal(runner(images), logits))
    finally:
        stop.set()
        busy.join()


@needs_fork
def test_rows_shared_by_threads_in_a_child(program, images, logits, monkeypatch):
    """Few large images are split by rows among threads that spin for each other."""
    monkeypatch.setattr("adqhw.sim.runner.ROWS_MACS", 0)
    runner = Runner(program, threads=2)
    monkeypatch.setattr("adqhw.sim.runner.available_cores", lambda: 2)
    assert np.array_equal(runner(images[:1]), logits[:1])
    assert in_child(lambda: np.array_equal(runner(images[:1]), logits[:1]))


@needs_fork
def test_engine_and_activity_in_a_child(program, images, logits):
    expected = activity.activity(program, images, threads=2)
    engine.run(program, images, threads=2)
    assert in_child(
        lambda: (
            np.array_equal(engine.run(program, images, threads=2).logits, logits)
            and activity.activity(program, images, threads=2) == expected
        )
    )


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, copy.copy, lambda x: pickle.loads(pickle.dumps(x))]
)
def test_a_runner_is_pickled_and_copied(copied, program, images):
    runner = Runner(program, threads=2, simd="portable", keep=["mac3"])
    runner(images)
    twin = copied(runner)
    assert (twin.threads, twin.tag, twin.names) == (runner.threads, runner.tag, runner.names)
    assert twin.program.digest == program.digest
    expected, found = runner.run(images), twin.run(images)
    np.testing.assert_array_equal(expected.logits, found.logits)
    np.testing.assert_array_equal(expected.tensors["mac3"], found.tensors["mac3"])
