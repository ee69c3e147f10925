"""Sequential rounding of weights: the rest of a filter takes up the error of each weight.

GPTQ (Frantar et al., arXiv 2210.17323) on the grid of a codebook instead of a uniform one. With
the second moments H of the inputs, the error e_j of column j moves the columns after it by
``-e_j * U_j,: / U_jj``, where H^-1 = U^T U with U upper triangular. Columns are taken by falling
second moment, so that the last ones, whose errors nothing takes up, matter least. Before it, the
weights are fitted to the float sums on quantized inputs (ridge regression toward the weights),
which takes up the errors of earlier layers, of activations too.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .moments import Moments

BLOCK = 64
"""Columns between updates of all columns after them."""

Round = Callable[[Tensor], Tensor]
"""Nearest values of one weight of every filter (G, F)."""


class Solver:
    """Both steps for one layer, with one factorization.

    damping: share of the mean second moment that is added to every one, which makes H regular and
    pulls to the float weights.
    """

    def __init__(self, moments: Moments, damping: float) -> None:
        rising = moments.diagonal.argsort(dim=1)
        self.order, self.moments = rising.flip(1), moments
        mean = moments.diagonal.mean(1)
        added = torch.where(mean > 0, mean * damping, torch.ones_like(mean))
        rows = rising[:, :, None].expand_as(moments.inputs)
        matrix = moments.inputs.gather(1, rows).gather(2, rows.transpose(1, 2))
        matrix.diagonal(dim1=1, dim2=2).add_(added[:, None])
        self.lower = torch.linalg.cholesky(matrix)

    def fitted(self, weight: Tensor) -> Tensor:
        """The weights (G, F, n), float64, moved toward the float sums."""
        columns = self.order.flip(1)[:, :, None].expand_as(self.moments.errors)
        moved = torch.cholesky_solve(self.moments.errors.gather(1, columns), self.lower)
        return weight + torch.empty_like(moved).scatter_(1, columns, moved).transpose(1, 2)

    def rounded(self, weight: Tensor, nearest: Round) -> Tensor:
        """The weights (G, F, n), float64, on the grid of ``nearest``."""
        unit = torch.eye(weight.shape[2], dtype=weight.dtype).expand_as(self.lower)
        # reversing rows and columns turns the inverse of the lower factor into U
        upper = torch.linalg.solve_triangular(self.lower, unit, upper=False).flip(1, 2)
        places = self.order[:, None, :].expand_as(weight)
        left, done = weight.gather(2, places), torch.empty_like(weight)
        size = weight.shape[2]
        for first in range(0, size, BLOCK):
            last = min(first + BLOCK, size)
            block, errors = left[:, :, first:last], torch.empty_like(left[:, :, first:last])
            for j in range(last - first):
                column, row = block[:, :, j], upper[:, first + j, first:last]
                chosen = nearest(column)
                errors[:, :, j] = (column - chosen) / row[:, j, None]
                done[:, :, first + j] = chosen
                block[:, :, j + 1 :] -= errors[:, :, j, None] * row[:, None, j + 1 :]
            left[:, :, last:] -= errors @ upper[:, first:last, last:]
        return torch.empty_like(done).scatter_(2, places, done)
