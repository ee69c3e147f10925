"""Plan: a program on an accelerator as descriptors, addresses of tensors and tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...spec.formats import Int64Array
from ...spec.program import Program
from ..layouts.descriptor import PassKind
from ..layouts.jobs import Job
from ..layouts.words import Word
from ..timing.folding import Fold
from ..timing.tables import Tables
from ..timing.tiling import Tile
from .regions import Placement
from .unsigned import Offsets


@dataclass(frozen=True, kw_only=True, eq=False)
class Pass:
    """One descriptor and what it needs: `fields` (blocks, kernel, inputs, cols, rows) weights.

    fill: parts in which the word of all columns is stored. second: the layer whose codes the
    chained thresholds of the pass give. jobs: that run beside it. origins: of a tensor that is kept
    in external memory and of which the pass writes some lines, the word address that its first line
    would have. first_line: of the map, that the pass makes.
    """

    layer: str
    kind: PassKind
    word: Word
    tile: Tile | None = None
    fields: Int64Array | None = field(default=None, repr=False)
    weight_width: int = 0
    fill: int = 1
    second: str | None = None
    jobs: tuple[Job, ...] = ()
    first_line: int = 0
    origins: Mapping[str, int] = field(default_factory=dict)

    @property
    def planes(self) -> int:
        """Weight planes of the pass."""
        if self.fields is None:
            return 0
        return int(np.prod(self.fields.shape[:3])) * self.fill * self.weight_width

    @property
    def result_walk(self) -> dict[str, int]:
        """Order of the codes that the pass gives: per block, pixel of `lines` lines from `line` on,
        channel of `group`; `channel` is the first of all."""
        walk = self.word["write"] if "write" in self.word else self.word["walk"]
        first = 0 if self.tile is None else self.tile.first
        return {
            "blocks": walk["blocks"],
            "group": walk["group"],
            "channel": first,
            "line": self.first_line,
            "lines": walk["height"],
        }

    @property
    def idle(self) -> bool:
        """Nothing but jobs."""
        return bool(self.word.get("idle"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Outside:
    """What a plan keeps in external memory.

    contents: its first bytes before a run, all rows that jobs load; size: bytes, with the maps.
    streamed: load targets whose rows jobs load. maps: tensors that are there, and how many lines of
    them.
    """

    contents: bytes = field(repr=False)
    size: int
    streamed: frozenset[int]
    maps: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A program on an array: the passes in order, addresses of tensors and tables.

    program: the one that runs, `as_unsigned` of the one that was given; its tensors have `offsets`,
    its input is folded by `fold`. chains: by layer, the threshold layer that its passes compute.
    outside: of arrays with external memory.
    """

    program: Program
    offsets: Offsets
    placement: Placement
    tables: Tables
    passes: list[Pass]
    fold: Fold | None = None
    chains: Mapping[str, str] = field(default_factory=dict)
    outside: Outside | None = None
