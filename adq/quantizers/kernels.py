"""CPU kernels of the quantizers: one pass over a map where torch needs ten.

Numba without its thread pool: beside torch's own a second one would compete for the cores. A kernel
runs over whole rows and releases the interpreter lock; `split_rows` gives the rows to as many
Python threads as torch uses. Rows do not share anything, so results do not depend on the number of
threads. Twins in plain torch: `activation.py`, `stream.py`, used on other devices.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import torch

from ...spec.host.kernel_cache import cached_kernel

CELLS = 2048
BLOCK = 512
"""Elements that stay in the first-level cache while all bounds pass over them."""
FEW_BOUNDS = 40
"""Up to so many bounds comparing with each is faster than looking cells up (measured: 0.5, 0.7, 1.1
against 1.8 ns per element at 7, 15, 31 bounds; AVX512, one thread)."""


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


@cached_kernel(inline="always")
def _cell(value, low, inverse):
    """Cell of ``value`` on the uniform grid, monotone in it; without branches to mispredict."""
    position = min(max((value - low) * inverse, np.float32(0.0)), np.float32(CELLS - 1))
    return np.int32(position)


@cached_kernel()
def _count_kernel(first, last, x, bounds, below, grid, codes, reached, faults):
    """Bounds reached by each element of rows first..last of ``x`` (R, M).

    ``bounds`` ends with a NaN: a fence that no value reaches.
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


@cached_kernel(inline="always")
def reach_few(values, counts, bounds, codes, reached):
    """Codes and ``bounds`` reached of a block of values, in vector registers; its number of NaNs.

    Every value is compared with every bound. All arrays are one-dimensional views: LLVM vectorizes
    loops over them, and not over ``x[row, i]``.
    """
    one, zero = np.float32(1.0), np.float32(0.0)
    many, fault = len(values), 0
    for i in range(many):
        counts[i] = zero
        fault += np.int32(values[i] != values[i])
    k = 0
    while k + 4 <= len(bounds):
        b0, b1, b2, b3 = bounds[k], bounds[k + 1], bounds[k + 2], bounds[k + 3]
        for i in range(many):
            v = values[i]
            low = (one if v >= b0 else zero) + (one if v >= b1 else zero)
            high = (one if v >= b2 else zero) + (one if v >= b3 else zero)
            counts[i] += low + high
        k += 4
    while k < len(bounds):
        b0 = bounds[k]
        for i in range(many):
            counts[i] += one if values[i] >= b0 else zero
        k += 1
    for i in range(many):
        n = np.int32(counts[i])
        reached[i] = np.uint8(n)
        codes[i] = np.float32(n >> 1)
    return fault


@cached_kernel()
def _compare_kernel(first, last, x, bounds, codes, reached, faults):
    """As `_count_kernel` for few bounds."""
    size = x.shape[1]
    counts = np.empty(BLOCK, np.float32)
    for row in range(first, last):
        fault = 0
        x_row, codes_row, reached_row = x[row], codes[row], reached[row]
        for start in range(0, size, BLOCK):
            stop = min(start + BLOCK, size)
            fault += reach_few(
                x_row[start:stop], counts, bounds, codes_row[start:stop], reached_row[start:stop]
            )
        faults[row] = fault


@cached_kernel()
def _cells_below(bounds, grid, below):
    """``below[c]``: number of bounds in cells before c (bounds ascending)."""
    n = 0
    for c in range(CELLS):
        while n < len(bounds) and _cell(bounds[n], grid[0], grid[1]) < c:
            n += 1
        below[c] = n


@cached_kernel()
def _ramp_kernel(first, last, grad, x, unit, reached, slope, grad_x, sums):
    """Gradient of the ramp to ``x * unit``, and the sums of G and G*x by corner: (R, 2, K)."""
    size, kinds = x.shape[1], len(slope)
    # four interleaved sums of each kind: consecutive additions do not depend on each other
    parts = np.empty((4, kinds, 2))
    for row in range(first, last):
        parts[:] = 0.0
        for i in range(size):
            k = reached[row, i]
            g = np.float64(grad[row, i])
            parts[i & 3, k, 0] += g
            parts[i & 3, k, 1] += g * np.float64(np.float32(x[row, i]) * unit)
        grad_row, reached_row, grad_x_row = grad[row], reached[row], grad_x[row]
        for i in range(size):
            grad_x_row[i] = grad_row[i] * slope[reached_row[i]]
        for k in range(kinds):
            for kind in range(2):
                sums[row, kind, k] = (parts[0, k, kind] + parts[1, k, kind]) + (
                    parts[2, k, kind] + parts[3, k, kind]
                )


@cached_kernel()
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


@cached_kernel()
def _quantize_grad_kernel(first, last, grad, x, step, low, high, grad_x, sums):
    """LSQ gradients: to x, and per row the sum for the step."""
    half, one, zero = np.float32(0.5), np.float32(1.0), np.float32(0.0)
    size = x.shape[1]
    part = np.empty(size, np.float32)
    for row in range(first, last):
        grad_row, x_row, out = grad[row], x[row], grad_x[row]
        for i in range(size):
            ratio = x_row[i] / step
            inside = one if (ratio >= low) & (ratio <= high) else zero
            code = np.floor(ratio + half)
            code = low if code < low else code
            code = high if code > high else code
            out[i] = grad_row[i] * inside
            part[i] = grad_row[i] * (code - ratio * inside)
        # apart from the loop above, which would not be vectorized with a running sum
        a, b, c, d = 0.0, 0.0, 0.0, 0.0
        for i in range(0, size - 3, 4):
            a, b, c, d = a + part[i], b + part[i + 1], c + part[i + 2], d + part[i + 3]
        for i in range(size // 4 * 4, size):
            a += part[i]
        sums[row] = (a + b) + (c + d)


def refuse_nans(faults: np.ndarray, size: int) -> None:
    """FloatingPointError where a kernel counted NaNs among ``size`` values."""
    if faults.any():
        raise FloatingPointError(f"values must be finite, not NaN ({int(faults.sum())} of {size})")


def count_reached(x: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes (float32) and bounds reached, both (R, M), of ``x`` (R, M) float32.

    Bounds reached are uint8, or int16 where more than 255 of them do not fit (8-bit codes).
    """
    kind = np.uint8 if len(bounds) <= np.iinfo(np.uint8).max else np.int16
    codes, reached = np.empty_like(x), np.empty(x.shape, kind)
    faults = np.zeros(len(x), np.int64)
    if len(bounds) <= FEW_BOUNDS:
        split_rows(_compare_kernel, len(x), x, bounds, codes, reached, faults)
    else:
        _count_in_cells(x, bounds, codes, reached, faults)
    refuse_nans(faults, x.size)
    return codes, reached


def _count_in_cells(x, bounds, codes, reached, faults) -> None:
    """Count among many bounds, exactly: the cell of a value is monotone in it.

    So bounds in earlier cells are reached, those in later cells are not, and in the same cell they
    are compared.
    """
    low, high = bounds[0], bounds[-1]
    inverse = np.float32(CELLS) / (high - low) if high > low else np.float32(0)
    grid = np.array([low, inverse], np.float32)
    below = np.empty(CELLS, reached.dtype)
    _cells_below(bounds, grid, below)
    fenced = np.append(bounds, np.float32(np.nan))
    split_rows(_count_kernel, len(x), x, fenced, below, grid, codes, reached, faults)


def ramp_gradients(
    grad: np.ndarray, x: np.ndarray, reached: np.ndarray, slope: np.ndarray, unit: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient to X = x * unit (R, M) and the float64 sums (2, K) of G and G*X by corner.

    x: float32, or uint8.
    """
    grad_x = np.empty_like(grad)
    sums = np.zeros((len(x), 2, len(slope)))
    split_rows(_ramp_kernel, len(x), grad, x, np.float32(unit), reached, slope, grad_x, sums)
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


def count_above(x: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    """Number of ``bounds`` (float32, ascending) that each of ``x`` (M,) exceeds, uint8 (M,)."""
    # v > b if and only if v reaches the next number after b
    return count_reached(x[None], np.nextafter(bounds, np.float32(np.inf)))[1][0]
