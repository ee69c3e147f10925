"""Codebook and scales of a layer by Lloyd's iterations on the error of its sums."""

from dataclasses import dataclass

import torch
from torch import Tensor

from ..quantizers.codebook_init import initial_values
from ..quantizers.weight_quantizer import boundaries

ITERATIONS = 30
ENOUGH = 1 << 17
"""Weights that a codebook is found from."""
CLIPS = torch.linspace(0.4, 1.0, 25).tolist()


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Table:
    """A weight is ``scale_c * values[k]``; values (K,) ascending, scale (Cout, 1)."""

    values: Tensor
    zero: int
    """Position of the value 0."""
    scale: Tensor
    error: float
    """Weighted squared error over the weighted square of the weights."""


def nearest(relative: Tensor, values: Tensor) -> Tensor:
    """The nearest of the values, ties toward the lower one, as the quantizers choose."""
    return values[torch.bucketize(relative, boundaries(values))]


def rounded(values: Tensor, top: int) -> Tensor:
    """Values whose largest magnitude is 1, on the integers that a program may hold."""
    return torch.round(values / values.abs().max() * top) / top


def table(
    weight: Tensor, importance: Tensor, width: int, top: int, *, per_channel: bool,
    full: bool = False,
) -> Table:  # fmt: skip
    """The best of Lloyd codebooks and even ones, for weights (Cout, n), float64.

    importance: of each weight's squared error, (Cout, n). top: the largest level. Values are found
    on a part of the weights where there are many, scales on all. full: 2^width values, one more
    below or above zero; else one less.
    """
    half = 2 ** (width - 1)
    found = []
    for sides in ((half, half - 1), (half - 1, half)) if full else ((half - 1, half - 1),):
        below, above = sides
        # no more values than integers: at 8 bits the outer one then stands for nothing
        even = torch.arange(-below, above + 1, dtype=torch.float64).clamp_(-top, top)
        tables = [rounded(even, top)]
        if max(sides) < top:
            tables.append(_lloyd(*_part(weight, importance), sides, top, per_channel=per_channel))
        found += [
            scaled(weight, importance, values, below, per_channel=per_channel) for values in tables
        ]
    return min(found, key=lambda candidate: candidate.error)


def _part(weight: Tensor, importance: Tensor) -> tuple[Tensor, Tensor]:
    """About `ENOUGH` of the weights, some of every filter."""
    columns = max(1, ENOUGH // len(weight))
    drawn = torch.randperm(weight.shape[1], generator=torch.Generator().manual_seed(0))[:columns]
    return weight[:, drawn], importance[:, drawn]


def _lloyd(
    weight: Tensor, importance: Tensor, sides: tuple[int, int], top: int, *, per_channel: bool
) -> Tensor:
    """Values (K,) on the levels, by Lloyd's iterations that move values and scales in turn.

    sides: values below and above zero.
    """
    size = weight.square().mean(1, keepdim=True).sqrt()
    if not per_channel:
        size = size.square().mean().sqrt().expand_as(size)
    scale = torch.where(size > 0, size, torch.ones_like(size))
    values = initial_values((weight / scale).float(), sides, "tail").double()
    for _ in range(ITERATIONS):
        relative = weight / scale
        index = torch.bucketize(relative, boundaries(values)).flatten()
        mass = (importance * scale.square()).flatten()
        counts = torch.zeros_like(values).index_add_(0, index, mass)
        sums = torch.zeros_like(values).index_add_(0, index, mass * relative.flatten())
        values = torch.where(counts > 0, sums / counts.clamp(min=1e-300), values)
        values[sides[0]] = 0.0
        values = values.sort().values
        if per_channel:
            scale = rescaled(weight, importance, scale, values)
    return rounded(values, top)


def scaled(
    weight: Tensor, importance: Tensor, values: Tensor, zero: int, *, per_channel: bool
) -> Table:
    """The values with the scale of least error: the best of `CLIPS`, then least squares."""
    some, mass = _part(weight, importance)
    largest = weight.abs().amax(1, keepdim=True)
    if not per_channel:
        largest = largest.max().expand_as(largest)
    largest = torch.where(largest > 0, largest, torch.ones_like(largest)) / values.abs().max()
    best, least = largest, torch.full_like(largest, torch.inf)
    for clip in CLIPS:
        scale = largest * clip
        gaps = (some - scale * nearest(some / scale, values)).square_() * mass
        loss = gaps.sum(1, keepdim=True)
        if not per_channel:
            loss = loss.sum().expand_as(loss)
        better = loss < least
        best, least = torch.where(better, scale, best), torch.where(better, loss, least)
    scale = best
    for _ in range(3):
        scale = rescaled(weight, importance, scale, values, per_channel=per_channel)
    lost = error(weight, importance, scale, values)
    return Table(values=values, zero=zero, scale=scale, error=lost)


def rescaled(
    weight: Tensor, importance: Tensor, scale: Tensor, values: Tensor, *, per_channel: bool = True
) -> Tensor:
    """The scale with the least error for the values that are now nearest."""
    chosen = nearest(weight / scale, values)
    above, below = importance * weight * chosen, importance * chosen.square()
    if per_channel:
        top, bottom = above.sum(1, keepdim=True), below.sum(1, keepdim=True)
    else:
        top, bottom = above.sum().expand_as(scale), below.sum().expand_as(scale)
    moved = top / bottom.clamp(min=1e-300)
    return torch.where((bottom > 0) & (moved > 0), moved, scale)


def error(weight: Tensor, importance: Tensor, scale: Tensor, values: Tensor) -> float:
    """Weighted squared error as a share of the weighted square."""
    gaps = weight - scale * nearest(weight / scale, values)
    whole = float((importance * weight.square()).sum())
    return float((importance * gaps.square()).sum()) / whole if whole > 0 else 0.0
