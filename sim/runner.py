"""Running a program: workers, threads, and arrays in and out."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from ..spec.engines import Keep, Result, as_logits, check_images, wanted
from ..spec.errors import InputError
from ..spec.footprint import demand_results
from ..spec.host.limits import memory_budget
from ..spec.program import INPUT, Program
from ..spec.program_file import from_bytes, to_bytes
from ..spec.program_file import load as load_file
from .cores import available_cores
from .forked import register
from .kernels import execute
from .kernels.op import Kind
from .kernels.simd import choose
from .lowering.plan import Plan, Worker, lower, plan

MAPS_BYTES = 1 << 19
"""Memory for the maps of the images that one thread has in flight: half a second-level cache."""
LEAST_IMAGES, MOST_IMAGES = 4, 1024
"""Four at least: small last maps then fill whole tiles, and weights are read a quarter as often."""
ROWS_MACS = 200_000_000
"""MACs of an image from which waking another thread, and waiting after each step, pays."""


class Runner:
    """A program ready to run: `runner(images) -> logits`, bit-identical with golden.

    images: (N, C, H, W) integer codes, NumPy or torch (on the CPU). simd: "vnni", "avx2" or
    "portable" (default: the fastest that this processor supports). threads: default, the cores
    this process may use. It owns its buffers: calls from several threads wait for each other.
    It may be used on both sides of a `fork()`, pickled and copied.
    """

    def __init__(
        self,
        program: Program,
        *,
        simd: str | None = None,
        threads: int | None = None,
        keep: Keep = (),
        counting: bool = False,
    ) -> None:
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise InputError(f"Threads must be at least 1, not {threads!r}")
        self.program = program
        self.tag = choose(simd)
        self.threads = threads or available_cores()
        self.names = wanted(program, keep)
        self._counting = counting
        self._plan = self._planned()
        self._options = {"simd": simd, "threads": threads, "keep": keep, "counting": counting}
        self.forget_threads()
        register(self)
        self._macs = sum(program.macs(layer.name) for layer in program.layers)

    def forget_threads(self) -> None:
        """No threads, no run under way: a new runner, or one in a child process of `fork()`."""
        self._lock = Lock()
        self._workers: list[Worker] = []
        self._sharers: list[Worker] = []
        self._pool: ThreadPoolExecutor | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled and copied as the program's bytes: the copy plans for the machine it is on."""
        return _restored, (to_bytes(self.program), self._options)

    def _planned(self) -> Plan:
        """A plan whose images in flight fill the cache, if memory allows, for each thread."""
        low = lower(self.program, self.tag, keep=self.names, counting=self._counting)
        single = plan(low, images=1)
        size = max(single.arena_bytes, 1)
        images = min(max(MAPS_BYTES // size, LEAST_IMAGES), MOST_IMAGES)
        images = min(images, max(memory_budget() // (self.threads * size), 1))
        return single if images == 1 else plan(low, images=images)

    def __call__(self, images: Any) -> npt.NDArray[np.int32]:
        """Logits (N, classes) int32."""
        return self.run(images).logits

    def stream(self, batches: Iterable[Any]) -> Iterator[npt.NDArray[np.int32]]:
        """Logits of each batch: memory does not grow with the data set."""
        for images in batches:
            yield self(images)

    def run(self, images: Any) -> Result:
        """Logits and the kept tensors."""
        batch = check_images(self.program, as_numpy(images))
        last = self.program.layers[-1].name
        demand_results(self.program, self.names, len(batch))
        out = {
            name: np.empty(
                (len(batch), *self.program.tensor_shape(name)),
                self.program.tensor_format(name).dtype,
            )
            for name in sorted(self.names | {last})
        }
        with self._lock:
            self._run(batch, out)
        return Result(
            logits=as_logits(self.program, out[last]),
            tensors={name: out[name] for name in sorted(self.names)},
        )

    def _run(self, batch: npt.NDArray[Any], out: dict[str, npt.NDArray[Any]]) -> None:
        """Workers take chunks of images until none is left; few large images are split by rows."""
        sharers = min(self.threads, available_cores())  # they spin: never more than cores
        if len(batch) < sharers and self._macs >= ROWS_MACS:
            self._run_rows(batch, out, sharers)
            return
        size = max(min(self._plan.images, -(-len(batch) // self.threads)), 1)
        chunks = iter(range(0, len(batch), size))
        most = max(memory_budget() // max(self._plan.arena_bytes, 1), 1)
        count = min(self.threads, -(-len(batch) // size), most)
        while len(self._workers) < count:
            self._workers.append(Worker(self._plan))

        def work(worker: Worker) -> None:
            for start in chunks:  # next() of a range iterator is atomic
                chosen = slice(start, min(start + size, len(batch)))
                point_at(worker, batch[chosen])
                execute_steps(worker, chosen.stop - chosen.start, 0, len(worker.steps))
                for name, codes in out.items():
                    save(worker, name, codes[chosen])

        if count <= 1:
            for worker in self._workers[:count]:
                work(worker)
            return
        list(self._threads().map(work, self._workers[:count]))

    def _run_rows(
        self, batch: npt.NDArray[Any], out: dict[str, npt.NDArray[Any]], sharers: int
    ) -> None:
        """One image at a time, step by step: each thread does its share of the rows."""
        if not self._workers:
            self._workers.append(Worker(self._plan))
        main = self._workers[0]
        while len(self._sharers) < sharers:
            self._sharers.append(Worker(self._plan, arena_of=main))
        for index in range(len(batch)):
            image = batch[index : index + 1]
            for sharer in self._sharers:
                point_at(sharer, image)
            point_at(main, image)
            self._share(main)
            for name, codes in out.items():
                save(main, name, codes[index : index + 1])

    def _share(self, main: Worker) -> None:
        """All steps on one image by all threads, which meet after each step."""
        main.gate[0] = 0
        pool, parts = self._threads(), len(self._sharers)
        done = [
            pool.submit(execute_steps, sharer, 1, 0, len(sharer.steps), part, parts)
            for part, sharer in enumerate(self._sharers)
        ]
        for future in done:
            future.result()

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.threads, thread_name_prefix="adqhw-sim")
        return self._pool

    def take_counters(self) -> dict[str, npt.NDArray[np.int64]]:
        """Counts of non-zero codes (kernel_h, kernel_w, channels in runs) since the last call."""
        total = np.zeros(max(self._plan.counter_words, 1), np.int64)
        for worker in self._workers:
            total += worker.counters
            worker.counters[:] = 0
        return {
            name: total[first : first + prod(shape)].reshape(shape)
            for name, (first, shape) in self._plan.counters.items()
        }


def _restored(data: bytes, options: dict[str, Any]) -> Runner:
    return Runner(from_bytes(data), **options)


def load_program(path: str | Path, **options: Any) -> Runner:
    """The program in file `path`, ready to run: `load_program(path)(images) -> logits`.

    >>> run = load_program("zoo/cifar10_resnet20_w2a2.safetensors", threads=1)
    >>> run(np.zeros((2, 3, 32, 32), np.uint8)).shape
    (2, 10)
    """
    return Runner(load_file(path), **options)


def as_numpy(images: Any) -> npt.NDArray[Any]:
    """A NumPy array from one or from anything that offers itself as one (torch, jax)."""
    try:
        return np.asarray(images)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"Images must be an array of integers: {error}") from error


def point_at(worker: Worker, images: npt.NDArray[Any]) -> None:
    """Make `images` (n, C, H, W), C order, the input of the worker's next steps."""
    if worker.steps[0]["kind"] == Kind.INPUT:
        worker.steps[0]["source"] = images.ctypes.data
    elif worker.own_arena:
        load(worker, images)


def execute_steps(
    worker: Worker, images: int, first: int, last: int, part: int = 0, parts: int = 1
) -> None:
    """Steps first..last-1 of the plan: part `part` of `parts` of the rows of each."""
    tag, steps = worker.plan.tag, worker.steps
    execute.run(tag, steps, first, last, images, part, parts, worker.places, worker.work)


def load(worker: Worker, images: npt.NDArray[Any]) -> None:
    """Write images of more than 8 bits into the input map, which is then int32."""
    view = worker.plan.places[INPUT].view(worker.arena, len(images))
    np.copyto(view, images.transpose(0, 2, 3, 1), casting="unsafe")


def save(worker: Worker, name: str, out: npt.NDArray[Any]) -> None:
    """Read a kept tensor into `out` (n, C, H, W)."""
    place = worker.plan.places[name]
    view = place.view(worker.arena, len(out)).transpose(0, 3, 1, 2)
    np.copyto(out, view, casting="unsafe")
    if place.low:
        out += out.dtype.type(place.low)
