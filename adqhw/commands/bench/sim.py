"""`adqhw bench sim`: the simulator beside other runtimes, as ratios in one run."""

from pathlib import Path
from typing import Annotated, Any

import typer

from ...console import JSON_OPTION, emit, people, say, show_table
from ...spec.errors import InputError

DEFAULT = ("resnet20-cifar", "resnet18")


def command(
    network: Annotated[
        list[str] | None,
        typer.Option(help="Network to run; may be repeated (default: ResNet-20 and ResNet-18)."),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of every engine.")] = None,
    rounds: Annotated[int, typer.Option(help="Turns per engine; the best one counts.")] = 5,
    batch: Annotated[
        int | None,
        typer.Option(help="Images per call (100 small ones, 8 of ImageNet's size); 1: latency."),
    ] = None,
    scaling: Annotated[
        Path | None,
        typer.Option(help="Also measure how time grows, and write the plot to this .png."),
    ] = None,
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Images per second of the exact simulator and of other runtimes, measured in turns.

    The networks have their true topologies and random weights; no kernel skips zeros, so speed
    does not depend on them. Tools that are not installed are listed as absent
    (pip install 'adqhw[bench]').

    Example: adqhw bench sim --network resnet18

    Example: adqhw bench sim --batch 1 --threads 1
    """
    _check(rounds, batch, scaling)
    from ...sim.cores import available_cores
    from ...studies.speed import sim as bench_sim

    count = threads or available_cores()
    rows: list[dict[str, Any]] = []
    for chosen in network or DEFAULT:
        rows += bench_sim.measure_network(
            chosen, threads=count, rounds=rounds, batch=batch, tick=_tick
        )
    if not network and batch is None:
        rows += bench_sim.measure_matmul(threads=count, rounds=rounds)
    record = {
        "cpu": bench_sim.cpu_name(),
        "threads": count,
        "batch": batch,
        "versions": bench_sim.versions(),
        "weights": "random",
        "rows": rows,
    }
    if scaling is not None:
        from ...studies.speed.scaling import measure_scaling, plot

        _tick("scaling")
        measured = measure_scaling(count, rounds)
        plot(measured, scaling)
        record["scaling"] = measured
    if as_json:
        emit(record)
    else:
        _print(record)


def _check(rounds: int, batch: int | None, scaling: Path | None) -> None:
    if batch is not None and batch < 1:
        raise InputError(f"Images per call must be at least 1, not {batch}")
    if rounds < 1:
        raise InputError(f"Rounds must be at least 1, not {rounds}")
    if scaling is not None and scaling.suffix != ".png":
        raise InputError(f"Plot must be a .png file, not {str(scaling)!r}")


def _tick(text: str) -> None:
    people.print(text, style="dim")


def _print(record: dict[str, Any]) -> None:
    columns = (
        "network", "engine", "images/s", "ms", "exact", "x best other", "GOP/s",
        "kernel peak", "share",
    )  # fmt: skip
    keys = (
        "network", "engine", "images_per_s", "milliseconds", "exact", "ratio_to_best_other", "gops",
        "peak_gops", "share_of_peak",
    )  # fmt: skip
    rows = [
        [row[key] if not row["absent"] or key in keys[:2] else None for key in keys]
        for row in record["rows"]
    ]
    show_table(f"{record['cpu']}, {record['threads']} threads, random weights", columns, rows)
    for row in record["rows"]:
        if row["absent"]:
            say(f"absent: {row['engine']} on {row['network']}: {row['absent']}")
    say(", ".join(f"{name} {version}" for name, version in record["versions"].items()))
