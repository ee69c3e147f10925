"""Sweeping: the missing points of a grid, computed by any worker, stored at once.

A point is one workload on one array in one technology. Its record depends on nothing but its key's
inputs, so it is the same wherever and whenever it is computed; `Store` keeps it as soon as it is
there. A sweep that was killed computes on the next run what is missing and nothing else.
"""

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...rtl.arch.registry import BASELINE
from ...spec.errors import InputError
from ...spec.host.digests import json_digest
from ...spec.host.version import VERSION
from ...spec.program import Program
from ...spec.program_file import load, save
from ..estimate.estimate import estimate
from ..estimate.records import Record, activity_of, activity_record, estimate_of, estimate_record
from ..events.traffic import Options
from ..technology.technology import Technology
from .arrays import Lanes, arch_of
from .designs import Design, Grid, Workload, mark_pareto
from .store import Store, key_of
from .workers import InProcess, Task, Workers

if TYPE_CHECKING:
    from ...sim.activity import LayerActivity

MOST_PER_TASK = 64
"""Points of one task: few enough that a kill loses little."""


class Point(NamedTuple):
    """Position of one record in the grid, and its name in the store."""

    workload: int
    lanes: Lanes
    technology: int
    micro: str
    key: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A grid over workloads, before anything is computed."""

    workloads: Sequence[Workload]
    grid: Grid
    points: tuple[Point, ...]
    missing: tuple[Point, ...]
    """Those that the store does not hold."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Swept:
    """Designs in the order of workloads, arrays, technologies, micros."""

    designs: list[Design]
    refused: dict[str, str]
    """Program and micro-architecture that do not go together, and why."""
    computed: int
    reused: int


def plan_sweep(workloads: Sequence[Workload], grid: Grid, store: Store) -> Plan:
    """Every point of the grid and of its uniform baselines, and which of them are missing."""
    grid.check_arrays()
    micros = tuple(dict.fromkeys((*grid.micros, BASELINE)))
    tables = [json_digest(dataclasses.asdict(table)) for table in grid.technologies]
    points = []
    for number, workload in enumerate(workloads):
        depends = {
            "program": workload.digest,
            "activity": json_digest(activity_record(workload.activity)),
            "options": dataclasses.asdict(grid.options),
        }
        for lanes, table, micro in itertools.product(grid.lanes, range(len(tables)), micros):
            name = {"array": lanes.key, "technology": tables[table], "micro": micro}
            points.append(Point(number, lanes, table, micro, key_of("estimate", **depends, **name)))
    missing = tuple(p for p in points if store.get(p.key) is None)
    return Plan(workloads=workloads, grid=grid, points=tuple(points), missing=missing)


def run_plan(
    plan: Plan,
    store: Store,
    workers: Workers | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Swept:
    """Compute missing points, `advance(points)` with each piece, and collect the designs."""
    workers = workers or InProcess()
    chunks = list(_chunks(plan, workers.count))
    shared = {n: _shared(plan.workloads[n]) for n in {chunk[0].workload for chunk in chunks}}
    tasks = [
        Task(function=cost, shared=shared[chunk[0].workload], own=_own(plan.grid, chunk))
        for chunk in chunks
    ]
    for number, records in workers.run(tasks):
        for point, record in zip(chunks[number], records, strict=True):
            store.put(point.key, record)
        advance(len(chunks[number]))
    return _gather(plan, store)


def sweep(
    workloads: Sequence[Workload], grid: Grid, advance: Callable[[int], None] = lambda count: None
) -> list[Design]:
    """Every design of the grid in this process; nothing is kept, and a refusal is raised."""
    store = Store()
    swept = run_plan(plan_sweep(workloads, grid, store), store, advance=advance)
    for reason in swept.refused.values():
        raise InputError(reason)
    return swept.designs


def cost(shared: Any, own: Any) -> list[Record]:
    """A task: the records of some points of one program."""
    version, content, activity = shared
    if version != VERSION:
        raise InputError(f"Worker must have adqhw {version}, not {VERSION}")
    program, measured = program_of(content), activity_of(activity)
    options, tables, points = own
    return [
        _cost(program, measured, options, tables[table], Lanes(*lanes), micro)
        for lanes, table, micro in points
    ]


def program_bytes(program: Program) -> bytes:
    """The program file's content, to travel to a worker."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.safetensors"
        save(program, path)
        return path.read_bytes()


@lru_cache(maxsize=2)  # chunks of one program follow each other
def program_of(content: bytes) -> Program:
    """The program of `program_bytes`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "program.safetensors"
        path.write_bytes(content)
        return load(path)


def _cost(
    program: Program,
    measured: "Mapping[str, LayerActivity] | None",
    options: Options,
    table: Technology,
    lanes: Lanes,
    micro: str,
) -> Record:
    try:
        arch = arch_of(program, lanes, micro)
    except InputError as error:  # such as a codebook that has no shifts
        return {"refused": str(error)}
    return estimate_record(estimate(program, arch, table, activity=measured, options=options))


def _shared(workload: Workload) -> tuple[str, bytes, Record | None]:
    return VERSION, program_bytes(workload.program), activity_record(workload.activity)


def _own(grid: Grid, chunk: Sequence[Point]) -> tuple[Options, dict[int, Technology], list[Any]]:
    tables = {p.technology: grid.technologies[p.technology] for p in chunk}
    return grid.options, tables, [(tuple(p.lanes), p.technology, p.micro) for p in chunk]


def _chunks(plan: Plan, workers: int) -> Iterator[list[Point]]:
    """Points of one workload each; enough chunks that no worker waits long for another."""
    size = max(1, min(MOST_PER_TASK, len(plan.missing) // (16 * workers)))
    for _, points in itertools.groupby(plan.missing, key=lambda p: p.workload):
        left = list(points)
        yield from (left[start : start + size] for start in range(0, len(left), size))


def _gather(plan: Plan, store: Store) -> Swept:
    """Designs from the store's records, each beside its uniform baseline."""
    groups = itertools.groupby(plan.points, key=lambda p: (p.workload, p.lanes, p.technology))
    designs, refused = [], {}
    for (number, lanes, table), members in groups:
        workload, technology = plan.workloads[number], plan.grid.technologies[table]
        records = {p.micro: _stored(store, p.key) for p in members}
        costs = {}
        for micro, record in records.items():
            if "refused" in record:
                refused[_pair(workload.name, micro, lanes)] = record["refused"]
            else:
                costs[micro] = estimate_of(record, technology)
        designs += [
            Design(workload=workload, estimate=costs[m], baseline=costs[BASELINE])
            for m in plan.grid.micros
            if m in costs and BASELINE in costs
        ]
    computed = len(plan.missing)
    return Swept(
        designs=mark_pareto(designs),
        refused=refused,
        computed=computed,
        reused=len(plan.points) - computed,
    )


def _pair(program: str, micro: str, lanes: Lanes) -> str:
    """Name of a refusal: no size refuses a program, but holding weights can."""
    return f"{program} on {micro}" + (f" with hold {lanes.hold}" if lanes.hold > 1 else "")


def _stored(store: Store, key: str) -> Record:
    record = store.get(key)
    assert record is not None  # every missing point was computed
    return record
