"""Activity: how many windows hold a non-zero code, per kernel position and channel.

The windows' codes at horizontal kernel position j >= stride are those at j - stride without the
first pixel and with one more at the end; each row of a map is then added to the vertical
positions that use it. So a map is read about once, not kernel^2 times.
"""

from numba import njit

from . import vectors
from .stages import RUN


@njit(nogil=True)
def nonzero(op, images, work):
    """Add to the int32 counters (kernel_h, kernel_w, channels in whole runs) at `counter`."""
    padded = (op.channels + RUN - 1) // RUN * RUN
    line = op.cols * padded * 4  # bytes of the counts of one row of a map
    for image in range(images):
        base = op.source + image * op.source_image
        for row in range((op.height - 1) * op.stride_h + op.rows):
            if op.stride_h > op.rows and row % op.stride_h >= op.rows:
                continue  # between the windows
            _row(op, base + row * op.source_row, padded, work.packed)
            for i in range(row % op.stride_h, op.rows, op.stride_h):
                if 0 <= row - i < op.height * op.stride_h:
                    for k in range(0, line, RUN * 4):
                        vectors.add_words(op.counter + i * line + k, work.packed + k)


@njit(nogil=True)
def _row(op, base, padded, counts):
    """Counts (kernel_w, channels) of one row of windows."""
    step = op.stride_w * op.source_pixel
    for j in range(op.cols):
        source = base + j * op.source_pixel
        into = counts + j * padded * 4
        before = into - op.stride_w * padded * 4
        for c in range(0, padded, RUN):
            place, target = source + c * op.source_element, into + c * 4
            if j < op.stride_w:
                vectors.clear_words(target)
                _tally(op, target, place, op.width, step, 1)
            else:
                vectors.copy_128(target, before + c * 4)
                _tally(op, target, place - step, 1, step, -1)
                _tally(op, target, place + (op.width - 1) * step, 1, step, 1)


@njit(nogil=True)
def _tally(op, counts, source, pixels, step, sign):
    """counts (one run) += sign x (code != 0); lanes beyond the channels are not read."""
    if op.source_element == 1:
        vectors.tally_bytes(counts, source, op.offset, pixels, step, sign)
    else:
        vectors.tally_words(counts, source, op.offset, pixels, step, sign)
