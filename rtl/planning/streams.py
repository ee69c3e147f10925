"""Streams: rows of weights and parameters that passes need, and where they lie on chip in turn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from ...spec.errors import InputError
from ..accelerator.ports import Target
from ..arch.arch import Arch
from ..layouts.jobs import Job
from ..networks.plans import Pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Rows of a load target that a pass reads; the same `key` means the same rows."""

    key: object
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Held:
    """Rows on chip: from row `base` on."""

    rows: Rows
    base: int

    def apart(self, base: int, count: int) -> bool:
        """Rows base .. base + count - 1 are others."""
        return base + count <= self.base or self.base + self.rows.count <= base


@dataclass(kw_only=True, slots=True)
class Loads:
    """Jobs by step: beside it, and alone before it."""

    beside: dict[int, list[Job]] = field(default_factory=dict)
    before: dict[int, list[Job]] = field(default_factory=dict)


def planes_of(entry: Pass) -> Rows | None:
    """Weight planes of a pass."""
    if entry.fields is None:
        return None
    return Rows(key=id(entry.fields), count=entry.planes)


def parameters_of(arch: Arch, target: int) -> Callable[[Pass], Rows | None]:
    """Rows of the requant or the threshold memory of a pass, as the descriptor has them."""

    def rows(entry: Pass) -> Rows | None:
        for base, shared, mine in parameter_fields(entry):
            if mine == target:
                channels = entry.word["walk"]["channels"]
                count = 1 if entry.word["stage"][shared] else -(-channels // arch.out_lanes)
                return Rows(key=(entry.word["walk"][base], count), count=count)
        return None

    return rows


def parameter_fields(entry: Pass) -> Iterator[tuple[str, str, int]]:
    """(field of the first row, flag of shared rows, load target) of a pass's parameters."""
    stage, walk = entry.word["stage"], entry.word["walk"]
    if "parameter_base" in walk:
        own = Target.REQUANTS if stage["requant"] else Target.THRESHOLDS
        yield "parameter_base", "shared", own
    if "second_base" in walk:
        yield "second_base", "second_shared", Target.THRESHOLDS


def streamed(
    passes: Sequence[Pass], rows_of: Callable[[Pass], Rows | None], most: int, what: str,
    job: Callable[[Pass, Rows, int], Job],
) -> tuple[Loads, dict[int, int]]:  # fmt: skip
    """Where every pass finds its rows, by its number, and the jobs that bring them there.

    Rows are loaded beside the last pass before that reads such rows, into another part of the
    memory; alone, where both do not fit. most: rows of the memory.
    """
    loads, bases = Loads(), {}
    held, before = None, None
    turn = 0
    for number, entry in enumerate(passes):
        rows = rows_of(entry)
        if rows is None:
            continue
        if held is None or rows.key != held.rows.key:
            base = _place(rows, held, most, turn)
            if base is None or number == 0:
                if rows.count > most:
                    raise InputError(
                        f"Arch storage must hold the {what} of a pass, {rows.count} "
                        f"rows for layer {entry.layer!r}, not {most}"
                    )
                base = base or 0
                loads.before.setdefault(number, []).append(job(entry, rows, base))
            else:
                loads.beside.setdefault(before or 0, []).append(job(entry, rows, base))
            held, turn = Held(rows=rows, base=base), turn + 1
        bases[number], before = held.base, number
    return loads, bases


def _place(rows: Rows, held: Held | None, most: int, turn: int) -> int | None:
    """A first row beside the rows in use; None: there is no room."""
    if held is None:
        return 0 if rows.count <= most else None
    halves = (0, most // 2) if turn % 2 == 0 else (most // 2, 0)
    for base in (*halves, held.base + held.rows.count):
        if base + rows.count <= most and held.apart(base, rows.count):
            return base
    return None
