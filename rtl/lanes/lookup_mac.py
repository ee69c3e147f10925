"""`LookupMac`: a sum of one column on one layer, its hardware, its time and its answer."""

from dataclasses import dataclass

import numpy as np

from ...spec.formats import Int64Array, twos_complement
from ..arch.arch import Arch
from ..timing.schedule import Schedule
from .column import Column


@dataclass(frozen=True, kw_only=True, slots=True)
class LookupMac:
    """A sum of one column on one layer: what `create` builds, `compute` calculates.

    act_width: bits of the layer's activation codes. codebook: its levels, or None when the weight
    fields are levels of `level_width` bits.
    """

    arch: Arch
    act_width: int
    codebook: tuple[int, ...] | None = None
    level_width: int = 8

    @property
    def schedule(self) -> Schedule:
        """Cycles of a beat and of the end of a sum."""
        width = self.level_width if self.codebook is None else None
        count = 0 if self.codebook is None else len(self.codebook)
        return self.arch.lanes.schedule(
            self.arch, act_width=self.act_width, level_width=width, levels=count
        )

    def create(self) -> Column:
        """The hardware of one column."""
        return self.arch.lanes.column(self.arch)

    def compute(self, activations: Int64Array, fields: Int64Array) -> int:
        """The column's result for the beats (depth, rows) of one sum, modulo 2^acc_width.

        In the order of the micro-architecture: a step here adds the terms of a cycle of the
        hardware.
        """
        acc = self.arch.lanes.compute(self, activations, fields)
        return int(twos_complement(acc, self.arch.acc_width))

    def levels(self, fields: Int64Array) -> Int64Array:
        """Levels of the fields."""
        if self.codebook is not None and not self.arch.lanes.stores_levels:
            return np.array(self.codebook, np.int64)[fields]
        width = self.level_width if self.codebook is None else self.arch.level_width
        return twos_complement(fields, width)
