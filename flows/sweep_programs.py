"""Programs of a sweep: accuracy and activity of each, in pieces that any worker can compute.

Accuracy is counted over pieces of the data set, activity over its first images; both are kept in
the sweep's store by the digests of program and images, so a killed sweep counts no image twice.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..spec.program import Program
from .engines import STEP, run_in_steps
from .images import Batch

if TYPE_CHECKING:
    from ..cost.sweep.designs import Workload
    from ..cost.sweep.store import Store
    from ..cost.sweep.workers import Task, Workers

IMAGES_PER_TASK = 4 * STEP["numba"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A program on the command line; `images` None when it runs on nothing."""

    name: str
    program: Program
    images: Batch | None
    measured_images: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Piece:
    """One measurement of a candidate: right answers among some images, or its activity."""

    kind: str
    images: Any
    labels: Any
    key: str


def pieces_of(candidate: Candidate) -> list[Piece]:
    """Activity first, then the data set from its first image to its last."""
    from ..cost.sweep.store import key_of

    if candidate.images is None:
        return []
    batch, digest = candidate.images, candidate.program.digest

    def piece(kind: str, start: int, stop: int) -> Piece:
        assert batch.labels is not None  # a data set always has labels
        images, labels = batch.images[start:stop], batch.labels[start:stop]
        seen = [hashlib.sha256(np.ascontiguousarray(a).data).hexdigest() for a in (images, labels)]
        key = key_of(kind, program=digest, images=seen)
        return Piece(kind=kind, images=images, labels=labels, key=key)

    starts = range(0, len(batch.images), IMAGES_PER_TASK)
    pieces = [piece("activity", 0, candidate.measured_images)]
    return pieces + [piece("accuracy", start, start + IMAGES_PER_TASK) for start in starts]


def measure_piece(shared: Any, own: Any) -> dict[str, Any]:
    """A task. shared: the program file's bytes; own: kind, images, labels."""
    from ..cost.estimate.estimate import measure
    from ..cost.estimate.records import activity_record
    from ..cost.sweep.sweeping import program_of

    (kind, images, labels), program = own, program_of(shared)
    if kind == "activity":
        return {"activity": activity_record(measure(program, images))}
    logits = run_in_steps("numba", program, images).logits
    right = int(np.count_nonzero(logits.argmax(axis=1) == labels))
    return {"right": right, "images": len(images)}


def missing_pieces(candidates: Sequence[Candidate], store: "Store") -> list[tuple[int, Piece]]:
    """(number of the candidate, piece) of everything that the store does not hold."""
    return [
        (number, piece)
        for number, candidate in enumerate(candidates)
        for piece in pieces_of(candidate)
        if store.get(piece.key) is None
    ]


def measure_all(
    candidates: Sequence[Candidate],
    missing: Sequence[tuple[int, Piece]],
    store: "Store",
    workers: "Workers",
    advance: Callable[[int], None],
) -> "list[Workload]":
    """Compute the missing pieces and put every candidate's together."""
    tasks = list(_tasks(candidates, missing))
    for position, record in workers.run(tasks):
        piece = missing[position][1]
        store.put(piece.key, record)
        advance(len(piece.images))
    return [_workload(candidate, store) for candidate in candidates]


def recorded_accuracy(program: Program) -> float | None:
    """Top-1 in percent that the program's provenance states for its integers, if any."""
    record = program.provenance.get("accuracy")
    value = record.get("integer") if isinstance(record, dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _tasks(
    candidates: Sequence[Candidate], missing: Sequence[tuple[int, Piece]]
) -> "Iterator[Task]":
    from ..cost.sweep.sweeping import program_bytes
    from ..cost.sweep.workers import Task

    shared = {n: program_bytes(candidates[n].program) for n in {n for n, _ in missing}}
    for number, piece in missing:
        own = (piece.kind, piece.images, piece.labels)
        yield Task(function=measure_piece, shared=shared[number], own=own)


def _workload(candidate: Candidate, store: "Store") -> "Workload":
    from ..cost.estimate.records import activity_of
    from ..cost.sweep.designs import Workload

    if candidate.images is None:
        accuracy = recorded_accuracy(candidate.program)
        return Workload(
            name=candidate.name,
            program=candidate.program,
            accuracy=accuracy,
            accuracy_source="unknown" if accuracy is None else "program's own record",
        )
    records = {piece: store.get(piece.key) or {} for piece in pieces_of(candidate)}
    counts = [record for piece, record in records.items() if piece.kind == "accuracy"]
    activity = next(r["activity"] for p, r in records.items() if p.kind == "activity")
    images = sum(record["images"] for record in counts)
    return Workload(
        name=candidate.name,
        program=candidate.program,
        activity=activity_of(activity),
        accuracy=100.0 * sum(record["right"] for record in counts) / images,
        accuracy_source=f"numba engine, {images} images of {candidate.images.source}",
        accuracy_images=images,
    )
