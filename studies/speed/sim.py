"""Measurements of `adqhw bench sim`: the exact engine and other tools, in turn, in one run."""

import importlib.metadata
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...sim.kernels.simd import supported
from ...sim.networks import build
from ...sim.runner import Runner
from ...spec import golden
from ...spec.program import Program
from .peak import peak_gops

Array = npt.NDArray[Any]
BATCH = {"cifar": 100, "imagenet": 8}
CALIBRATION = 4
TURN = 0.05
"""Seconds that a turn takes at least."""
TOOLS = ("onnxruntime", "onnx", "qonnx", "da4ml", "torch", "numba", "numpy")


@dataclass(kw_only=True)
class Contender:
    """One engine on one network. `exact`: equal to golden, measured; None where it is not meant."""

    engine: str
    run: Callable[[Array], Array] | None = None
    batch: Array | None = None
    ours: bool = False
    exact: bool | None = False
    absent: str = ""
    peak: float | None = None
    seconds: list[float] = field(default_factory=list)


def versions() -> dict[str, str]:
    """Installed versions of everything measured."""
    installed = {}
    for name in TOOLS:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed[name] = "absent"
    return installed


def cpu_name() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def measure_network(
    name: str,
    *,
    threads: int,
    rounds: int,
    batch: int | None = None,
    tick: Callable[[str], None] = lambda text: None,
) -> list[dict[str, Any]]:
    """Rows of one network: images per second of each engine, best of `rounds` turns.

    batch: images per call; 1 measures latency.
    """
    program = build(name)
    count = batch or BATCH["cifar" if program.input_shape[1] <= 32 else "imagenet"]
    codes = np.random.default_rng(1).integers(0, 256, (count, *program.input_shape))
    images = codes.astype(np.uint8)
    tick(f"{name}: preparing")
    contenders = [*_ours(program, images, threads), *_others(program, images, threads)]
    _measure(contenders, rounds, tick, name)
    macs = sum(program.macs(layer.name) for layer in program.layers)
    return _rows(name, contenders, macs)


def measure_matmul(*, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Rows of da4ml's 64 x 64 int4 matmul; an "image" is one vector of 64 codes."""
    from . import da4ml as bench_da4ml

    program = bench_da4ml.matmul_program()
    codes = np.random.default_rng(1).integers(-8, 8, (20_000, *program.input_shape))
    images = codes.astype(np.int8)
    expected = golden.run(program, images[:64]).logits
    ours = _ours(program, images, threads)
    few = images[:2000]
    other = _prepared("da4ml interpreter", few, lambda: bench_da4ml.interpreter(threads))
    if other.run is not None:
        other.exact = bool(np.array_equal(other.run(few[:64]), expected))
    contenders = [*ours, other]
    _measure(contenders, rounds, lambda text: None, "matmul64-int4")
    return _rows("matmul64-int4", contenders, bench_da4ml.MACS)


def _ours(program: Program, images: Array, threads: int) -> list[Contender]:
    """The adqhw engine in each mode that this processor supports; checked on the first images."""
    few = images[: 2 if program.input_shape[1] > 32 else 8]
    expected = golden.run(program, few).logits
    contenders = []
    for simd in supported():
        runner = Runner(program, simd=simd, threads=threads)
        exact = bool(np.array_equal(runner(images)[: len(few)], expected))
        contenders.append(
            Contender(
                engine=f"adqhw {simd}", run=runner, batch=images, ours=True, exact=exact,
                peak=peak_gops(simd, threads),
            )
        )  # fmt: skip
    return contenders


def _others(program: Program, images: Array, threads: int) -> list[Contender]:
    floats = images.astype(np.float32)
    calibration = floats[:CALIBRATION]

    def onnx() -> Any:
        from . import onnx as bench_onnx

        return bench_onnx

    def torch() -> Any:
        from . import torch as bench_torch

        return bench_torch

    one = floats[:1]
    contenders = [
        _prepared("onnxruntime fp32", floats,
                  lambda: onnx().session(onnx().float_model(program), threads)),
        _prepared("onnxruntime int8 QDQ", floats,
                  lambda: onnx().session(onnx().int8_model(program, calibration), threads)),
        _prepared("torch fp32 channels-last", floats,
                  lambda: torch().float_run(program, threads)),
        _prepared("torch int8", floats,
                  lambda: torch().int8_run(program, threads, calibration)),
        _prepared("qonnx", one, lambda: onnx().qonnx_run(program)),
    ]  # fmt: skip
    qonnx = contenders[-1]
    if qonnx.run is not None:
        qonnx.exact = bool(np.array_equal(qonnx.run(one), golden.run(program, images[:1]).logits))
    return contenders


def _prepared(engine: str, batch: Array, make: Callable[[], Callable[[Array], Array]]) -> Contender:
    """A contender that has run once, or one marked absent with the reason."""
    try:
        run = make()
        run(batch)
    except (ImportError, RuntimeError, NotImplementedError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return Contender(engine=engine, absent=reason)
    return Contender(engine=engine, run=run, batch=batch)


def _measure(
    contenders: list[Contender], rounds: int, tick: Callable[[str], None], name: str
) -> None:
    """All contenders in turn: a disturbance of a round affects every engine in it."""
    for number in range(rounds):
        tick(f"{name}: round {number + 1} of {rounds}")
        for contender in contenders:
            if contender.run is None or contender.batch is None:
                continue
            turn = time.perf_counter()
            while True:  # short calls are repeated: one alone would measure cold caches
                start = time.perf_counter()
                contender.run(contender.batch)
                end = time.perf_counter()
                contender.seconds.append(end - start)
                if end - turn >= TURN:
                    break


def _rows(name: str, contenders: list[Contender], macs: int) -> list[dict[str, Any]]:
    speeds = {
        c.engine: len(c.batch) / min(c.seconds)
        for c in contenders if c.seconds and c.batch is not None
    }  # fmt: skip
    others = [speeds[c.engine] for c in contenders if not c.ours and c.engine in speeds]
    best = max(others, default=None)
    rows = []
    for c in contenders:
        speed = speeds.get(c.engine)
        gops = None if speed is None else 2 * macs * speed / 1e9
        rows.append(
            {
                "network": name,
                "engine": c.engine,
                "images_per_s": speed,
                "milliseconds": 1e3 * statistics.median(c.seconds) if c.seconds else None,
                "exact": c.exact if speed is not None else None,
                "ratio_to_best_other": speed / best if speed and best else None,
                "gops": gops,
                "peak_gops": c.peak,
                "share_of_peak": gops / c.peak if gops and c.peak else None,
                "absent": c.absent,
            }
        )
    return rows
