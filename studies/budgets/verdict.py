"""Verdict: learned codebooks against plain multipliers at equal accuracy, without and with wires.

A case is one library, one array, one plain program. Its plain side is the multipliers that need the
least energy for it; its learned side the program with look-up that needs the least of those that
are at most `EQUAL_POINTS` less accurate. Both sides are chosen anew for unplaced and placed gates,
and for a chip with and without its DRAM.

    on chip     array, output stage, on-chip memories
    with DRAM   also weights, image and logits, once per image

Bars as on the page of budgets: the arrays' are taken whole, what one table prices for both sides at
each corner.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...cost.technology.technology import BAND_KEYS, ZERO
from ...gates.model.fit import PLACED
from .budgets import LayerCost, Row
from .page import EQUAL_POINTS, multiplies

WINS, LOSES, OPEN = "wins", "loses", "open"
"""Of the learned side; open: bars overlap."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Side:
    """Of a comparison."""

    learned: Row
    plain: Row

    @property
    def factor(self) -> float:
        """Energy of the learned side over the plain one's, expected values."""
        return total_pj(self.learned) / total_pj(self.plain)

    @property
    def array_factor(self) -> float:
        """The same of the arrays alone."""
        return float(self.learned.array_pj.expected / self.plain.array_pj.expected)

    @property
    def verdict(self) -> str:
        ours, theirs = self.learned, self.plain
        if all(_corner(ours, "high", c) < _corner(theirs, "low", c) for c in BAND_KEYS):
            return WINS
        if all(_corner(ours, "low", c) > _corner(theirs, "high", c) for c in BAND_KEYS):
            return LOSES
        return OPEN

    @property
    def layers_won(self) -> tuple[int, int]:
        """Layers in which the learned side needs less, expected values, and how many there are."""
        theirs = {layer.name: _layer_pj(layer) for layer in self.plain.layers}
        both = [
            (_layer_pj(layer), theirs[layer.name])
            for layer in self.learned.layers
            if layer.name in theirs
        ]
        return sum(ours < other for ours, other in both), len(both)

    def to_dict(self) -> dict[str, Any]:
        won, of = self.layers_won
        return {
            "learned": self.learned.program,
            "learned_lanes": self.learned.micro,
            "plain_lanes": self.plain.micro,
            "learned_pj": total_pj(self.learned),
            "plain_pj": total_pj(self.plain),
            "factor": self.factor,
            "array_factor": self.array_factor,
            "verdict": self.verdict,
            "layers_won": won,
            "layers": of,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One row of the table; before: gates alone, after: placed ones."""

    library: str
    hold: int
    sums: str
    plain: Row
    before: Side
    after: Side
    before_dram: Side
    after_dram: Side

    @property
    def turned(self) -> bool:
        """Whether wires change a verdict."""
        pairs = (self.before, self.after), (self.before_dram, self.after_dram)
        return any(one.verdict != other.verdict for one, other in pairs)

    def to_dict(self) -> dict[str, Any]:
        sides = ("before", "after", "before_dram", "after_dram")
        return {
            "library": self.library,
            "hold": self.hold,
            "sums": self.sums,
            "plain": self.plain.program,
            **{name: getattr(self, name).to_dict() for name in sides},
        }


def total_pj(row: Row) -> float:
    """Of one image, expected value."""
    return float((row.array_pj + row.shared_pj).expected)


def cases(rows: Sequence[Row]) -> list[Case]:
    """Of every library that has both, unplaced and placed rows of the same arrays."""
    found = []
    kinds = dict.fromkeys((_base(r.library), r.hold, r.sums) for r in rows)
    for library, hold, sums in kinds:
        own = [r for r in rows if (_base(r.library), r.hold, r.sums) == (library, hold, sums)]
        bare = [r for r in own if not r.library.endswith(PLACED)]
        placed = [r for r in own if r.library.endswith(PLACED)]
        for name in dict.fromkeys(r.program for r in own if r.plain):
            sides = [
                _side(name, some, cost) for cost in (_as_is, _with_dram) for some in (bare, placed)
            ]
            before, after, before_dram, after_dram = sides
            if before and after and before_dram and after_dram:
                found.append(
                    Case(
                        library=library, hold=hold, sums=sums, plain=before.plain,
                        before=before, after=after,
                        before_dram=before_dram, after_dram=after_dram,
                    )
                )  # fmt: skip
    return found


def _base(library: str) -> str:
    return library.removesuffix(PLACED)


def _side(plain: str, rows: Sequence[Row], cost: Callable[[Row], Row]) -> Side | None:
    """The comparison with a plain program; None where a side has no row."""
    costed = [cost(row) for row in rows]
    theirs = [r for r in costed if r.program == plain and multiplies(r.micro)]
    if not theirs:
        return None
    least = min(row.top1 for row in theirs) - EQUAL_POINTS - 1e-9
    ours = [r for r in costed if not r.plain and not multiplies(r.micro) and r.top1 >= least]
    if not ours:
        return None
    return Side(learned=min(ours, key=total_pj), plain=min(theirs, key=total_pj))


def _as_is(row: Row) -> Row:
    """Without DRAM: nothing of it in the layers either."""
    return replace(row, layers=tuple(replace(one, dram_pj=ZERO) for one in row.layers))


def _with_dram(row: Row) -> Row:
    """DRAM is one more memory that one table prices for both sides."""
    return replace(row, memory_pj=row.memory_pj + row.dram_pj)


def _layer_pj(layer: LayerCost) -> float:
    """What of the energy belongs to the layer; the output stage is the network's."""
    return float((layer.array_pj + layer.memory_pj + layer.dram_pj).expected)


def _corner(row: Row, array: str, shared: str) -> float:
    return float(getattr(row.array_pj, array) + getattr(row.shared_pj, shared))
