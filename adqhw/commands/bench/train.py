"""`adqhw bench train`: what quantization-aware training costs beside plain float training.

One network, one batch, several contenders in turns: the float step, this trainer's ADQ step (and
its LSQ step), and the same network with Brevitas' learned-scale quantizers. Every contender is a
process of its own, because peak memory is a property of a process; it answers a line per turn, so
that all are measured in the same minutes.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from ...console import JSON_OPTION, emit, people, say, show_table
from ...spec.errors import InputError
from ...studies.speed.train_worker import CONTENDERS, NETWORKS

GOALS = {1: 1.1, 2: 1.0}
"""Largest accepted cost of a step in steps of the float network in torch, by threads."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One contender. Ratios are medians over turns of turn-by-turn ratios to the float step."""

    name: str
    seconds: float | None
    """Median step; None: the contender is absent."""
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    """Quartiles of the turns' ratios."""
    peak_mib: float | None
    """Peak resident memory over the memory before the first step."""
    absent: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """Settings of every contender."""

    network: str
    batch: int
    threads: int
    amp: bool
    turns: int
    steps: int
    """Steps per turn, of which the fastest counts."""
    clock: str = "wall"
    """`wall`, or `cpu`: processor time of all threads, for a machine with other load."""


WORKER = "adqhw.studies.speed.train_worker"
"""Module of a contender's process."""


class Worker:
    """A contender in its own process."""

    def __init__(self, name: str, setting: Setting) -> None:
        command = [sys.executable, "-m", WORKER, name]
        self.name = name
        self.process = subprocess.Popen(
            [*command, json.dumps(asdict(setting))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answer(self) -> dict[str, Any]:
        """The next line of the process."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise InputError(f"Contender {self.name!r} must answer; its process ended")
        return json.loads(line)

    def turn(self) -> dict[str, Any]:
        """Run its steps; the time of the fastest and the peak memory."""
        assert self.process.stdin is not None
        self.process.stdin.write("turn\n")
        self.process.stdin.flush()
        return self.answer()

    def stop(self) -> None:
        """End the process and its pipes."""
        assert self.process.stdin is not None
        self.process.stdin.close()  # the worker ends at the end of its input
        with self.process:
            self.process.wait()


@contextmanager
def _workers(setting: Setting) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        workers = []
        for name in CONTENDERS:
            worker = Worker(name, setting)
            stack.callback(worker.stop)
            workers.append(worker)
        yield workers


def run(setting: Setting) -> list[Row]:
    """Measure all contenders in turns; the float step is the first row."""
    with _workers(setting) as workers:
        ready = {worker.name: worker.answer() for worker in workers}
        present = [worker for worker in workers if ready[worker.name].get("absent") is None]
        turns: dict[str, list[dict[str, Any]]] = {worker.name: [] for worker in present}
        for _ in range(setting.turns):
            for worker in present:
                turns[worker.name].append(worker.turn())
    return [_row(name, ready[name].get("absent"), turns) for name in CONTENDERS]


def _row(name: str, absent: str | None, turns: dict[str, list[dict[str, Any]]]) -> Row:
    if absent is not None:
        empty = dict.fromkeys(("seconds", "ratio", "ratio_low", "ratio_high", "peak_mib"))
        return Row(name=name, absent=absent, **empty)
    base = [turn["seconds"] for turn in turns["float"]]
    own = [turn["seconds"] for turn in turns[name]]
    ratios = sorted(mine / theirs for mine, theirs in zip(own, base, strict=True))
    return Row(
        name=name,
        seconds=statistics.median(own),
        ratio=statistics.median(ratios),
        ratio_low=ratios[len(ratios) // 4],
        ratio_high=ratios[-1 - len(ratios) // 4],
        peak_mib=max(turn["peak_mib"] for turn in turns[name]),
    )


def command(
    network: Annotated[str, typer.Option(help=f"One of {', '.join(NETWORKS)}.")] = "resnet20",
    batch: Annotated[int, typer.Option(min=1, help="Images per step.")] = 128,
    threads: Annotated[int, typer.Option(min=1, help="Torch threads of every contender.")] = 1,
    turns: Annotated[int, typer.Option(min=1, help="Turns of every contender.")] = 7,
    steps: Annotated[int, typer.Option(min=1, help="Steps per turn; the fastest counts.")] = 3,
    amp: Annotated[bool, typer.Option(help="bfloat16 convolutions, in all contenders.")] = False,
    clock: Annotated[
        str, typer.Option(help="wall, or cpu (processor time) on a machine that is not idle.")
    ] = "wall",
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Time and memory of a training step: float, ADQ, LSQ, and Brevitas (make setup-bench).

    Float is torch's own step; ADQ's convolutions are Winograd's, and torch's in "adq, direct".
    4-bit weights and activations; random pixels, on which no step depends. All contenders train
    the same float graph with SGD; processes alternate, ratios are of neighbouring turns.

    Example: adqhw bench train --threads 2 --amp
    """
    if network not in NETWORKS:
        raise InputError(f"Network must be one of {', '.join(NETWORKS)}, not {network!r}")
    if clock not in ("wall", "cpu"):
        raise InputError(f"Clock must be wall or cpu, not {clock!r}")
    setting = Setting(
        network=network,
        batch=batch,
        threads=threads,
        amp=amp,
        turns=turns,
        steps=steps,
        clock=clock,
    )
    rows, goal = run(setting), GOALS.get(threads, min(GOALS.values()))
    if as_json:
        emit({"setting": asdict(setting), "goal": goal, "rows": [asdict(row) for row in rows]})
        return
    show_table(
        f"{network}, batch {batch}, {threads} threads, {'bfloat16' if amp else 'float32'}, "
        f"{turns} turns of {steps} steps, {clock} time",
        ("contender", "ms a step", "x float", "quartiles", "peak MiB"),
        [(r.name, r.seconds and 1e3 * r.seconds, r.ratio, _quartiles(r), r.peak_mib) for r in rows],
    )
    for row in rows:
        if row.absent:
            say(f"absent: {row.name}: {row.absent}")
    ratios = {row.name: row.ratio for row in rows}
    verdict = "reached" if (ratios["adq"] or goal + 1) <= goal else "missed"
    people.print(f"goal: ADQ at most {goal} float steps: {verdict}")


def _quartiles(row: Row) -> str | None:
    return None if row.ratio is None else f"{row.ratio_low:.2f} to {row.ratio_high:.2f}"
