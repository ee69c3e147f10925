"""`adqhw sweep`: programs x arrays x micro-architectures x technologies in one table."""

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..console import JSON_OPTION, emit, progress, say, show_table
from ..flows.arrays import MICRO_HELP
from ..flows.images import DATA_HELP, bundled, read_images
from ..flows.sweep_programs import Candidate, measure_all, missing_pieces, pieces_of
from ..rtl.arch.registry import BASELINE, DEFAULT
from ..spec.errors import InputError
from ..spec.program import Program
from ..spec.program_file import load
from .estimate import (
    BATCH_HELP,
    DEFAULT_IMAGES,
    DRAM_HELP,
    MEMORIES_HELP,
    RESIDENT_HELP,
    TECH_HELP,
    VOLTAGE_HELP,
    check_loads,
)
from .sizes import FILL_HELP, HOLD_HELP, OUT_LANES_HELP, listed, swept_arrays

if TYPE_CHECKING:
    from ..cost.estimate.estimate import Estimate
    from ..cost.sweep.designs import Workload
    from ..cost.sweep.store import Store
    from ..cost.sweep.sweeping import Swept
    from ..cost.sweep.workers import Workers

REPORT_HELP = "Pictures and report.html beside the tables (slow for thousands of designs)."
WORKERS_HELP = "Local processes that share the work; 1 computes in this process."
SCHEDULER_HELP = "Address of a running Dask scheduler, such as tcp://host:8786."

SWEPT_MICRO_HELP = f"{MICRO_HELP} Comma separated; {BASELINE}:4 has multipliers of 4 bits."
MICROS = f"{DEFAULT},{BASELINE}"


def command(
    programs: Annotated[list[Path], typer.Argument(help="Program files (.safetensors).")],
    rows_cols: Annotated[str, typer.Option(help="Arrays as ROWSxCOLS, comma separated.")] = "16x16",
    micro: Annotated[str, typer.Option(help=SWEPT_MICRO_HELP)] = MICROS,
    hold: Annotated[str, typer.Option(help=f"{HOLD_HELP} Comma separated.")] = "1",
    fill: Annotated[str, typer.Option(help=f"{FILL_HELP} Comma separated.")] = "1",
    out_lanes: Annotated[str, typer.Option(help=f"{OUT_LANES_HELP} Comma separated.")] = "1",
    tech: Annotated[str, typer.Option(help=f"{TECH_HELP} Comma separated.")] = "literature45",
    memories: Annotated[str | None, typer.Option(help=f"{MEMORIES_HELP} Comma separated.")] = None,
    dram: Annotated[str | None, typer.Option(help=f"{DRAM_HELP} Comma separated.")] = None,
    voltage: Annotated[float | None, typer.Option(help=VOLTAGE_HELP)] = None,
    data: Annotated[Path | None, typer.Option(help=DATA_HELP)] = None,
    limit: Annotated[
        int | None, typer.Option(help="Evaluate on the first N test images (all).")
    ] = None,
    batch: Annotated[int | None, typer.Option(help=BATCH_HELP)] = None,
    resident: Annotated[bool, typer.Option("--resident", help=RESIDENT_HELP)] = False,
    workers: Annotated[int, typer.Option(help=WORKERS_HELP)] = 1,
    scheduler: Annotated[str | None, typer.Option(help=SCHEDULER_HELP)] = None,
    report: Annotated[bool, typer.Option(help=REPORT_HELP)] = True,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the report.")] = Path(
        "runs/sweep"
    ),
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Compare bit allocations and arrays: tables (CSV, Parquet), pareto.png and report.html.

    Accuracy comes from running each integer program on the data; without data, from the program's
    own record. The table says which. Every point is kept in OUT/points as soon as it is computed:
    the same command again computes only what is missing.

    Example: adqhw sweep w4.safetensors w2.safetensors --rows-cols 8x8,16x16 -o runs/sweep
    Arrays that hold weights beside those that do not: --hold 1,16 --fill 8 --out-lanes 1,4
    """
    from ..cost.estimate.buildable import all_area_warnings
    from ..cost.events.traffic import Options
    from ..cost.report.page import write_report
    from ..cost.report.report import write_tables
    from ..cost.sweep.designs import Grid
    from ..cost.sweep.store import Store
    from ..cost.sweep.sweeping import plan_sweep, run_plan
    from ..cost.sweep.workers import ended_by_sigterm
    from ..cost.technology.choice import chosen

    start = time.perf_counter()
    check_loads(batch, resident=resident)
    grid = Grid(
        arrays=tuple(swept_arrays(rows_cols, hold, fill, out_lanes)),
        micros=tuple(listed(micro)),
        technologies=tuple(
            chosen(name, memories=table, dram=kind, voltage=voltage)
            for name, table, kind in itertools.product(
                listed(tech), _list_or_none(memories), _list_or_none(dram)
            )
        ),
        options=Options(weights_from_dram=not resident, batch=1 if batch is None else batch),
    )
    _refuse_topologies(programs)
    loaded = [load(path) for path in programs]
    if data is not None and all(map(bundled, loaded)):
        raise InputError("--data must be left out: the digits come with scikit-learn")
    candidates = [
        _candidate(name, program, data, limit)
        for name, program in zip(short_names(programs), loaded, strict=True)
    ]
    grid.check_arrays()
    store = Store(out / "points")
    with ended_by_sigterm(), _workers(workers, scheduler) as pool:
        workloads = _measure(candidates, store, pool)
        plan = plan_sweep(workloads, grid, store)
        if store.damaged:
            say(f"{len(store.damaged):,} stored results do not fit their digest: computed again")
        _reused("points", len(plan.points) - len(plan.missing), len(plan.points))
        with _progress("estimating", len(plan.missing)) as advance:
            swept = run_plan(plan, store, pool, advance)
        if not swept.designs:
            raise InputError(next(iter(swept.refused.values())))
        files = (write_report if report else write_tables)(out, swept.designs)
    warnings = all_area_warnings(_named(swept))
    record = {
        "rows": [design.row() for design in swept.designs],
        "refused": swept.refused,
        "warnings": warnings,
        "computed": swept.computed,
        "reused": swept.reused,
        "files": [str(path) for path in files],
        "seconds": time.perf_counter() - start,
    }
    if as_json:
        emit(record)
        return
    _show(swept)
    for text in warnings:
        say(f"warning: {text}")
    say(f"wrote {', '.join(str(path) for path in files)}")


def _refuse_topologies(paths: Sequence[Path]) -> None:
    """A topology has no accuracy: `adqhw estimate` costs it."""
    for path in paths:
        if path.suffix.lower() == ".csv":
            raise InputError(
                f"Sweep must be given programs (.safetensors), not the topology {str(path)!r}: "
                f"`adqhw estimate {path} --rows R --cols C --micro M` costs one on one array"
            )


def _candidate(name: str, program: Program, data: Path | None, limit: int | None) -> Candidate:
    if bundled(program):
        data = None  # the folder is for other programs of the same sweep
    images = None
    if data is not None or bundled(program):
        images = read_images(program, data=data, limit=limit)
    return Candidate(name=name, program=program, images=images, measured_images=DEFAULT_IMAGES)


def _measure(
    candidates: "Sequence[Candidate]", store: "Store", pool: "Workers"
) -> "list[Workload]":
    missing = missing_pieces(candidates, store)
    total = sum(len(piece.images) for candidate in candidates for piece in pieces_of(candidate))
    left = sum(len(piece.images) for _, piece in missing)
    _reused("images", total - left, total)
    with _progress("evaluating", left) as advance:
        return measure_all(candidates, missing, store, pool, advance)


def _progress(title: str, total: int) -> "AbstractContextManager[Callable[[int], None]]":
    """A bar with remaining time for the missing points; none where all are present."""
    return progress(title, total) if total else nullcontext(lambda count: None)


def _reused(what: str, count: int, total: int) -> None:
    if count:
        say(f"{count:,} of {total:,} {what} are there already")


@contextmanager
def _workers(count: int, scheduler: str | None) -> "Iterator[Workers]":
    """Where the tasks run: here, on local processes, or on the scheduler's workers."""
    from ..cost.sweep.workers import DaskWorkers, InProcess, LocalPool

    if scheduler is None:
        pool = LocalPool(count=count)
        yield pool if count > 1 else InProcess()
        return
    if count != 1:
        raise InputError("Workers must come from --workers or from --scheduler, not both")
    dask = DaskWorkers(scheduler)
    try:
        yield dask
    finally:
        dask.close()


def _list_or_none(text: str | None) -> list[str] | list[None]:
    return [None] if text is None else listed(text)


def short_names(paths: Sequence[Path]) -> list[str]:
    """Short names that differ: the file's, else with its folder, else the whole path."""
    for short in (lambda p: p.stem, lambda p: f"{p.parent.name}/{p.stem}", str):
        names = [short(path) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise InputError("Program must be named once, not twice on the same command line")


def _named(swept: "Swept") -> "list[tuple[str, Estimate]]":
    return [(f"{d.label}, {d.estimate.technology.name}", d.estimate) for d in swept.designs]


def _show(swept: "Swept") -> None:
    from ..cost.estimate.estimate import NOT_A_MEASUREMENT
    from ..cost.report.report import by_technology, energy_text, ratio_text
    from ..cost.sweep.arrays import lanes_label, micro_label

    designs = swept.designs
    say(NOT_A_MEASUREMENT)
    for name, group in by_technology(designs).items():
        counts = group[0].estimate.technology.counts
        columns = ("program", "bits", "top-1 %", "array", "to uniform", "cycles",
                   "events per image" if counts else "energy per image", "front")  # fmt: skip
        says = "every event counts 1" if counts else "expected (low–high)"
        rows = [
            (
                d.workload.name,
                f"{d.bits:.2f}" if math.isfinite(d.bits) else "-",
                "-" if d.workload.accuracy is None else f"{d.workload.accuracy:.2f}",
                f"{lanes_label(d.estimate.arch)} {micro_label(d.estimate.arch)}",
                ratio_text(d.to_uniform()),
                d.estimate.cycles,
                energy_text(d.estimate.energy.total, d.estimate.technology),
                "yes" if d.pareto else "",
            )
            for d in group
        ]
        show_table(f"technology {name}; {says}", columns, rows)
    for workload in {d.workload.name: d.workload for d in designs}.values():
        say(f"accuracy of {workload.name}: {workload.accuracy_source}")
    say(f"activity: {', '.join(sorted({d.estimate.statistics for d in designs}))}")
    for pair, reason in swept.refused.items():
        say(f"no design: {pair}: {reason}")
