"""Random sizes of arrays that hold weights."""

import numpy as np


def held_size(rng: np.random.Generator, *, most: int = 16) -> dict[str, int]:
    """rows, cols, hold, fill, out_lanes of an Arch: at most `most` each, weights held."""
    rows, cols = (int(n) for n in rng.integers(1, most + 1, 2))
    hold = int(rng.integers(2, most + 1))
    fills = [n for n in range(1, hold + 1) if cols % n == 0]
    lanes = [n for n in range(1, most + 1) if rows % n == cols % n == 0]
    fill, out_lanes = int(rng.choice(fills)), int(rng.choice(lanes))
    return {"rows": rows, "cols": cols, "hold": hold, "fill": fill, "out_lanes": out_lanes}
