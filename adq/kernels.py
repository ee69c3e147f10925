"""CPU kernels of the quantizers: one pass over a map where torch would need ten.

Numba without its thread pool: two pools on one machine (torch has its own) would spin against each
other. A kernel works on whole rows and releases the interpreter lock; `split_rows` gives the rows
to as many Python threads as torch uses. Rows do not share anything, so results do not depend on the
number of threads. Twins in plain torch: `activation.py`, `stream.py`, used on other devices.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numba
import numpy as np
import torch

CELLS = 2048


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=threads, thread_name_prefix="adq-kernel")


def split_rows(kernel: Callable[..., None], rows: int, *arrays: object) -> None:
    """Call ``kernel(first, last, *arrays)`` over a partition of 0..rows, one part per thread."""
    threads = max(1, min(torch.get_num_threads(), rows))
    cuts = [rows * i // threads for i in range(threads + 1)]
    parts = list(pairwise(cuts))
    futures = [_pool(threads).submit(kernel, a, b, *arrays) for a, b in parts[1:]]
    if parts:
        kernel(*parts[0], *arrays)
    for future in futures:
        future.result()


@numba.njit(cache=True, nogil=True, inline="always")
def _cell(value, low, inverse):
    """Cell of ``value`` on the uniform grid, monotone in it; without branches to mispredict."""
    position = min(max((value - low) * inverse, np.float32(0.0)), np.float32(CELLS - 1))
    return np.int32(position)


@numba.njit(cache=True, nogil=True)
def _count_kernel(first, last, x, bounds, below, grid, codes, reached, faults):
    """Bounds reached by each element of rows first..last of ``x`` (R, M).

    ``bounds`` ends with a NaN: a fence that not even infinity reaches.
    """
    low, inverse = grid[0], grid[1]
    size = x.shape[1]
    cells = np.empty(size, np.int32)
    for row in range(first, last):
        fault = 0
        for i in range(size):
            value = x[row, i]
            is_nan = value != value
            fault += is_nan
            cells[i] = _cell(low if is_nan else value, low, inverse)
        faults[row] = fault
        for i in range(size):
            value = x[row, i]
            n = below[cells[i]]
            while value >= bounds[n]:
                n += 1
            reached[row, i] = n
            codes[row, i] = np.float32(n >> 1)


@numba.njit(cache=True, nogil=True)
def _cells_below(bounds, grid, below):
    """``below[c]``: number of bounds in cells before c (bounds ascending)."""
    n = 0
    for c in range(CELLS):
        while n < len(bounds) and _cell(bounds[n], grid[0], grid[1]) < c:
            n += 1
        below[c] = n


@numba.njit(cache=True, nogil=True)
def _ramp_kernel(first, last, grad, x, reached, slope, grad_x, sums):
    """Gradient of the ramp to x, and per row the sums of G and G*x by corner (R, 2, K)."""
    size = x.shape[1]
    for row in range(first, last):
        for i in range(size):
            k = reached[row, i]
            g = grad[row, i]
            grad_x[row, i] = g * slope[k]
            sums[row, 0, k] += g
            sums[row, 1, k] += np.float64(g) * x[row, i]


@numba.njit(cache=True, nogil=True)
def _quantize_kernel(first, last, x, step, low, high, out):
    """``step * clamp(floor(x / step + 0.5), low, high)`` of rows first..last."""
    half = np.float32(0.5)
    for row in range(first, last):
        for i in range(x.shape[1]):
            code = np.floor(x[row, i] / step + half)
            if code < low:
                code = low
            if code > high:
                code = high
            out[row, i] = code * step


@numba.njit(cache=True, nogil=True)
def _quantize_grad_kernel(first, last, grad, x, step, low, high, grad_x, sums):
    """LSQ gradients: to x, and per row the sum for the step."""
    half, one, zero = np.float32(0.5), np.float32(1.0), np.float32(0.0)
    for row in range(first, last):
        total = 0.0
        for i in range(x.shape[1]):
            ratio = x[row, i] / step
            inside = one if (ratio >= low) & (ratio <= high) else zero
            code = min(max(np.floor(ratio + half), low), high)
            g = grad[row, i]
            grad_x[row, i] = g * inside
            total += g * (code - ratio * inside)
        sums[row] = total


def count_reached(x: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes (float32) and bounds reached (uint8), both (R, M), of ``x`` (R, M) float32.

    Exact: the cell of a value is monotone in it, so bounds in earlier cells are reached, bounds in
    later cells are not, and those in the same cell are compared.
    """
    low, high = bounds[0], bounds[-1]
    inverse = np.float32(CELLS) / (high - low) if high > low else np.float32(0)
    grid = np.array([low, inverse], np.float32)
    below = np.empty(CELLS, np.uint8)
    _cells_below(bounds, grid, below)
    fenced = np.append(bounds, np.float32(np.nan))
    codes, reached = np.empty_like(x), np.empty(x.shape, np.uint8)
    faults = np.zeros(len(x), np.int64)
    split_rows(_count_kernel, len(x), x, fenced, below, grid, codes, reached, faults)
    if faults.any():
        raise FloatingPointError("Activation must be finite, not NaN: training has diverged")
    return codes, reached


def ramp_gradients(
    grad: np.ndarray, x: np.ndarray, reached: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient to x (R, M) and the float64 sums (2, K) of G and G*x by corner."""
    grad_x = np.empty_like(x)
    sums = np.zeros((len(x), 2, len(slope)))
    split_rows(_ramp_kernel, len(x), grad, x, reached, slope, grad_x, sums)
    return grad_x, sums.sum(0)


def quantize(x: np.ndarray, step: np.float32, low: int, high: int) -> np.ndarray:
    """Values (R, M) of ``x`` on the grid ``step * (low..high)``, rounded half up."""
    out = np.empty_like(x)
    split_rows(_quantize_kernel, len(x), x, step, np.float32(low), np.float32(high), out)
    return out


def quantize_gradients(
    grad: np.ndarray, x: np.ndarray, step: np.float32, low: int, high: int
) -> tuple[np.ndarray, float]:
    """Gradients to x (R, M) and to the step."""
    grad_x, sums = np.empty_like(x), np.zeros(len(x))
    limits = np.float32(low), np.float32(high)
    split_rows(_quantize_grad_kernel, len(x), grad, x, step, *limits, grad_x, sums)
    return grad_x, float(sums.sum())
