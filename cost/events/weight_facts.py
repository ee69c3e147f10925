"""Weight facts: what the cost model asks of a layer's weights, counted once per layer.

Every further array, micro-architecture and technology asks for the same few numbers of millions of
weights. A layer without weights (`AssumedLayer`) brings its facts along.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...spec.codebook import shift_factor
from ...spec.host.kept import kept
from ...spec.layers import MacLayer
from ...spec.requant import Requant


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightFacts:
    """Counts over the weights of one layer."""

    zero_fields: int
    """Weights whose stored field is 0: the code, or the level where levels are stored."""
    zero_levels: int
    """Weights whose level is 0."""
    level_ones: int
    """Bits that are 1 in all levels as two's complement."""
    factor: int
    """Odd factor of a codebook of shifts (`shift_factor`), 1 without one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AssumedLayer(MacLayer):
    """A layer of which only the sizes exist: its arrays are views of one element, its facts an
    assumption (`cost.topologies.assumed`)."""

    facts: WeightFacts

    def __post_init__(self) -> None:
        levels = np.broadcast_to(np.int64(0), np.shape(self.weights))
        object.__setattr__(self, "levels", levels)


def weight_facts(layer: MacLayer) -> WeightFacts:
    """The facts of `layer`."""
    if isinstance(layer, AssumedLayer):
        return layer.facts
    return _count(layer)


@lru_cache(maxsize=1024)
def signed_width(low: int, high: int) -> int:
    """Bits of the two's complement that holds low..high."""
    return max((-min(low, -1) - 1).bit_length(), max(high, 0).bit_length()) + 1


@kept
def requant_widths(output: Requant) -> tuple[int, int]:
    """Signed bits of the widest multiplier and of the widest bias of a layer."""
    pairs = [(int(a.min()), int(a.max())) for a in (output.multiplier, output.bias)]
    return signed_width(*pairs[0]), signed_width(*pairs[1])


@kept
def _count(layer: MacLayer) -> WeightFacts:
    levels = layer.levels
    # level by level, because a sum over bits of every weight would be many passes
    values, counts = np.unique(levels, return_counts=True)
    masked = values & ((1 << layer.level_width) - 1)
    ones = sum(int(v).bit_count() * int(n) for v, n in zip(masked, counts, strict=True))
    codebook = layer.codebook
    return WeightFacts(
        zero_fields=int(np.count_nonzero(layer.weights == 0)),
        zero_levels=int(np.count_nonzero(levels == 0)),
        level_ones=ones,
        factor=(shift_factor(codebook.levels) if codebook else None) or 1,
    )
