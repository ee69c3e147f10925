"""Choices: what the controls of the page offer."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...rtl.arch.registry import BASELINE, names
from ...spec.errors import InputError
from ..sweep.arrays import Lanes, multiplier_of
from ..technology.dram_types import Dram
from ..technology.memory_table import MemoryTable
from ..technology.technology import Technology
from .altered import ACT_BITS, WEIGHT_BITS, Weights

MOST_CONFIGS = 400
"""Arrays times micro-architectures: every one adds a table to the page."""
MOST_WIDTHS = 5


def _every_micro() -> tuple[str, ...]:
    return (*names(), f"{BASELINE}:4")


@dataclass(frozen=True, kw_only=True, slots=True)
class Choices:
    """Bits, micro-architectures and arrays by which costs are tabulated."""

    technologies: tuple[Technology, ...]
    micros: tuple[str, ...] = field(default_factory=_every_micro)
    """Names; `uniform:4` has multipliers of 4 bits."""
    arrays: tuple[Lanes, ...] = tuple(
        Lanes(size, size, *way)
        for size in (8, 16, 32)
        for way in ((1, 1, 1), (16, 8, 1), (16, 8, 4))
    )
    drams: tuple[Dram, ...] = ()
    """Types that may stand in the place of a technology's own entry."""
    memories: tuple[MemoryTable, ...] = ()
    """Tables that may stand in the place of a technology's own entries, where the node is one."""
    weight_bits: tuple[int, ...] = (2, 3, 4)
    act_bits: tuple[int, ...] = (2, 3, 4)
    kinds: tuple[Weights, ...] = field(default=tuple(Weights))

    def __post_init__(self) -> None:
        if not self.technologies or not self.micros or not self.arrays:
            raise InputError("Explorer must have at least one array, micro and technology")
        tables = [table.name for table in self.technologies]
        twice = next((name for name in tables if tables.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"Technologies must have different names, not {twice!r} twice")
        for what, widths, (low, high) in (
            ("Weight bits", self.weight_bits, WEIGHT_BITS),
            ("Activation bits", self.act_bits, ACT_BITS),
        ):
            if not 1 <= len(widths) <= MOST_WIDTHS:
                raise InputError(f"{what} must be 1 to {MOST_WIDTHS} numbers, not {len(widths)}")
            wrong = next((width for width in widths if not low <= width <= high), None)
            if wrong is not None:
                raise InputError(f"{what} must be in {low}..{high}, not {wrong}")
        for lanes in self.arrays:
            lanes.check()
        for micro in self.micros:
            multiplier_of(micro)
        count = len(self.micros) * len(self.arrays)
        if count > MOST_CONFIGS:
            raise InputError(
                f"Explorer must have at most {MOST_CONFIGS} arrays times micro-architectures, "
                f"not {count}"
            )

    @property
    def configs(self) -> Iterator[tuple[str, Lanes]]:
        """Every micro-architecture on every array."""
        return itertools.product(self.micros, self.arrays)
