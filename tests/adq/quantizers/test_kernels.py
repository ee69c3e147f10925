"""Compiled CPU kernels against plain torch, where they could go wrong."""

import numpy as np
import pytest
import torch

from adqhw.adq.quantizers import kernels


@pytest.mark.parametrize("spacing", [1e-7, 1e-3, 1.0], ids=["crowded", "uneven", "even"])
@pytest.mark.parametrize("few", [0, kernels.FEW_BOUNDS], ids=["cells", "compare"])
def test_count_equals_bucketize_however_the_bounds_crowd(spacing, few, monkeypatch):
    monkeypatch.setattr(kernels, "FEW_BOUNDS", few)
    # many bounds in one cell, at one end of a range that a single far bound stretches
    bounds = torch.cat([torch.arange(30) * spacing + 0.1, torch.tensor([500.0])])
    near = bounds.repeat(3) + torch.tensor([-1e-7, 0.0, 1e-7]).repeat_interleave(31)
    far = torch.tensor([-1e30, 1e30, float("-inf"), float("inf"), 0.0, -0.0])
    x = torch.cat([near, far]).view(1, -1)
    codes, reached = kernels.count_reached(x.numpy(), bounds.numpy())
    expected = torch.bucketize(x, bounds, right=True)
    assert reached.tolist() == expected.tolist()
    assert codes.tolist() == (expected // 2).tolist()


@pytest.mark.parametrize("few", [0, kernels.FEW_BOUNDS], ids=["cells", "compare"])
@pytest.mark.parametrize("size", [1, 511, 513, 1030])
def test_not_a_number_is_heard_wherever_it_stands(few, size, monkeypatch):
    monkeypatch.setattr(kernels, "FEW_BOUNDS", few)
    x = np.zeros((3, size), np.float32)
    x[1, -1] = np.nan
    with pytest.raises(FloatingPointError):
        kernels.count_reached(x, np.array([0.0, 0.5, 1.0], np.float32))


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


@pytest.mark.parametrize("size", [1, 3, 4, 4095])
def test_count_above_equals_bucketize_at_ties(size):
    bounds = torch.tensor([-1.5, -1e-45, 0.0, 1e-45, 0.1, 0.1, 3.0])
    x = bounds.repeat(size // len(bounds) + 1)[:size]
    assert (
        kernels.count_above(x.numpy(), bounds.numpy()).tolist()
        == torch.bucketize(x, bounds).tolist()
    )


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 64])
def test_step_gradient_sums_every_element(size):
    x = np.linspace(-1, 12, size, dtype=np.float32)[None]
    grad_x, total = kernels.quantize_gradients(np.ones_like(x), x, np.float32(1.0), 0, 7)
    code = np.clip(np.floor(x + np.float32(0.5)), 0, 7)
    inside = (x >= 0) & (x <= 7)
    assert grad_x.tolist() == inside.astype(np.float32).tolist()
    assert total == pytest.approx(float((code - x * inside).sum()), abs=1e-5)
