"""Compiled CPU kernels against plain torch, where they could go wrong."""

import numpy as np
import pytest
import torch

from adqhw.adq import kernels


@pytest.mark.parametrize("spacing", [1e-7, 1e-3, 1.0], ids=["crowded", "uneven", "even"])
def test_count_equals_bucketize_however_the_bounds_crowd(spacing):
    # many bounds in one cell, at one end of a range that a single far bound stretches
    bounds = torch.cat([torch.arange(30) * spacing + 0.1, torch.tensor([500.0])])
    near = bounds.repeat(3) + torch.tensor([-1e-7, 0.0, 1e-7]).repeat_interleave(31)
    far = torch.tensor([-1e30, 1e30, float("-inf"), float("inf"), 0.0, -0.0])
    x = torch.cat([near, far]).view(1, -1)
    codes, reached = kernels.count_reached(x.numpy(), bounds.numpy())
    expected = torch.bucketize(x, bounds, right=True)
    assert reached.tolist() == expected.tolist()
    assert codes.tolist() == (expected // 2).tolist()


def test_equal_bounds_are_reached_together():
    bounds = np.full(3, 0.25, np.float32)
    _, reached = kernels.count_reached(np.array([[0.2, 0.25, 0.3]], np.float32), bounds)
    assert reached.tolist() == [[0, 3, 3]]


@pytest.mark.parametrize("rows", [0, 1, 2, 5, 7])
def test_rows_are_split_without_gap_or_overlap(rows, monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    touched = np.zeros(rows, int)

    def kernel(first, last, array):
        array[first:last] += 1

    kernels.split_rows(kernel, rows, touched)
    assert (touched == 1).all()


def test_a_failing_thread_is_heard(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)

    def kernel(first, last):
        if first:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        kernels.split_rows(kernel, 4)
