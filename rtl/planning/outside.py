"""Plans of arrays with external memory: what is there, and the jobs that move it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from ...spec.errors import InputError
from ...spec.program import Program
from ..accelerator.ports import Target
from ..arch.arch import Arch
from ..dma.slots import transfer_slots
from ..layouts.descriptor import PassKind
from ..layouts.jobs import Job, Slot, external_of, packed_rows
from ..networks.plans import Outside, Pass, Plan
from ..networks.regions import Placement, map_words
from .image import held_parameters, pass_planes
from .passes import held_plan
from .placement import place
from .spill import spill
from .streams import (
    Loads,
    Rows,
    parameter_fields,
    parameters_of,
    planes_of,
    streamed,
)
from .stripes import Move, Step, banks_read, banks_written, striped


def external_plan(arch: Arch, program: Program) -> Plan:
    """Passes of `program`, and jobs where its weights, parameters or maps are more than `arch`
    holds; what fits stays on chip and is loaded before the run."""
    outside: frozenset[str] = frozenset()

    def placing(program: Program, chained: Mapping[str, str], padded: str | None) -> Placement:
        nonlocal outside
        sized = partial(place, program, chained, arch.rows, padded)
        spilled = spill(program, chained, arch.rows, arch.storage.activation_words, sized)
        outside = spilled.outside
        return spilled.placement

    plan = held_plan(arch, program, placing=placing)
    planes = arch.storage.weight_rows * arch.plane_banks
    if sum(entry.planes for entry in plan.passes) > planes:
        plan = held_plan(arch, program, placing=placing, most_planes=planes // 2)
    return _Mover(arch, plan, outside).plan()


class _Mover:
    """Collects the contents of external memory and the jobs of every step."""

    def __init__(self, arch: Arch, plan: Plan, outside: frozenset[str]) -> None:
        self.arch, self.base, self.outside = arch, plan, outside
        self.external, self.slots = external_of(arch), transfer_slots(arch)
        self.contents = bytearray()
        self.known: dict[object, int] = {}
        self.parameters: dict[int, dict[int, int]] = {}

    def plan(self) -> Plan:
        """The plan with jobs."""
        arch, storage, tables = self.arch, self.arch.storage, self.base.tables
        steps = striped(self.base, self.outside, arch.rows, arch.hold)
        passes = [step.entry for step in steps]
        streams: list[Loads] = []
        targets = set()
        planes = storage.weight_rows * arch.plane_banks
        if sum(entry.planes for entry in self.base.passes) > planes:
            targets.add(Target.WEIGHTS)
            loads, bases = streamed(passes, planes_of, planes, "weight planes", self._weights)
            streams.append(loads)
            passes = [
                _with(entry, "feed", "planes", bases.get(i)) for i, entry in enumerate(passes)
            ]
        for target, needed, most, what in (
            (Target.REQUANTS, tables.requant_rows, storage.requant_rows, "requant rows"),
            (Target.THRESHOLDS, tables.threshold_rows, storage.threshold_rows, "threshold rows"),
        ):
            if needed > most:
                targets.add(target)
                loads, bases = streamed(
                    passes, parameters_of(arch, target), most, what, self._rows(target)
                )
                streams.append(loads)
                passes = [
                    _with(entry, "walk", _field(entry, target), bases.get(number))
                    for number, entry in enumerate(passes)
                ]
        maps, size = self._maps()
        lines = _line_jobs(steps, maps, self._line_job)
        passes = _joined(passes, [lines, *streams])
        return replace(
            self.base,
            passes=_numbered(passes),
            outside=Outside(
                contents=bytes(self.contents),
                size=size,
                streamed=frozenset(targets),
                maps={n: self.base.program.tensor_shape(n)[1] for n in sorted(self.outside)},
            ),
        )

    # -- rows of tables ----------------------------------------------------------------------------

    def _weights(self, entry: Pass, rows: Rows, base: int) -> Job:
        place = self.slots[Target.WEIGHTS]

        def packed() -> bytes:
            planes = pass_planes(self.arch, entry)
            wide = np.zeros((len(planes), place.bytes), np.uint8)
            wide[:, : planes.shape[1]] = planes
            return wide.tobytes()

        at = self._kept(rows.key, packed)
        return Job(target=Target.WEIGHTS, row=base, rows=rows.count, address=at)

    def _rows(self, target: int) -> Callable[[Pass, Rows, int], Job]:
        """Jobs for rows of a parameter memory."""
        if not self.parameters:
            for kind, row, bits in held_parameters(self.arch, self.base):
                self.parameters.setdefault(kind, {})[row] = bits

        def job(entry: Pass, rows: Rows, base: int) -> Job:
            first = entry.word["walk"][_field(entry, target)]
            found = [self.parameters[target][first + i] for i in range(rows.count)]
            key = target, rows.key
            at = self._kept(key, lambda: packed_rows(found, self.slots[target]))
            return Job(target=target, row=base, rows=rows.count, address=at)

        return job

    def _kept(self, key: object, packed: Callable[[], bytes]) -> int:
        """Address of contents, which are kept once."""
        if key not in self.known:
            self._align()
            self.known[key] = len(self.contents)
            self.contents += packed()
        return self.known[key]

    def _align(self) -> None:
        self.contents += bytes(-len(self.contents) % self.external.bus_bytes)

    # -- lines of maps -----------------------------------------------------------------------------

    def _maps(self) -> tuple[dict[str, int], int]:
        """Address of every map that is outside, and the end of the last one."""
        self._align()
        maps, at = {}, len(self.contents)
        for name in sorted(self.outside):
            maps[name] = at
            size = map_words(self.base.program, name, self.arch.rows) * self._word.bytes
            at += size + -size % self.external.bus_bytes
        return maps, at

    @property
    def _word(self) -> Slot:
        return self.slots[Target.ACTIVATIONS]

    def _line_job(self, move: Move, address: int) -> Job:
        words = move.high - move.low
        return Job(
            target=Target.ACTIVATIONS + move.bank,
            row=move.low,
            rows=words,
            address=address + move.line * (words // move.lines) * self._word.bytes,
            store=move.store,
        )


def _field(entry: Pass, target: int) -> str:
    """The descriptor's field with the first row of a parameter memory; "": it has none."""
    return next((base for base, _, mine in parameter_fields(entry) if mine == target), "")


def _with(entry: Pass, part: str, name: str, value: int | None) -> Pass:
    """The pass with another value of a field of its descriptor."""
    if value is None:
        return entry
    return replace(entry, word={**entry.word, part: {**entry.word[part], name: value}})


def _line_jobs(
    steps: list[Step], maps: Mapping[str, int], job: Callable[[Move, int], Job]
) -> Loads:
    """Jobs for the lines that steps need and give, beside other steps where ports and words are
    free."""
    loads = Loads()

    def put(where: dict[int, list[Job]], number: int, moves: list[Move]) -> None:
        if moves:
            where.setdefault(number, []).extend(job(move, maps[move.tensor]) for move in moves)

    for number, step in enumerate(steps):
        before = steps[number - 1] if number else None
        stores = [] if before is None else list(before.gives)
        alone = [move for move in step.needs if before is None or not _early(move, before)]
        late = [move for move in stores if _blocked(move, step, alone)]
        put(loads.before, number, late)
        put(loads.beside, number, [move for move in stores if move not in late])
        put(loads.before, number, alone)
        if before is not None:
            put(loads.beside, number - 1, [move for move in step.needs if move not in alone])
    return loads


def _early(move: Move, before: Step) -> bool:
    """A load beside the step before the one that needs it."""
    if banks_written(before.entry.word) >> move.bank & 1:
        return False
    if any(move.overlaps(other) for other in (*before.needs, *before.gives)):
        return False
    return not any(move.meets(other) for other in before.gives)


def _blocked(move: Move, step: Step, alone: list[Move]) -> bool:
    """A store cannot be beside the step after the one that made its lines."""
    if banks_read(step.entry.word) >> move.bank & 1:
        return True
    if any(move.overlaps(other) for other in (*step.gives, *alone)):
        return True
    return any(move.meets(other) for other in alone)


def _joined(passes: list[Pass], streams: list[Loads]) -> list[Pass]:
    """Passes with their jobs, and steps of jobs alone before those that must wait."""
    found: list[Pass] = []
    for number, entry in enumerate(passes):
        alone = [job for loads in streams for job in loads.before.get(number, [])]
        beside = [job for loads in streams for job in loads.beside.get(number, [])]
        if alone:
            word = {"kind": int(PassKind.INPUT), "layer": entry.word["layer"], "idle": 1}
            word |= {"stage": {}, "walk": {"write": {}, "second": {}}, "feed": {}, "fold": {}}
            found.append(Pass(layer=entry.layer, kind=PassKind.INPUT, word=word, jobs=tuple(alone)))
        found.append(replace(entry, jobs=tuple(beside)))
    return found


def _numbered(passes: list[Pass]) -> list[Pass]:
    """Descriptors that name their jobs, which are numbered in the order of the passes."""
    found, number = [], 0
    for entry in passes:
        word = {**entry.word, "first_job": number, "jobs": len(entry.jobs)}
        found.append(replace(entry, word=word))
        number += len(entry.jobs)
    return found


def check_jobs(arch: Arch, plan: Plan) -> None:
    """Refuse a plan with more jobs than the job memory has rows."""
    jobs, most = sum(len(entry.jobs) for entry in plan.passes), external_of(arch).jobs
    if jobs > most:
        raise InputError(f"Arch external jobs must be at least {jobs} for this program, not {most}")
