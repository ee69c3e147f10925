"""Array and output stage by characterized gates, not counted events, as cases of a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...cost.sweep.arrays import Lanes, multiplier_of
from ...cost.technology.technology import Technology
from ...gates.model.library import GateLibrary
from ...gates.model.parts import named_lanes
from ...spec.errors import InputError
from ...spec.formats import IntArray
from ..budgets.budgets import Candidate, Row, rows_of
from .assumptions import Case
from .ratio import Assumed, Rival, costs_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Gates:
    """Characterizations, and what their figures are summed with."""

    libraries: Mapping[str, GateLibrary]
    technologies: Sequence[Technology]
    """Of the memories; each library takes the one of its node."""
    images: IntArray
    """(N, C, H, W) codes whose operands are counted."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Pair:
    """Both designs by the gates of one library."""

    where: str
    """The library, where its sums are, and what stands in for lanes without gates."""
    learned: Row
    plain: Row


def gate_pairs(
    learned: Rival, plain: Rival, lanes: Lanes, gates: Gates
) -> tuple[list[Pair], list[str]]:
    """A pair per library and place of the sums, and what has none, with the reason."""
    pairs, missing = [], []
    for name in gates.libraries:
        try:
            ours, theirs = (_rows(one, lanes, gates, name) for one in (learned, plain))
        except InputError as error:
            missing.append(f"array by gates of {name}: {error}")
            continue
        for sums in [key for key in ours if key in theirs]:
            micro = theirs[sums].micro
            where = f"{name}, sums in {sums}" if sums else name
            if micro != named_lanes(*multiplier_of(plain.micro)):
                where += f", plain bits on {micro}"
            pairs.append(Pair(where=where, learned=ours[sums], plain=theirs[sums]))
    return pairs, missing


def gate_cases(pairs: Sequence[Pair], learned: Rival, plain: Rival, assumed: Assumed) -> list[Case]:
    """Array, output stage and memories as on the page of bit budgets; DRAM as in the estimates."""
    dram = [costs_of(one, assumed).energy.split["dram"].expected for one in (learned, plain)]
    return [
        Case(
            what=pair.where, ratio=(_total(pair.learned) + dram[0]) / (_total(pair.plain) + dram[1])
        )
        for pair in pairs
    ]


def _rows(rival: Rival, lanes: Lanes, gates: Gates, library: str) -> dict[str, Row]:
    """Of one design by where its sums are; on wider multipliers where its own have no gates."""
    only = {library: gates.libraries[library]}
    candidate = Candidate(name=rival.name, program=rival.program, top1=0.0)
    micro, width = multiplier_of(rival.micro)
    own = named_lanes(micro, width)
    for name in dict.fromkeys((own, micro)):
        rows = rows_of(
            candidate, only, gates.technologies, gates.images, only=(name,), **lanes._asdict()
        )
        if rows:
            return {row.sums: row for row in rows}
    raise InputError(f"Lanes must be characterized, {own} of this kind of array is not")


def _total(row: Row) -> float:
    return float((row.array_pj + row.shared_pj).expected)
