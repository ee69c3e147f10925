"""Sums in the order of each micro-architecture (`faithful` says which), compiled by Numba.

Each adds to ``out`` (pixels, O) from ``windows`` (pixels, depth) and weight codes ``weights``
(O, depth); ``levels`` has a level per code. ``width``: bits of a stored level, whose two's
complement pattern is the code. All integers are int64.
"""

import numpy as np

from adqhw.spec.host.kernel_cache import cached_kernel


@cached_kernel()
def decode(windows, weights, levels, out):
    for p in range(windows.shape[0]):
        for o in range(weights.shape[0]):
            for k in range(windows.shape[1]):
                out[p, o] += levels[weights[o, k]] * windows[p, k]


@cached_kernel()
def binned(windows, weights, levels, out):
    bins = levels * 0
    for p in range(windows.shape[0]):
        for o in range(weights.shape[0]):
            bins[:] = 0
            for k in range(windows.shape[1]):
                bins[weights[o, k]] += windows[p, k]
            for code in range(levels.shape[0]):
                out[p, o] += levels[code] * bins[code]


@cached_kernel()
def binned_bits(windows, weights, width, out):
    bins = np.zeros(width, np.int64)
    for p in range(windows.shape[0]):
        for o in range(weights.shape[0]):
            bins[:] = 0
            for k in range(windows.shape[1]):
                for bit in range(width):
                    bins[bit] += windows[p, k] * (weights[o, k] >> bit & 1)
            for bit in range(width):
                worth = bins[bit] << bit
                out[p, o] += -worth if bit == width - 1 else worth


@cached_kernel()
def bit_serial(windows, weights, levels, width, signed, rows, out):
    for p in range(windows.shape[0]):
        for o in range(weights.shape[0]):
            for beat in range(0, windows.shape[1], rows):
                for bit in range(width):
                    total = windows[p, 0] * 0
                    for k in range(beat, beat + rows):
                        total += levels[weights[o, k]] * (windows[p, k] >> bit & 1)
                    shifted = total << bit
                    out[p, o] += -shifted if signed and bit == width - 1 else shifted


@cached_kernel()
def shift_bits(windows, weights, width, out):
    for p in range(windows.shape[0]):
        for o in range(weights.shape[0]):
            for k in range(windows.shape[1]):
                for bit in range(width):
                    if weights[o, k] >> bit & 1:
                        shifted = windows[p, k] << bit
                        out[p, o] += -shifted if bit == width - 1 else shifted


@cached_kernel()
def shift_add(windows, weights, levels, factor, out):
    for p in range(windows.shape[0]):
        for o in range(weights.shape[0]):
            even, odd = windows[p, 0] * 0, windows[p, 0] * 0
            for k in range(windows.shape[1]):
                level = levels[weights[o, k]]
                size = abs(level)
                if size & (size - 1) == 0:
                    even += level * windows[p, k]  # a shift: the level is +-2^s or 0
                else:
                    odd += level // factor * windows[p, k]
            out[p, o] += even + factor * odd


@cached_kernel()
def product_table(windows, weights, table, piece, steps, signed, out):
    mask = (1 << piece) - 1
    for p in range(windows.shape[0]):
        for o in range(weights.shape[0]):
            for k in range(windows.shape[1]):
                for step in range(steps):
                    part = windows[p, k] >> step * piece
                    product = table[weights[o, k], part & mask]
                    if signed and step == steps - 1 and part < 0:
                        product -= table[weights[o, k], 1] << piece
                    out[p, o] += product << step * piece
