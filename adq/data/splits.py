"""Seeded splits by class, for data that has no test or validation part of its own."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from .dataset import Split

SHARES: dict["Split", float] = {"test": 0.2, "validation": 0.1}
"""Shares of every class; the rest is training."""


def stratified(
    labels: NDArray[np.int64], seed: int, classes: int, shares: Mapping["Split", float] = SHARES
) -> dict["Split", NDArray[np.int64]]:
    """Image numbers of each split: shuffled within a class, cut by share, then mixed."""
    generator = np.random.default_rng(seed)
    parts: dict[Split, list[NDArray[np.int64]]] = {split: [] for split in (*shares, "train")}
    for label in range(classes):
        members = generator.permutation(np.flatnonzero(labels == label))
        start = 0
        for split, share in shares.items():
            stop = start + round(share * len(members))
            parts[split].append(members[start:stop])
            start = stop
        parts["train"].append(members[start:])
    return {split: generator.permutation(np.concatenate(part)) for split, part in parts.items()}
