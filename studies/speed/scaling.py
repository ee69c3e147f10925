"""Time against images, MACs and threads: the plot of docs/simulator.md."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...sim.networks import build
from ...sim.runner import Runner
from ...spec.host.files import write_file
from ...spec.host.pictures import canvas, drawn, png_of
from ...spec.program import Program

IMAGES = (125, 250, 500, 1000, 2000, 4000, 8000)
NETWORKS = {
    "resnet8-cifar": 400, "resnet20-cifar": 200, "resnet56-cifar": 100, "mobilenet-v2": 8,
    "resnet18": 8, "resnet34": 8, "resnet50": 8,
}  # fmt: skip
"""Network -> images timed."""


def measure_scaling(threads: int, rounds: int = 3) -> dict[str, list[dict[str, Any]]]:
    """Seconds by number of images (ResNet-20), by network, and by threads (ResNet-18)."""
    program = build("resnet20-cifar")
    runner = Runner(program, threads=threads)
    by_images = [
        {"images": count, "seconds": _seconds(runner, _random(program, count), rounds)}
        for count in IMAGES
    ]
    by_network = []
    for name, count in NETWORKS.items():
        program = build(name)
        macs = sum(program.macs(layer.name) for layer in program.layers)
        seconds = _seconds(Runner(program, threads=threads), _random(program, count), rounds)
        by_network.append({"network": name, "macs": macs, "seconds_per_image": seconds / count})
    program = build("resnet18")
    images = _random(program, 8)
    by_threads = [
        {"threads": n, "seconds": _seconds(Runner(program, threads=n), images, rounds)}
        for n in range(1, threads + 1)
    ]
    return {"images": by_images, "networks": by_network, "threads": by_threads}


def _random(program: Program, count: int) -> npt.NDArray[np.uint8]:
    shape = (count, *program.input_shape)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def _seconds(run: Callable[[Any], Any], images: npt.NDArray[np.uint8], rounds: int) -> float:
    """Best of `rounds`, after a warm-up on the first images."""
    run(images[:8])
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        run(images)
        times.append(time.perf_counter() - start)
    return min(times)


def plot(measured: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """Three panels: images, MACs, threads."""
    png = drawn(path.name, lambda: _picture(measured))
    if png is not None:
        write_file(path, png)


def _picture(measured: dict[str, list[dict[str, Any]]]) -> bytes:
    with canvas(11, 3.4) as figure:
        axes = figure.subplots(1, 3)
        _images_panel(axes[0], measured["images"])
        _networks_panel(axes[1], measured["networks"])
        _threads_panel(axes[2], measured["threads"])
        for axis in axes:
            axis.grid(alpha=0.3)
        return png_of(figure)


def _images_panel(axis: Any, rows: list[dict[str, Any]]) -> None:
    axis.loglog([r["images"] for r in rows], [r["seconds"] for r in rows], "o-")
    axis.minorticks_off()
    axis.set_xticks([125, 500, 2000, 8000], ["125", "500", "2000", "8000"])
    axis.yaxis.set_major_formatter(_plain)
    axis.set(xlabel="images", ylabel="seconds", title="ResNet-20 (CIFAR)")


def _networks_panel(axis: Any, rows: list[dict[str, Any]]) -> None:
    macs = [r["macs"] / 1e6 for r in rows]
    milliseconds = [1e3 * r["seconds_per_image"] for r in rows]
    axis.loglog(macs, milliseconds, "o")
    axis.xaxis.set_major_formatter(_plain)
    axis.yaxis.set_major_formatter(_plain)
    for row, x, y in zip(rows, macs, milliseconds, strict=True):
        place = (-4, 3) if row["network"] == "resnet50" else (4, -8)
        side = "right" if row["network"] == "resnet50" else "left"
        axis.annotate(
            row["network"], (x, y), fontsize=7, xytext=place, textcoords="offset points", ha=side
        )
    axis.margins(x=0.2)
    axis.set(xlabel="million MACs", ylabel="ms per image", title="networks")


def _threads_panel(axis: Any, rows: list[dict[str, Any]]) -> None:
    speed = [rows[0]["seconds"] / r["seconds"] for r in rows]
    threads = [r["threads"] for r in rows]
    axis.plot(threads, speed, "o-", label="measured")
    axis.plot(threads, threads, ":", label="ideal")
    axis.set(xlabel="threads", ylabel="speed-up", title="ResNet-18, batch 8", xticks=threads)
    axis.legend()


def _plain(value: float, _: int) -> str:
    """A number of a logarithmic axis without a formula."""
    return f"{value:g}"
