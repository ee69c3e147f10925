"""Private Numba kernels. They only compute: callers have checked shapes, ranges and bounds.

All maps are int32, channels last (N, H, W, C): the inner loop runs over contiguous output
channels. int32 sums cannot overflow, whatever the order: the program proves that every partial
sum fits 32 bits (contract section 3). Indices are legends of loops: n image, y/x position,
c input channel, o output channel, i/j kernel position.
"""

from typing import Any

import numpy as np
from numba import njit, prange

# One flag set for every kernel: no fastmath (there are no floats), compiled code kept on disk.
_JIT: dict[str, Any] = {"cache": True, "nogil": True}


@njit(parallel=True, **_JIT)
def convolve(padded, weights, stride, groups, acc):
    """acc (N,H',W',O) = sums over padded (N,H,W,C) with weights (kh, kw, C/groups, O)."""
    images, out_h, out_w, outs = acc.shape
    kernel_h, kernel_w, depth_c, _ = weights.shape
    outs_per_group = outs // groups
    for row in prange(images * out_h):
        n, y = row // out_h, row % out_h
        for x in range(out_w):
            sums = acc[n, y, x]
            sums[:] = 0
            for i in range(kernel_h):
                for j in range(kernel_w):
                    pixel = padded[n, y * stride + i, x * stride + j]
                    if groups == 1:
                        _axpy_all(pixel, weights[i, j], sums)
                    else:
                        _axpy_groups(pixel, weights[i, j], sums, groups, depth_c, outs_per_group)


@njit(**_JIT)
def _axpy_all(pixel, weights, sums):
    for c in range(pixel.shape[0]):
        code = pixel[c]
        if code != 0:
            row = weights[c]
            for o in range(sums.shape[0]):
                sums[o] += np.int32(code * row[o])


@njit(**_JIT)
def _axpy_groups(pixel, weights, sums, groups, depth_c, outs_per_group):
    for g in range(groups):
        for c in range(depth_c):
            code = pixel[g * depth_c + c]
            if code != 0:
                for o in range(g * outs_per_group, (g + 1) * outs_per_group):
                    sums[o] += np.int32(code * weights[c, o])


@njit(parallel=True, **_JIT)
def threshold(acc, tau, sign, codes):
    """codes = #{i : sign_c * acc >= tau[c][i]} by binary search; tau (C, L) int64, sorted."""
    images, height, width, channels = acc.shape
    count = tau.shape[1]
    for row in prange(images * height):
        n, y = row // height, row % height
        for x in range(width):
            for c in range(channels):
                value = sign[c] * np.int64(acc[n, y, x, c])
                low, high = 0, count
                while low < high:
                    middle = (low + high) >> 1
                    if value >= tau[c, middle]:
                        low = middle + 1
                    else:
                        high = middle
                codes[n, y, x, c] = low


@njit(parallel=True, **_JIT)
def requantize(acc, multiplier, bias, shift, out_min, out_max, skip_multiplier, skip, codes):
    """Contract section 5 with int64 totals; `skip` has the shape of `acc` (zeros without one)."""
    images, height, width, channels = acc.shape
    half = (np.int64(1) << shift) >> 1
    for row in prange(images * height):
        n, y = row // height, row % height
        for x in range(width):
            for c in range(channels):
                total = multiplier[c] * np.int64(acc[n, y, x, c]) + bias[c] + half
                total += skip_multiplier * np.int64(skip[n, y, x, c])
                codes[n, y, x, c] = min(max(total >> shift, out_min), out_max)


@njit(parallel=True, **_JIT)
def sum_pool(codes, kernel, stride, acc):
    """Exact window sums."""
    images, out_h, out_w, channels = acc.shape
    for row in prange(images * out_h):
        n, y = row // out_h, row % out_h
        for x in range(out_w):
            for c in range(channels):
                total = np.int32(0)
                for i in range(kernel):
                    for j in range(kernel):
                        total += codes[n, y * stride + i, x * stride + j, c]
                acc[n, y, x, c] = total


@njit(parallel=True, **_JIT)
def max_pool(codes, kernel, stride, padding, out):
    """Largest code of each window; positions outside the map do not take part."""
    images, height, width, channels = codes.shape
    out_h, out_w = out.shape[1], out.shape[2]
    for row in prange(images * out_h):
        n, y = row // out_h, row % out_h
        for x in range(out_w):
            top, left = y * stride - padding, x * stride - padding
            for c in range(channels):
                best = np.int32(-(2**31))
                for i in range(max(top, 0), min(top + kernel, height)):
                    for j in range(max(left, 0), min(left + kernel, width)):
                        best = max(best, codes[n, i, j, c])
                out[n, y, x, c] = best


@njit(**_JIT)
def nonzero_by_tap(padded, stride, counts, out_h, out_w):
    """counts (kh, kw, C) += number of windows whose code at that tap is not zero."""
    kernel_h, kernel_w, channels = counts.shape
    for n in range(padded.shape[0]):
        for y in range(out_h):
            for x in range(out_w):
                for i in range(kernel_h):
                    for j in range(kernel_w):
                        for c in range(channels):
                            if padded[n, y * stride + i, x * stride + j, c] != 0:
                                counts[i, j, c] += 1
