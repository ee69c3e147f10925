"""Workers: where a sweep's tasks run - in this process, on local processes, on a Dask scheduler.

A task is a plain function of plain data, so that its answer cannot depend on where it runs. Tasks
may end in any order; each answer comes with the number of its task.
"""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, Protocol

from ..spec.errors import InputError

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
        pool = ProcessPoolExecutor(min(self.count, max(len(tasks), 1)), mp_context=context)
        try:
            numbers = {
                pool.submit(task.function, task.shared, task.own): number
                for number, task in enumerate(tasks)
            }
            for future in as_completed(numbers):
                yield numbers[future], future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
