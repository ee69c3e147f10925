"""Plan: a program on an accelerator as descriptors, addresses of tensors and tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from ...spec.formats import Int64Array
from ...spec.program import Program
from ..layouts.descriptor import PassKind
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
    chained thresholds of the pass give.
    """

    layer: str
    kind: PassKind
    word: Word
    tile: Tile | None = None
    fields: Int64Array | None = field(default=None, repr=False)
    weight_width: int = 0
    fill: int = 1
    second: str | None = None

    @property
    def planes(self) -> int:
        """Weight planes of the pass."""
        if self.fields is None:
            return 0
        return int(np.prod(self.fields.shape[:3])) * self.fill * self.weight_width

    @property
    def result_walk(self) -> dict[str, int]:
        """Order of the codes that the pass gives: per block, pixel, channel of `group`; `channel`
        is the first of all."""
        walk = self.word["write"] if "write" in self.word else self.word["walk"]
        first = 0 if self.tile is None else self.tile.first
        return {"blocks": walk["blocks"], "group": walk["group"], "channel": first}


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """A program on an array: the passes in order, addresses of tensors and tables.

    program: the one that runs, `as_unsigned` of the one that was given; its tensors have `offsets`,
    its input is folded by `fold`. chains: by layer, the threshold layer that its passes compute.
    """

    program: Program
    offsets: Offsets
    placement: Placement
    tables: Tables
    passes: list[Pass]
    fold: Fold | None = None
    chains: Mapping[str, str] = field(default_factory=dict)
