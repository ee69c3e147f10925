"""Workers: where a sweep's tasks run - in this process, on local processes, on a Dask scheduler.

A task is a plain function of plain data, so that its answer cannot depend on where it runs. Tasks
may end in any order; each answer comes with the number of its task. Local processes live no longer
than the one that started them, however that one ends.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Protocol

from ...spec.errors import InputError, SimulationError

CONNECT_SECONDS = 5
"""How long an unreachable scheduler is waited for."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """`function(shared, own)`. `shared` is large and common to many tasks: it travels once."""

    function: Any
    shared: Any
    own: Any


class Workers(Protocol):
    """Runs tasks."""

    @property
    def count(self) -> int:
        """How many tasks run at once."""

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        """(number of the task, its answer), in the order in which they end."""


class InProcess:
    """One task after the other, here."""

    count = 1

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        for number, task in enumerate(tasks):
            yield number, task.function(task.shared, task.own)


@dataclass(frozen=True, kw_only=True)
class LocalPool:
    """`count` processes of this machine."""

    count: int

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or isinstance(self.count, bool) or self.count < 1:
            raise InputError(f"Workers must be a positive number, not {self.count!r}")

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        # spawn: a fork of a process in which Numba has started threads may hang
        context = multiprocessing.get_context("spawn")
        line, ours = context.Pipe(duplex=False)
        pool = ProcessPoolExecutor(
            min(self.count, max(len(tasks), 1)), context, initializer=_follow, initargs=(line,)
        )
        try:
            numbers = {
                pool.submit(task.function, task.shared, task.own): number
                for number, task in enumerate(tasks)
            }
            for future in as_completed(numbers):
                yield numbers[future], future.result()
            pool.shutdown(wait=True)
        except BrokenProcessPool as error:
            raise SimulationError(
                "Workers must survive a task, one did not (killed, or out of memory): fewer "
                "--workers need less; what is computed is kept"
            ) from error
        finally:
            ours.close()  # running tasks end at once: their results are not needed
            pool.shutdown(wait=True, cancel_futures=True)
            line.close()


def _follow(line: Connection) -> None:
    """In a worker: end as soon as the other end of `line` is closed, by hand or by a death."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer

    def watch() -> None:
        line.poll(None)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM in the block ends it as an exception does: workers end, half-written files go."""

    def end(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a second one does not wait
        print("adqhw: ended by SIGTERM; the same command goes on where it was", file=sys.stderr)
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class DaskWorkers:
    """The workers of a running Dask scheduler; they must have this version of adqhw installed."""

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError as error:
            raise InputError(
                "dask[distributed] must be installed for --scheduler: pip install 'adqhw[sweep]'"
            ) from error
        self.distributed = distributed
        self.address = address
        try:
            self.client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"Scheduler must be reachable, {address!r} is not: {error}") from error
        self.count = len(self.client.scheduler_info(n_workers=-1)["workers"])
        if not self.count:
            self.client.close()
            raise InputError(f"Scheduler must have at least one worker, {address!r} has none")

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[int, Any]]:
        # by identity: chunks of one program share one object, sent to the cluster once
        sent = {id(task.shared): task.shared for task in tasks}
        blobs = {key: self.client.scatter(blob, hash=False) for key, blob in sent.items()}
        numbers = {
            self.client.submit(task.function, blobs[id(task.shared)], task.own, pure=False): number
            for number, task in enumerate(tasks)
        }
        for future in self.distributed.as_completed(list(numbers), loop=self.client.loop):
            try:
                yield numbers[future], future.result()
            except self.distributed.KilledWorker as error:
                raise InputError(
                    f"Workers of {self.address!r} must survive a task, several did not: {error}"
                ) from error

    def close(self) -> None:
        self.client.close()
