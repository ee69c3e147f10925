"""Programs by name that every engine, and every exported file, must compute as golden does."""

import numpy as np
import programs


def grouped():
    builder = programs.Builder(np.random.default_rng(3), (4, 6, 5))
    builder.mac(6, groups=2, padding=1)
    builder.mac(6, groups=6, padding=1, stride=2, stage="requant")
    return builder.build()


def wide():
    """Sums near 32 bits: 16-bit levels, 255-codes, depth 200; thresholds at the extremes."""
    builder = programs.Builder(np.random.default_rng(4), (200, 2, 2))
    builder.mac(3, kernel=1, level_width=16, weight_width=8)
    builder.mac(3, kernel=2, stage="requant", out="s32", level_width=16)
    return builder.build()


CASES = {
    "every_kind_0": lambda: programs.every_kind(0),
    "every_kind_1": lambda: programs.every_kind(1),
    "every_kind_2": lambda: programs.every_kind(2),
    "second_version_0": lambda: programs.second_version(0),
    "second_version_1": lambda: programs.second_version(1),
    "grouped": grouped,
    "wide": wide,
}
