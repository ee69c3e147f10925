"""CPU kernels of a batch norm and the quantizer behind it, on maps with channels last.

The norm's output is never written: it is a multiple of the map plus a number, per channel, and is
made again where it is read. All take the map as rows (pixels, channels). Sums run over `PARTS`
parts of the rows, in float64, and are added in order: they do not depend on the number of threads.
"""

import numpy as np

from ...spec.host.kernel_cache import cached_kernel
from .kernels import BLOCK, reach_few, refuse_nans, split_rows

PARTS = 16
FOLD = 64
"""Additions in float32 before a sum goes to float64."""


@cached_kernel(inline="always")
def _limits(part, rows):
    return rows * part // PARTS, rows * (part + 1) // PARTS


@cached_kernel()
def _moments_kernel(first, last, x, sums):
    """Sums of x and of its square per channel: (PARTS, 2, C)."""
    channels = x.shape[1]
    for part in range(first, last):
        begin, end = _limits(part, len(x))
        plain, square = np.zeros(channels), np.zeros(channels)
        for row in range(begin, end):
            values = x[row]
            for c in range(channels):
                v = np.float64(values[c])
                plain[c] += v
                square[c] += v * v
        sums[part, 0, :] = plain
        sums[part, 1, :] = square


@cached_kernel(inline="always")
def _tiled(values, size):
    """``values`` (C,) repeated to ``size`` elements: loops over flat blocks are vectorized."""
    out = np.empty(size, np.float32)
    for i in range(size):
        out[i] = values[i % len(values)]
    return out


@cached_kernel(inline="always")
def _block(channels):
    """Elements of a block: whole pixels, about `BLOCK`."""
    return max(1, BLOCK // channels) * channels


@cached_kernel(inline="always")
def _normalize(x, skip, scales, shifts, values):
    """``values = x * scales + shifts + skip``; an empty ``skip``: none."""
    for i in range(len(x)):
        values[i] = x[i] * scales[i] + shifts[i]
    if len(skip):
        for i in range(len(x)):
            values[i] += skip[i]


@cached_kernel()
def _stair_kernel(first, last, x, scale, shift, bounds, codes, reached, faults):
    """Codes, and ``bounds`` reached, of ``x * scale + shift``."""
    channels = x.shape[1]
    block = _block(channels)
    scales, shifts = _tiled(scale, block), _tiled(shift, block)
    values, counts = np.empty(block, np.float32), np.empty(block, np.float32)
    flat, flat_codes, flat_reached = x.reshape(-1), codes.reshape(-1), reached.reshape(-1)
    for part in range(first, last):
        begin, end = _limits(part, len(x))
        fault = 0
        for start in range(begin * channels, end * channels, block):
            stop = min(start + block, end * channels)
            some = values[: stop - start]
            _normalize(flat[start:stop], flat[:0], scales, shifts, some)
            fault += reach_few(
                some, counts, bounds, flat_codes[start:stop], flat_reached[start:stop]
            )
        faults[part] = fault


@cached_kernel()
def _stair_sums_kernel(first, last, grad, x, reached, slope, inner, sums):
    """Sums of G and of G*x by channel and bounds reached: (PARTS, C, K, 2); G * slope."""
    channels = x.shape[1]
    for part in range(first, last):
        begin, end = _limits(part, len(x))
        table = sums[part]
        for row in range(begin, end):
            grads, values, kinds, made = grad[row], x[row], reached[row], inner[row]
            for c in range(channels):
                kind = kinds[c]
                g = np.float64(grads[c])
                made[c] = grads[c] * slope[kind]
                cell = table[c, kind]
                cell[0] += g
                cell[1] += g * np.float64(values[c])


@cached_kernel()
def _stream_kernel(first, last, x, skip, scale, shift, grid, out, numbers, faults):
    """``step * clamp(floor(v / step + 0.5), low, high)`` of v = ``x * scale + shift + skip``.

    grid: step, low, high; ``skip`` without rows: none; ``numbers``: the codes, or without rows.
    """
    half, step, low, high = np.float32(0.5), grid[0], grid[1], grid[2]
    channels = x.shape[1]
    block = _block(channels)
    scales, shifts = _tiled(scale, block), _tiled(shift, block)
    values = np.empty(block, np.float32)
    flat, flat_skip, flat_out = x.reshape(-1), skip.reshape(-1), out.reshape(-1)
    flat_numbers = numbers.reshape(-1)
    for part in range(first, last):
        begin, end = _limits(part, len(x))
        fault = 0
        for start in range(begin * channels, end * channels, block):
            stop = min(start + block, end * channels)
            _normalize(flat[start:stop], flat_skip[start:stop], scales, shifts, values)
            many, made = stop - start, flat_out[start:stop]
            for i in range(many):
                v = values[i]
                fault += np.int32(v != v)
                code = np.floor(v / step + half)
                code = low if code < low else code
                code = high if code > high else code
                values[i] = code
                made[i] = code * step
            if len(flat_numbers):
                kept = flat_numbers[start:stop]
                for i in range(many):
                    kept[i] = np.uint8(np.int32(values[i]))
        faults[part] = fault


@cached_kernel()
def _stream_sums_kernel(first, last, grad, x, skip, unit, scale, shift, grid, inner, sums, steps):
    """Inner gradients, per channel the sums of them and of them times x, and LSQ's for the step.

    sums (PARTS, 2, C), steps (PARTS,). ``inner``: ``grad`` where v is in the range, else 0. The
    residual is ``skip * unit``.
    """
    half, one, zero = np.float32(0.5), np.float32(1.0), np.float32(0.0)
    step, low, high = grid[0], grid[1], grid[2]
    channels = x.shape[1]
    block = _block(channels)
    scales, shifts = _tiled(scale, block), _tiled(shift, block)
    values, pulls = np.empty(block, np.float32), np.empty(block, np.float32)
    residual = np.empty(min(block, skip.size), np.float32)
    flat, flat_skip, flat_grad = x.reshape(-1), skip.reshape(-1), grad.reshape(-1)
    flat_inner = inner.reshape(-1)
    for part in range(first, last):
        begin, end = _limits(part, len(x))
        near, along = np.zeros(block, np.float32), np.zeros(block, np.float32)
        pull = np.zeros(block, np.float32)
        plain, weighted, total = np.zeros(channels), np.zeros(channels), 0.0
        group = begin * channels
        for start in range(begin * channels, end * channels, block):
            stop = min(start + block, end * channels)
            many, some, grads = stop - start, flat[start:stop], flat_grad[start:stop]
            made = flat_inner[start:stop]
            if len(residual):
                given = flat_skip[start:stop]
                for i in range(many):
                    residual[i] = np.float32(given[i]) * unit
            _normalize(some, residual, scales, shifts, values)
            for i in range(many):
                ratio = values[i] / step
                inside = one if (ratio >= low) & (ratio <= high) else zero
                code = np.floor(ratio + half)
                code = low if code < low else code
                code = high if code > high else code
                made[i] = grads[i] * inside
                pulls[i] = grads[i] * (code - ratio * inside)
            # element by element of the block, which vectorizes; by channel every FOLD blocks
            for i in range(many):
                near[i] += made[i]
            for i in range(many):
                along[i] += made[i] * some[i]
            for i in range(many):
                pull[i] += pulls[i]
            if start - group >= FOLD * block or start + block >= end * channels:
                group = start
                for i in range(block):
                    plain[i % channels] += near[i]
                    weighted[i % channels] += along[i]
                    total += pull[i]
                    near[i], along[i], pull[i] = zero, zero, zero
        sums[part, 0, :] = plain
        sums[part, 1, :] = weighted
        steps[part] = total


@cached_kernel()
def _mix_kernel(first, last, inner, x, factors, out):
    """``factors[0] * inner + factors[1] * x + factors[2]`` per channel, factors (3, C)."""
    channels = x.shape[1]
    block = _block(channels)
    of_inner, of_x = _tiled(factors[0], block), _tiled(factors[1], block)
    more = _tiled(factors[2], block)
    flat, flat_inner, flat_out = x.reshape(-1), inner.reshape(-1), out.reshape(-1)
    for part in range(first, last):
        begin, end = _limits(part, len(x))
        for start in range(begin * channels, end * channels, block):
            many = min(block, end * channels - start)
            values, grads = flat[start : start + many], flat_inner[start : start + many]
            made = flat_out[start : start + many]
            for i in range(many):
                made[i] = of_inner[i] * grads[i] + (of_x[i] * values[i] + more[i])


def moments(x: np.ndarray) -> np.ndarray:
    """Means (2, C), float64, of the rows ``x`` (R, C) and of their squares."""
    sums = np.empty((PARTS, 2, x.shape[1]))
    split_rows(_moments_kernel, PARTS, x, sums)
    return np.asarray(sums.sum(0) / len(x))


def stair(
    x: np.ndarray, scale: np.ndarray, shift: np.ndarray, bounds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Codes (float32) and bounds reached (uint8), (R, C), of ``x * scale + shift``."""
    codes, reached = np.empty_like(x), np.empty(x.shape, np.uint8)
    faults = np.zeros(PARTS, np.int64)
    split_rows(_stair_kernel, PARTS, x, scale, shift, bounds, codes, reached, faults)
    refuse_nans(faults, x.size)
    return codes, reached


def stair_sums(
    grad: np.ndarray, x: np.ndarray, reached: np.ndarray, slope: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """``slope[reached] * grad`` (R, C), and the sums of G and of G*x by channel and bounds reached.

    The sums are (2, C, K), float64.
    """
    inner, sums = np.empty_like(x), np.zeros((PARTS, x.shape[1], len(slope), 2))
    split_rows(_stair_sums_kernel, PARTS, grad, x, reached, slope, inner, sums)
    return inner, np.ascontiguousarray(sums.sum(0).transpose(2, 0, 1))


def stream(
    x: np.ndarray, skip: np.ndarray | None, scale: np.ndarray, shift: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Values (R, C) of ``x * scale + shift + skip`` on the grid (step, low, high), and their codes.

    Codes are uint8; where the grid has others, there are no rows of them.
    """
    out, faults = np.empty_like(x), np.zeros(PARTS, np.int64)
    few = grid[1] == 0 and grid[2] <= np.iinfo(np.uint8).max
    numbers = np.empty(x.shape if few else (0, x.shape[1]), np.uint8)
    more = x[:0] if skip is None else skip
    split_rows(_stream_kernel, PARTS, x, more, scale, shift, grid, out, numbers, faults)
    refuse_nans(faults, x.size)
    return out, numbers


def stream_sums(
    grad: np.ndarray,
    x: np.ndarray,
    skip: tuple[np.ndarray, float] | None,
    affine: tuple[np.ndarray, np.ndarray],
    grid: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Gradients inside the range (R, C), their sums and those of G*x (2, C), and the step's.

    skip: the residual as numbers (R, C), float32 or uint8, and their unit; affine: scale and shift
    (C,).
    """
    inner, sums, steps = np.empty_like(x), np.empty((PARTS, 2, x.shape[1])), np.empty(PARTS)
    more, unit = (x[:0], 1.0) if skip is None else skip
    given = grad, x, more, np.float32(unit), *affine, grid
    split_rows(_stream_sums_kernel, PARTS, *given, inner, sums, steps)
    return inner, sums.sum(0), float(steps.sum())


def mix(
    inner: np.ndarray, x: np.ndarray, factors: np.ndarray, in_place: bool = False
) -> np.ndarray:
    """``factors[0] * inner + factors[1] * x + factors[2]`` (R, C), factors (3, C).

    in_place: it takes the place of ``inner``.
    """
    out = inner if in_place else np.empty_like(x)
    split_rows(_mix_kernel, PARTS, inner, x, factors, out)
    return out
