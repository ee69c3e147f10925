"""Start of an adaptive codebook: the quantile rules of ADQ, and those that it is compared with.

Every rule gives ``m`` magnitudes per sign and an exact zero, sorted: ``2^(b-1) - 1``, and with 2^b
levels one more for one sign. docs/papers.md section 7, rows 1-4; the paper names quantiles,
against random and uniform starts (section 1.1).
"""

from typing import NamedTuple, assert_never

import torch
from torch import Tensor

from ..recipes.quant_config import InitRule
from ..tensors import segment_sums
from .weight_quantizer import assign, boundaries

KMEANS_LIMIT = 300
"""Most Lloyd iterations of the k-means start; it ends when no value moves."""


class Start(NamedTuple):
    """A codebook's first values."""

    values: Tensor
    """Sorted."""
    zero: int
    """Position of the exact zero."""


def start(
    weight: Tensor, width: int, *, full: bool, init: InitRule = "mid", seed: int = 0, lloyd: int = 0
) -> Start:
    """The first values after ``lloyd`` iterations; ``full``: 2^width of them, not one less.

    The sign with a value more is the one with which the weights have the smaller squared error;
    the negative one where both are equal, as in two's complement.
    """
    half = 2 ** (width - 1)
    starts = []
    for below in (half, half - 1) if full else (half - 1,):
        above = half if full and below < half else half - 1
        values = initial_values(weight, (below, above), init, seed)
        for _ in range(lloyd):
            values = bin_means(weight, values)
            values[below] = 0.0
        starts.append(Start(values=values, zero=below))
    return min(starts, key=lambda one: squared_error(weight, one.values))


def squared_error(weight: Tensor, values: Tensor) -> float:
    """Sum of the squares of what the weights lose on the nearest of the sorted ``values``."""
    flat = weight.detach().flatten()
    return float((flat - values[assign(flat, values)]).double().square().sum())


def initial_values(
    weight: Tensor, counts: tuple[int, int], init: InitRule = "mid", seed: int = 0
) -> Tensor:
    """Initial codebook of a weight tensor by the rule ``init``; ``counts`` below and above zero.

    mid: quantiles (i-0.5)/m of each sign's magnitudes; edge: i/(m+1); tail: density^(1/3) (near
    MSE-optimal); uniform: i/m of the largest magnitude; random: weights drawn at random (Forgy);
    kmeans: random, then Lloyd iterations until no value moves. A sign without weights takes the
    mirrored values of the other one; an all-zero tensor gets a uniform grid, so that every tensor
    has a usable codebook.
    """
    under, over = counts
    flat = weight.detach().flatten().double().cpu()  # sorting and histograms: CPUs are exact
    positive, negative = flat[flat > 0], -flat[flat < 0]
    if len(positive) == 0 and len(negative) == 0:
        above, below = (torch.arange(1, n + 1).double() / n for n in (over, under))
    else:
        generator = torch.Generator().manual_seed(seed)
        above = _magnitudes(positive if len(positive) else negative, over, init, generator)
        below = _magnitudes(negative if len(negative) else positive, under, init, generator)
    values = torch.cat([-below.flip(0), below.new_zeros(1), above]).to(weight.dtype)
    if init == "kmeans":
        values = _lloyd(flat.to(weight.dtype), values, under)
    return values.to(weight.device)


def _magnitudes(
    magnitudes: Tensor, count: int, init: InitRule, generator: torch.Generator
) -> Tensor:
    """``count`` ascending positive values by the rule."""
    order = torch.arange(1, count + 1, dtype=torch.float64)
    match init:
        case "uniform":
            return order / count * magnitudes.max()
        case "random" | "kmeans":
            return _drawn(magnitudes, count, generator)
        case "edge":
            return torch.quantile(magnitudes, order / (count + 1))
        case "mid":
            return torch.quantile(magnitudes, (order - 0.5) / count)
        case "tail":
            return _by_density(magnitudes, (order - 0.5) / count)
        case unknown:
            assert_never(unknown)


def _by_density(magnitudes: Tensor, shares: Tensor) -> Tensor:
    """Panter-Dite: the MSE-optimal point density is the cube root of the density, normalized."""
    top = float(magnitudes.max())
    density = torch.histc(magnitudes, bins=64, min=0.0, max=top) ** (1 / 3)
    mass = torch.cumsum(density, 0) / density.sum()
    position = torch.searchsorted(mass, shares)
    before = torch.where(position > 0, mass[(position - 1).clamp(min=0)], 0.0)
    within = (shares - before) / (mass[position] - before)
    return (position + within) * (top / 64)


def _drawn(magnitudes: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Distinct members drawn without replacement; too few of them are filled up evenly."""
    members = torch.unique(magnitudes)
    if len(members) < count:
        return torch.arange(1, count + 1).double() / count * members[-1]
    chosen = torch.randperm(len(members), generator=generator)[:count]
    return members[chosen].sort().values


def bin_sums(weight: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Number (float64) and sum of the weights nearest to each of the sorted ``values``."""
    index = assign(weight, values).flatten()
    flat = weight.detach().flatten().double()
    counts = segment_sums(index, torch.ones_like(flat), len(values))
    return counts, segment_sums(index, flat, len(values))


def bin_means(weight: Tensor, values: Tensor) -> Tensor:
    """Mean of the weights nearest to each value; the value itself where the bin is empty."""
    counts, sums = bin_sums(weight, values)
    return torch.where(counts > 0, sums / counts.clamp(min=1), values.double()).to(values.dtype)


def _lloyd(weight: Tensor, values: Tensor, zero: int) -> Tensor:
    for _ in range(KMEANS_LIMIT):
        moved = bin_means(weight, values)
        moved[zero] = 0.0
        if torch.equal(moved, values):
            break
        values = moved
    return values


def split_dead(weight: Tensor, values: Tensor, zero: int) -> Tensor:
    """Move every value that no weight is nearest to into the fullest bin of its sign.

    The fullest bin's value is replaced by the means of its weights below and above it. Zero stays
    zero. A bin of equal weights cannot be split: the dead value then stays where it is.
    """
    counts, _ = bin_sums(weight, values)
    flat = weight.detach().flatten()
    result = values.clone()
    for side in (slice(0, zero), slice(zero + 1, None)):
        own, share = result[side].clone(), counts[side]
        for dead in (share == 0).nonzero().flatten().tolist():
            full = int(share.argmax())
            parts = _halves(flat, values, own[full], zero + 1 + full if side.start else full)
            if parts is None:
                break
            own[dead], own[full] = parts
            share[full] = 0  # one split per bin and call
        result[side] = own.sort().values
    return result


def _halves(
    flat: Tensor, values: Tensor, value: Tensor, index: int
) -> tuple[Tensor, Tensor] | None:
    bounds = boundaries(values)
    low = bounds[index - 1] if index > 0 else -torch.inf
    high = bounds[index] if index < len(bounds) else torch.inf
    members = flat[(flat > low) & (flat <= high)]
    above = members > members.mean() if len(members) else members > 0
    if not above.any() or above.all():
        return None
    return members[~above].mean(), members[above].mean()
