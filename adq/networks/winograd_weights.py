"""CPU kernels of the small side of Winograd's F(4x4, 3x3): weights to 6 x 6 places, and back.

``G g G'`` of a kernel g, and ``G' S G``, the gradient of the kernel from that of its places
(`winograd_kernels`).
"""

import numpy as np

from ...spec.host.kernel_cache import cached_kernel


@cached_kernel(inline="always")
def _spread(g, made):
    """``made`` (6, ..) = G ``g`` (3, ..), element by element."""
    quarter, sixth, small = np.float32(1 / 4), np.float32(1 / 6), np.float32(1 / 24)
    half = np.float32(1 / 12)
    for k in range(g.shape[1]):
        a, b, c = g[0, k], g[1, k], g[2, k]
        outer, even = sixth * (a + c), small * a + sixth * c
        made[0, k] = quarter * a
        made[1, k] = -outer - sixth * b
        made[2, k] = sixth * b - outer
        made[3, k] = even + half * b
        made[4, k] = even - half * b
        made[5, k] = c


@cached_kernel(inline="always")
def _gathered(m, made):
    """``made`` (3, ..) = G' ``m`` (6, ..), element by element."""
    quarter, sixth, small = np.float32(1 / 4), np.float32(1 / 6), np.float32(1 / 24)
    half = np.float32(1 / 12)
    for k in range(m.shape[1]):
        near, far = m[1, k] + m[2, k], m[3, k] + m[4, k]
        made[0, k] = quarter * m[0, k] - sixth * near + small * far
        made[1, k] = sixth * (m[2, k] - m[1, k]) + half * (m[3, k] - m[4, k])
        made[2, k] = sixth * (far - near) + m[5, k]


@cached_kernel()
def spread_kernel(first, last, weight, turned, out):
    """``out`` (36, Cout / 16, Cin, 16) = G g G' of blocks first..last of 16 output channels.

    weight (Cout, Cin, 3, 3); ``turned``: of the kernel for the gradient of the inputs, its channels
    exchanged and each kernel turned by half.
    """
    lanes = out.shape[3]
    taps, rows = np.empty((3, 3 * lanes), np.float32), np.empty((6, 3 * lanes), np.float32)
    across, done = np.empty((3, lanes), np.float32), np.empty((6, lanes), np.float32)
    for block in range(first, last):
        for channel in range(out.shape[2]):
            for lane in range(lanes):
                output = block * lanes + lane
                for i in range(3):
                    for j in range(3):
                        taps[i, j * lanes + lane] = (
                            weight[channel, output, 2 - i, 2 - j]
                            if turned
                            else weight[output, channel, i, j]
                        )
            _spread(taps, rows)
            for i in range(6):
                across[:] = rows[i].reshape(3, lanes)
                _spread(across, done)
                for j in range(6):
                    out[6 * i + j, block, channel] = done[j]


@cached_kernel()
def gathered_kernel(first, last, sums, out):
    """``out`` (Cout, Cin, 3, 3) = G' S G of input channels first..last; S: ``sums`` over parts."""
    outputs = out.shape[0]
    planes, rows = np.empty((6, 6 * outputs), np.float32), np.empty((3, 6 * outputs), np.float32)
    across, done = np.empty((6, outputs), np.float32), np.empty((3, outputs), np.float32)
    for channel in range(first, last):
        for place in range(36):
            row, begin = place // 6, place % 6 * outputs
            plane = planes[row, begin : begin + outputs]
            plane[:] = sums[0, place, channel]
            for part in range(1, len(sums)):
                plane += sums[part, place, channel]
        _gathered(planes, rows)
        for i in range(3):
            across[:] = rows[i].reshape(6, outputs)
            _gathered(across, done)
            for j in range(3):
                for output in range(outputs):
                    out[output, channel, i, j] = done[j, output]
