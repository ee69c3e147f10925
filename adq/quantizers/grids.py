"""Fixed grids of weight values: POST, PoT, APoT, uniform; and their integer levels.

A grid is a sorted list of reals with an exact zero; a weight is ``alpha * grid[code]``. All grids
here fit b bits. Unlike the released POST code (docs/papers.md 2.2): its base is 2 with
the square root commented out (so it is PoT), and its 2^b + 1 levels do not fit b-bit indices.
Ours has base sqrt(2) and 2^b - 1 levels: the smallest magnitude is dropped.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ...spec.errors import InputError

GridRule = Literal["post", "pot", "apot", "uniform", "lsq"]
APOT_PARTS = {
    2: ((1,), 1),
    3: ((1, 2, 4), 4),
    4: ((1, 2, 3, 4, 6, 8, 10), 10),
    5: ((1, 2, 3, 4, 6, 8, 9, 12, 16, 18, 24, 32, 33, 36, 48), 48),
}
"""APoT's magnitudes as numerators over one denominator (docs/papers.md 5.2), by bits."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Grid:
    """Sorted values (float64, zero among them) and the integer that the value 1 becomes."""

    values: Tensor
    top: int
    shifted: Tensor | None = None
    """Levels of the shift form (contract section 2.4), where rounding alone would leave it."""

    @property
    def levels(self) -> Tensor:
        """Integer levels as float64: ``round(values * top)``, or those of the shift form."""
        return torch.round(self.values * self.top) if self.shifted is None else self.shifted


def post_magnitudes(width: int) -> Tensor:
    """Powers of sqrt(2), ascending: ``2^(-j/2)``, j = 2^(b-1)-2 .. 0 (docs/papers.md 2.2)."""
    return torch.exp2(-0.5 * _exponents(width))


def pot_magnitudes(width: int) -> Tensor:
    """Powers of two, ascending: ``2^-j``, j = 2^(b-1)-2 .. 0.

    >>> pot_magnitudes(3).tolist()
    [0.25, 0.5, 1.0]
    """
    return torch.exp2(-_exponents(width))


def _post_levels(width: int, top: int) -> Tensor:
    """Magnitudes of POST as integers: powers of two, and one rounded odd power times such.

    sqrt(2) is then one integer factor of a layer, applied once per output (contract section 2.4).
    """
    exponents = _exponents(width)
    odd = exponents % 2 == 1
    levels = torch.round(torch.exp2(-0.5 * exponents) * top)
    if odd.any():
        smallest = exponents[odd].max()
        factor = torch.round(torch.exp2(-0.5 * smallest) * top)
        levels = torch.where(odd, factor * torch.exp2((smallest - exponents) / 2), levels)
    return levels


def _exponents(width: int) -> Tensor:
    return torch.arange(2 ** (width - 1) - 2, -1, -1, dtype=torch.float64)


def make_grid(name: GridRule, width: int, level_width: int = 8) -> Grid:
    """The grid of a weight rule at ``width`` bits, with levels of ``level_width`` bits.

    ``post``, ``pot``: the top level is 2^(level_width-2), so that every power of two is an exact
    level (64, 32, ...); POST's odd powers of sqrt(2) are the smallest of them, rounded,
    times powers of two (11, 22, 44), so that one factor serves them all. ``apot``: the largest
    multiple of its denominator that fits, exact (120, 96, ..). ``uniform``: the integers
    -m..m, m = 2^(b-1)-1, over m, exact. ``lsq``: the integers -2^(b-1)..2^(b-1)-1, exact.
    """
    limit = 2 ** (level_width - 1) - 1
    if not 2 <= width <= 8:
        raise InputError(f"Weight width must be in 2..8, not {width}")
    top = 2 ** (level_width - 2)
    match name:
        case "lsq":
            half = 2 ** (width - 1)
            grid = Grid(values=torch.arange(-half, half, dtype=torch.float64), top=1)
        case "uniform":
            count = 2 ** (width - 1) - 1
            grid = Grid(values=torch.arange(-count, count + 1).double() / count, top=count)
        case "apot":
            if width not in APOT_PARTS:
                raise InputError(f"APoT weight width must be in 2..5, not {width}")
            parts, denominator = APOT_PARTS[width]
            values = _mirrored(torch.tensor(parts, dtype=torch.float64) / denominator)
            grid = Grid(values=values, top=limit // denominator * denominator)
        case "pot":
            grid = Grid(values=_mirrored(pot_magnitudes(width)), top=top)
        case "post":
            shifted = _mirrored(_post_levels(width, top))
            grid = Grid(values=_mirrored(post_magnitudes(width)), top=top, shifted=shifted)
        case _:
            raise InputError(f"Grid must be post, pot, apot, uniform or lsq, not {name!r}")
    _check_levels(grid, name, width, level_width)
    return grid


def _mirrored(magnitudes: Tensor) -> Tensor:
    return torch.cat([-magnitudes.flip(0), magnitudes.new_zeros(1), magnitudes])


def _check_levels(grid: Grid, name: str, width: int, level_width: int) -> None:
    low, high = -(2 ** (level_width - 1)), 2 ** (level_width - 1) - 1
    levels = grid.levels
    if levels.min() < low or levels.max() > high or not (levels.diff() > 0).all():
        raise InputError(
            f"quant.level_width must keep the levels of {name} at {width} bits apart, "
            f"not be {level_width}"
        )
