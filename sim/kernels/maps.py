"""Everything that is not a convolution: read activations, pools, borders, copies.

Each kernel does part `part` of `parts` of its rows. Maps of bytes go through vector code; wide
maps (int32 codes) are rare and go through plain loops.
"""

from numba import njit

from . import vectors
from .convolve import requantize
from .stages import RUN

CHUNK = 64
"""Bytes of a vector of codes."""


@njit(nogil=True)
def _share(rows, part, parts):
    return part * rows // parts, (part + 1) * rows // parts


@njit(nogil=True)
def _row(base, image_stride, row_stride, row, height):
    return base + row // height * image_stride + row % height * row_stride


@njit(nogil=True)
def count(tag, op, images, part, parts):
    """Shared thresholds over whole rows; the last chunk overlaps the one before it."""
    size = op.width * op.source_pixel
    chunks = size // CHUNK
    low, high = _share(images * op.height, part, parts)
    for row in range(low, high):
        source = _row(op.source, op.source_image, op.source_row, row, op.height)
        target = _row(op.target, op.target_image, op.target_row, row, op.height)
        vectors.read_bytes(tag, source, chunks, op.levels, op.tau, op.high, op.table, target)
        if size % CHUNK:
            last = size - CHUNK
            vectors.read_bytes(
                tag, source + last, 1, op.levels, op.tau, op.high, op.table, target + last
            )


@njit(nogil=True)
def table(op, images, part, parts):
    """Any function of the stored byte; `table_stride` is 0 when channels share one table."""
    low, high = _share(images * op.height, part, parts)
    for row in range(low, high):
        source = _row(op.source, op.source_image, op.source_row, row, op.height)
        target = _row(op.target, op.target_image, op.target_row, row, op.height)
        for x in range(op.width):
            for c in range(op.channels):
                code = vectors.load_code(source + x * op.source_pixel + c, 1)
                code = vectors.load_code(op.table + c * op.table_stride + code, 1)
                vectors.store_byte(target + x * op.target_pixel + c, code)


@njit(nogil=True)
def largest(op, images, part, parts, work):
    """Max pooling; positions outside the map do not take part."""
    low, high = _share(images * op.height, part, parts)
    for row in range(low, high):
        image, y = row // op.height, row % op.height
        for x in range(op.width):
            target = op.target + image * op.target_image
            target += y * op.target_row + x * op.target_pixel
            top, left = y * op.stride_h - op.pad_top, x * op.stride_w - op.pad_left
            for c in range(0, op.channels, CHUNK):
                vectors.clear_words(work.codes)
                for i in range(max(top, 0), min(top + op.kernel_h, op.source_height)):
                    for j in range(max(left, 0), min(left + op.kernel_w, op.source_width)):
                        source = op.source + image * op.source_image
                        source += i * op.source_row + j * op.source_pixel + c
                        vectors.largest(work.codes, source)
                vectors.copy_bytes(target + c, work.codes, min(CHUNK, op.channels - c))


@njit(nogil=True)
def average(op, images, part, parts, work):
    """Exact window sums of bytes, 32 channels at a time, then requant."""
    low, high = _share(images * op.height, part, parts)
    for row in range(low, high):
        image, y = row // op.height, row % op.height
        for x in range(op.width):
            target = op.target + image * op.target_image
            target += y * op.target_row + x * op.target_pixel
            for c in range(0, op.channels, RUN):
                for k in range(RUN):
                    vectors.store_word(work.sums + k * 4, op.skip_offset)
                for i in range(op.kernel_h):
                    for j in range(op.kernel_w):
                        source = op.source + image * op.source_image
                        source += (y * op.stride_h + i) * op.source_row
                        source += (x * op.stride_w + j) * op.source_pixel
                        vectors.accumulate(work.sums, source + c)
                requantize(op, 1, c, work)
                size = min(RUN, op.channels - c) * op.target_element
                vectors.copy_bytes(target + c * op.target_element, work.codes, size)


@njit(nogil=True)
def plain(op, images, part, parts, pooling):
    """Wide maps, one code at a time: pooling 0 none, 1 largest, 2 sum."""
    low, high = _share(images * op.height, part, parts)
    for row in range(low, high):
        image, y = row // op.height, row % op.height
        for x in range(op.width):
            target = op.target + image * op.target_image
            target += y * op.target_row + x * op.target_pixel
            for c in range(op.channels):
                value = _window(op, image, y, x, c, pooling)
                if pooling == 0:
                    value = _position(op, c, value)
                elif pooling == 2:
                    value = _requant_one(op, c, value, _residual_one(op, image, y, x, c))
                place = target + c * op.target_element
                if op.target_element == 1:
                    vectors.store_byte(place, value)
                else:
                    vectors.store_word(place, value)


@njit(nogil=True)
def _window(op, image, y, x, c, pooling):
    """The code itself, the largest of its window, or the window's sum."""
    top, left = y * op.stride_h - op.pad_top, x * op.stride_w - op.pad_left
    total, best = 0, -(1 << 62)
    for i in range(max(top, 0), min(top + op.kernel_h, op.source_height)):
        for j in range(max(left, 0), min(left + op.kernel_w, op.source_width)):
            source = op.source + image * op.source_image + c * op.source_element
            source += i * op.source_row + j * op.source_pixel
            code = vectors.load_code(source, op.source_element) + op.skip_offset
            total += code
            best = max(best, code)
    return total if pooling == 2 else best - op.offset


@njit(nogil=True)
def _position(op, c, value):
    """Thresholds reached, by binary search; tau is int64 (channels, levels), flip one byte."""
    if vectors.load_code(op.flip + c, 1):
        value = -value
    low, high = 0, op.levels
    while low < high:
        middle = (low + high) >> 1
        if value >= vectors.load_long(op.tau + (c * op.levels + middle) * 8):
            low = middle + 1
        else:
            high = middle
    return low


@njit(nogil=True)
def _residual_one(op, image, y, x, c):
    """Code of the residual; 0 outside its channels and where there is none."""
    channel = c - op.skip_first
    if not op.has_skip or channel < 0 or channel >= op.skip_channels:
        return 0
    source = op.skip + image * op.skip_image + channel * op.skip_element
    source += y * op.skip_row + x * op.skip_pixel
    return vectors.load_code(source, op.skip_element) + op.skip_low


@njit(nogil=True)
def _requant_one(op, c, value, residual):
    multiplier = vectors.load_code(op.multiplier + c * 4, 4)
    total = multiplier * value + vectors.load_long(op.bias + c * 8)
    total += op.skip_multiplier * residual
    return min(max(total >> op.shift, op.low), op.high)


@njit(nogil=True)
def halo(op, images):
    """Fill the border of each map: `pattern` holds one whole row of real-zero codes."""
    width = op.target_row
    side = op.halo * op.target_pixel
    for image in range(images):
        base = op.target + image * op.target_image
        for y in range(op.halo):
            vectors.copy_bytes(base + y * width, op.pattern, width)
            vectors.copy_bytes(base + (op.halo + op.height + y) * width, op.pattern, width)
        for y in range(op.halo, op.halo + op.height + 1):
            # the right border of a row and the left one of the next lie side by side
            place = base + y * width - side
            if side % 16:
                vectors.copy_bytes(place, op.pattern, 2 * side)
            else:
                for k in range(0, 2 * side, 32):
                    vectors.copy_32(place + k, op.pattern + k)


@njit(nogil=True)
def copy(op, images, part, parts):
    """Rows of one map into another of the same channels."""
    low, high = _share(images * op.height, part, parts)
    for row in range(low, high):
        source = _row(op.source, op.source_image, op.source_row, row, op.height)
        target = _row(op.target, op.target_image, op.target_row, row, op.height)
        vectors.copy_bytes(target, source, op.width * op.source_pixel)


@njit(nogil=True)
def move(op, images, part, parts):
    """Each pixel of a map into `stride_h` x `stride_w` pixels of another, some of its channels."""
    low, high = _share(images * op.height, part, parts)
    size = op.channels * op.source_element
    for row in range(low, high):
        image, y = row // op.height, row % op.height
        source = op.source + image * op.source_image + y // op.stride_h * op.source_row
        target = op.target + image * op.target_image + y * op.target_row
        for x in range(op.width):
            pixel = source + x // op.stride_w * op.source_pixel
            vectors.copy_bytes(target + x * op.target_pixel, pixel, size)


@njit(nogil=True)
def interleave(op, images, part, parts):
    """Planes of bytes (N, C, H, W) to channels last, 16 pixels of 4 channels at a time."""
    plane = op.height * op.width
    low, high = _share(images * op.height, part, parts)
    for row in range(low, high):
        image, y = row // op.height, row % op.height
        base = op.source + image * op.channels * plane + y * op.width
        target = _row(op.target, op.target_image, op.target_row, row, op.height)
        for c in range(0, op.channels, 4):
            last = op.channels - 1  # a missing channel repeats the last one; its weights are 0
            p0, p1 = base + c * plane, base + min(c + 1, last) * plane
            p2, p3 = base + min(c + 2, last) * plane, base + min(c + 3, last) * plane
            _row_of_four(target + c, p0, p1, p2, p3, op.width, op.target_pixel, op.offset)


@njit(nogil=True)
def _row_of_four(target, p0, p1, p2, p3, width, pixel, offset):
    if pixel == 4 and width >= 16:
        for x in range(0, width - 15, 16):
            vectors.interleave(target + x * 4, p0 + x, p1 + x, p2 + x, p3 + x, offset)
        x = width - 16
        vectors.interleave(target + x * 4, p0 + x, p1 + x, p2 + x, p3 + x, offset)
        return
    for x in range(width):
        place = target + x * pixel
        vectors.store_byte(place, vectors.load_code(p0 + x, 1) + offset)
        vectors.store_byte(place + 1, vectors.load_code(p1 + x, 1) + offset)
        vectors.store_byte(place + 2, vectors.load_code(p2 + x, 1) + offset)
        vectors.store_byte(place + 3, vectors.load_code(p3 + x, 1) + offset)
