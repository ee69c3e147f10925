"""Fitting and sequential rounding against their definitions."""

import pytest
import torch

from adqhw.adq.calibration.moments import Moments
from adqhw.adq.calibration.rounding import BLOCK, Solver


def problem(groups: int, filters: int, size: int, seed: int = 0):
    """Correlated inputs (G, S, n), weights (G, F, n) and what their sums lack (G, S, F)."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    inputs = draw(groups, 400, size) @ draw(groups, size, size) + 0.5 * draw(groups, 400, size)
    return inputs, draw(groups, filters, size), draw(groups, 400, filters)


def moments(inputs: torch.Tensor, lack: torch.Tensor) -> Moments:
    turned = inputs.transpose(1, 2)
    count = inputs.shape[1]
    return Moments(inputs=turned @ inputs / count, errors=turned @ lack / count)


def quarter(column: torch.Tensor) -> torch.Tensor:
    return torch.round(column * 2) / 2


@pytest.mark.parametrize("groups", [1, 3])
def test_fitted_weights_are_ridge_regression(groups):
    inputs, weight, lack = problem(groups, 4, 7)
    found = Solver(moments(inputs, lack), 0.1).fitted(weight)
    for g in range(groups):
        x = inputs[g]
        added = 0.1 * x.square().mean(0).mean() * len(x)
        # rows that ask the change to be zero
        ridge = torch.cat([x, added.sqrt() * torch.eye(7, dtype=torch.float64)])
        wanted = torch.cat([lack[g], torch.zeros(7, 4, dtype=torch.float64)])
        change = torch.linalg.lstsq(ridge, wanted).solution
        torch.testing.assert_close(found[g], weight[g] + change.T)


def test_independent_inputs_are_rounded_to_the_nearest():
    _, weight, lack = problem(1, 5, 9)
    inputs = torch.eye(9, dtype=torch.float64)[None] * torch.arange(1.0, 10.0)
    found = Solver(moments(inputs, lack[:, :9]), 0.01).rounded(weight, quarter)
    torch.testing.assert_close(found, quarter(weight))


def slow_rounded(weight: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
    """By the definition: fix a weight, then let all free ones minimize the error of the sums."""
    done, free = weight.clone(), matrix.diagonal().argsort(descending=True).tolist()
    while free:
        j, *free = free
        wanted = quarter(done[:, j])
        change = wanted - done[:, j]
        done[:, j] = wanted
        if free:
            block = matrix[free][:, free]
            done[:, free] -= torch.linalg.solve(block, matrix[free, j])[None] * change[:, None]
    return done


@pytest.mark.parametrize("size", [9, BLOCK + 5])
def test_each_error_is_taken_up_by_the_weights_after_it(size):
    inputs, weight, lack = problem(2, 3, size, seed=4)
    of = moments(inputs, lack)
    found = Solver(of, 0.1).rounded(weight, quarter)
    for g in range(2):
        matrix = of.inputs[g] + 0.1 * of.diagonal[g].mean() * torch.eye(size, dtype=torch.float64)
        torch.testing.assert_close(found[g], slow_rounded(weight[g], matrix))


def test_sums_are_nearer_than_by_rounding_to_the_nearest():
    inputs, weight, lack = problem(1, 8, 30, seed=2)
    found = Solver(moments(inputs, lack), 0.01).rounded(weight, quarter)
    ours, plain = (
        (inputs @ (rounded - weight).transpose(1, 2)).square().mean()
        for rounded in (found, quarter(weight))
    )
    assert ours < 0.5 * plain


def test_inputs_that_are_always_zero_are_harmless():
    zero = Moments(
        inputs=torch.zeros(1, 4, 4, dtype=torch.float64),
        errors=torch.zeros(1, 4, 2, dtype=torch.float64),
    )
    weight = torch.tensor([[[0.3, 0.6, -0.2, 1.0], [0.0, 1.0, 2.0, 3.0]]], dtype=torch.float64)
    solver = Solver(zero, 0.1)
    assert torch.equal(solver.fitted(weight), weight)
    torch.testing.assert_close(solver.rounded(weight, quarter), quarter(weight))
