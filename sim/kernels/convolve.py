"""Convolutions: blocks of pixels, optional packing, tiles of sums, output stage, scatter.

Sums never leave the first-level cache: a tile of 8 pixels x 32 channels is reduced, turned into
codes and written before the next begins. Kernels only compute: `lower.py` has checked and laid
out everything.
"""

from numba import njit

from . import dot, stages, vectors
from .depthwise import dot_depthwise
from .op import Stage

DEPTHWISE = 3
"""The form (see `dot.py`) of a depthwise layer: one int16 per tap and channel."""

BLOCK = 64
"""Pixels located, packed and run through all panels together: the packed codes stay in L2."""

TILE = dot.TILE
WIDEST = 2 * TILE
"""Pixels of a tile of 16 channels: two inner tiles side by side, so that all have 8 runs."""
RUNS = 8
_SOURCE, _TARGET, _SKIP = 0, 1, 2


@njit(nogil=True)
def convolve(tag, op, images, part, parts, places, work):
    """Part `part` of `parts` of a layer; places (3, BLOCK) and `work` are this thread's scratch."""
    total = images * op.height * op.width
    blocks = max((total + BLOCK - 1) // BLOCK, parts)
    size = ((total + blocks - 1) // blocks + WIDEST - 1) // WIDEST * WIDEST  # equal: no stub
    blocks = (total + size - 1) // size
    tile = WIDEST // op.vectors
    for block in range(part * blocks // parts, (part + 1) * blocks // parts):
        start = block * size
        count = min(size, total - start)
        _locate(op, start, count, tile if op.direct else 1, places)
        if op.direct == 0:
            _pack(op, count, places, work.packed)
        for panel in range(op.panels):
            for first in range(0, count, tile):
                _dot(tag, op, panel, first, places, work)
                pixels = min(tile, count - first)
                if op.has_skip:
                    _residual(op, panel, first, pixels, places, work.skips)
                _stage(op, panel, work)
                _scatter(op, panel, first, pixels, places, work.codes)


@njit(nogil=True)
def _locate(op, start, count, step, places):
    """Addresses of window, output and residual of every `step`-th pixel of a block."""
    pixels = op.height * op.width
    image, rest = start // pixels, start % pixels
    y, x = rest // op.width, rest % op.width
    for p in range(0, count, step):
        places[_SOURCE, p] = (
            op.source + image * op.source_image + y * op.source_row + x * op.source_pixel
        )
        places[_TARGET, p] = (
            op.target + image * op.target_image + y * op.target_row + x * op.target_pixel
        )
        places[_SKIP, p] = op.skip + image * op.skip_image + y * op.skip_row + x * op.skip_pixel
        x += step
        if x == op.width:
            x = 0
            y += 1
            if y == op.height:
                y = 0
                image += 1


@njit(nogil=True)
def _pack(op, count, places, packed):
    """Windows of a block, one after the other (im2col)."""
    for p in range(count):
        for i in range(op.rows):
            for j in range(op.cols):
                source = places[_SOURCE, p] + i * op.row_stride + j * op.col_stride
                vectors.copy_bytes(packed, source, op.piece)
                packed += op.piece


@njit(nogil=True)
def _dot(tag, op, panel, tile, places, work):
    weights = op.weights + panel * op.panel_bytes
    first = op.first + panel * op.vectors * 64
    if op.direct:
        codes, pixel, segments = places[_SOURCE, tile], op.source_pixel, op.rows
        segment, piece = op.row_stride, op.piece
    else:
        pixel = op.rows * op.cols * op.piece
        codes, segments, segment, piece = work.packed + tile * pixel, 1, pixel, pixel
    if op.form == DEPTHWISE:
        if op.direct == 0:
            segments, segment = op.rows, op.piece
        dot_depthwise(
            codes + panel * 32, pixel, segments, segment, op.kernel_w, op.col_stride,
            weights, first, work.sums,
        )  # fmt: skip
        return
    for half in range(2 // op.vectors):
        sums = work.sums + half * (TILE * 64)
        _reduce(tag, op, codes, pixel, segments, segment, piece // 4, weights, first, sums)
        codes += TILE * pixel


@njit(nogil=True)
def _reduce(tag, op, codes, pixel, segments, segment, units, weights, first, sums):
    """The kernel of the layer's form and width."""
    lot = op.together
    if op.form == dot.BYTES:
        if op.vectors == 2:
            dot.dot_bytes_2(tag, codes, pixel, segments, segment, units, lot, weights, first, sums)
        else:
            dot.dot_bytes_1(tag, codes, pixel, segments, segment, units, lot, weights, first, sums)
    elif op.form == dot.WORDS:
        if op.vectors == 2:
            dot.dot_words_2(tag, codes, pixel, segments, segment, units, lot, weights, first, sums)
        else:
            dot.dot_words_1(tag, codes, pixel, segments, segment, units, lot, weights, first, sums)
    elif op.vectors == 2:
        dot.dot_wide_2(tag, codes, pixel, segments, segment, units, lot, weights, first, sums)
    else:
        dot.dot_wide_1(tag, codes, pixel, segments, segment, units, lot, weights, first, sums)


@njit(nogil=True)
def _residual(op, panel, tile, count, places, skips):
    """int32 residual codes of a tile, laid out like its sums; 0 outside the residual's channels."""
    lanes = op.vectors * 16
    channel = panel * lanes - op.skip_first
    low, high = max(0, -channel), min(lanes, op.skip_channels - channel)
    for p in range(count):
        if op.direct:
            source = places[_SKIP, tile] + p * op.skip_pixel
        else:
            source = places[_SKIP, tile + p]
        source += channel * op.skip_element
        target = skips + p * lanes * 4  # always writes 32 lanes: the next pixel overwrites
        if low >= high:
            vectors.clear_words(target)
        elif op.skip_element == 1:
            vectors.widen(target, source, op.skip_offset, low, high)
        else:
            vectors.clear_words(target)
            vectors.copy_bytes(target + low * 4, source + low * 4, (high - low) * 4)


@njit(nogil=True)
def _stage(op, panel, work):
    """Codes of a tile from its sums."""
    lane = panel * stages.RUN
    if op.stage == Stage.THRESHOLD_16:
        tau = op.tau + lane * op.levels * 2
        stages.threshold_16(work.sums, RUNS, op.levels, tau, op.flip + lane, work.codes)
    elif op.stage == Stage.THRESHOLD_32:
        tau = op.tau + lane * op.levels * 4
        stages.threshold_32(work.sums, RUNS, op.levels, tau, op.flip + lane, work.codes)
    elif op.stage == Stage.REQUANT_BYTES or op.stage == Stage.REQUANT_WORDS:
        requantize(op, RUNS, lane, work)
    else:
        raise ValueError("Output stage must be of a known kind")


@njit(nogil=True)
def requantize(op, runs, lane, work):
    """Contract section 5 on `runs` runs of sums whose first channel has parameter `lane`."""
    multiplier, bias = op.multiplier + lane * 4, op.bias + lane * 8
    if op.stage == Stage.REQUANT_WORDS:
        stages.requant_words(
            work.sums, runs, multiplier, bias, work.skips, op.skip_multiplier, op.shift,
            op.low, op.high, work.codes,
        )  # fmt: skip
    elif op.has_skip:
        stages.requant_bytes_skip(
            work.sums, runs, multiplier, bias, work.skips, op.skip_multiplier, op.shift,
            op.low, op.high, work.codes,
        )  # fmt: skip
    else:
        stages.requant_bytes(
            work.sums, runs, multiplier, bias, work.skips, op.skip_multiplier, op.shift,
            op.low, op.high, work.codes,
        )  # fmt: skip


@njit(nogil=True)
def _scatter(op, panel, tile, count, places, codes):
    """Codes of a tile to their places in the output map."""
    lanes = op.vectors * 16
    valid = min(lanes, op.channels - panel * lanes)
    element = op.target_element
    for p in range(count):
        if op.direct:
            target = places[_TARGET, tile] + p * op.target_pixel
        else:
            target = places[_TARGET, tile + p]
        target += panel * lanes * element
        source = codes + p * lanes * element
        if valid == 32 and element == 1:
            vectors.copy_32(target, source)
        elif valid == 16 and element == 1:
            vectors.copy_16(target, source)
        else:
            vectors.copy_bytes(target, source, valid * element)
