"""CPU kernels of 3x3 convolutions by Winograd's F(4x4, 3x3), in float32 on maps with channels last.

Lavin and Gray, "Fast algorithms for convolutional neural networks" (CVPR 2016, section 4.3): 36
multiplications for 16 outputs of a channel instead of 144, on tiles of 6 x 6 pixels that overlap by
two. ``Y = A' [(G g G') * (B' d B)] A``; the gradient of the kernel g is that of this same form,
``G' [(A dY A') * (B' d B)] G``. The three products with matrices of small integers are written out;
in between lie 36 matrix products over tiles and channels.

Maps that a threshold activation made may be read as the bytes that it keeps for its own gradient,
the numbers of corners reached: a code is half of it, rounded down. Vectors are 16 channels (matrix
products) or 8 (transforms); LLVM splits them where registers are narrower. All addresses are bytes.
"""

import numpy as np
from llvmlite import ir

from ...spec.host.kernel_cache import cached_kernel
from ...spec.host.llvm import I8, I32, I64, Emitter, by_address

EDGE = 4
"""Outputs of a tile, along each side."""
PLACES = 36
LANES = 16
TILES = 48
"""Tiles of a block, a multiple of `ROWS`: the transformed block stays in the second-level cache."""
ROWS = 6
GAP = 16
"""Numbers between the 36 planes of a block, whose lines would else share few sets of the cache."""
PARTS = 4
"""Parts of a batch whose gradients of the kernel are summed apart, for any number of threads."""
_F32, _FEW = ir.FloatType(), 8
_WIDE, _NARROW = ir.VectorType(_F32, LANES), ir.VectorType(_F32, _FEW)
_OCTET, _WORDS = (ir.VectorType(kind, _FEW) for kind in (I8, I32))
_BYTES = 4


def _times_plus(e: Emitter, a, b, c):
    return e.call(f"llvm.fma.v{a.type.count}f32", a.type, a, b, c)


def _sum(e: Emitter, *terms):
    """Sum of (factor, vector); the first factor is 1 or stands alone."""
    (factor, total), *others = terms
    if factor != 1:
        total = e.ir.fmul(e.fill(float(factor), total.type), total)
    for factor, value in others:
        if factor == 1:
            total = e.ir.fadd(total, value)
        elif factor == -1:
            total = e.ir.fsub(total, value)
        else:
            total = _times_plus(e, e.fill(float(factor), value.type), value, total)
    return total


def _of_inputs(e: Emitter, d):
    """B' d: six numbers of six."""
    a, b = _sum(e, (1, d[4]), (-4, d[2])), _sum(e, (1, d[3]), (-4, d[1]))
    c, f = _sum(e, (1, d[4]), (-1, d[2])), _sum(e, (1, d[3]), (-1, d[1]))
    return [
        _sum(e, (1, d[4]), (4, d[0]), (-5, d[2])),
        _sum(e, (1, a), (1, b)),
        _sum(e, (1, a), (-1, b)),
        _sum(e, (1, c), (2, f)),
        _sum(e, (1, c), (-2, f)),
        _sum(e, (1, d[5]), (4, d[1]), (-5, d[3])),
    ]


def _to_outputs(e: Emitter, m):
    """A' m: four numbers of six."""
    p, q = _sum(e, (1, m[1]), (1, m[2])), _sum(e, (1, m[1]), (-1, m[2]))
    r, s = _sum(e, (1, m[3]), (1, m[4])), _sum(e, (1, m[3]), (-1, m[4]))
    return [
        _sum(e, (1, m[0]), (1, p), (1, r)),
        _sum(e, (1, q), (2, s)),
        _sum(e, (1, p), (4, r)),
        _sum(e, (1, q), (1, m[5]), (8, s)),
    ]


def _of_outputs(e: Emitter, y):
    """A y: six numbers of four."""
    p, q = _sum(e, (1, y[0]), (1, y[2])), _sum(e, (1, y[1]), (1, y[3]))
    r, s = _sum(e, (1, y[0]), (4, y[2])), _sum(e, (2, y[1]), (8, y[3]))
    return [
        y[0],
        _sum(e, (1, p), (1, q)),
        _sum(e, (1, p), (-1, q)),
        _sum(e, (1, r), (1, s)),
        _sum(e, (1, r), (-1, s)),
        y[3],
    ]


def _squared(e: Emitter, grid, transform):
    """``transform`` along the columns of a square of vectors, then along its rows."""
    columns = [transform(e, list(column)) for column in zip(*grid, strict=True)]
    return [transform(e, list(row)) for row in zip(*columns, strict=True)]


def _grid(e: Emitter, base, row, pixel, edge):
    """Addresses of a square of pixels."""
    return [
        [e.ir.add(base, e.ir.add(e.ir.mul(row, e.number(i)), e.ir.mul(pixel, e.number(j))))
         for j in range(edge)]
        for i in range(edge)
    ]  # fmt: skip


def _each_vector(e: Emitter, vectors):
    """Loop over vectors of 8 channels; yields their number."""
    with e.loop(vectors, []) as (k, _):
        yield k


def _moved(e: Emitter, base, k, size=_BYTES):
    """Address of vector ``k`` of a pixel whose numbers have ``size`` bytes."""
    return e.ir.add(base, e.ir.mul(k, e.number(size * _FEW)))


def _loaded_planes(e: Emitter, base, step):
    """The 6 x 6 vectors of a tile, ``step`` bytes apart."""
    return _loaded(e, _grid(e, base, e.ir.mul(step, e.number(6)), step, 6))


def _store_planes(e: Emitter, base, step, values):
    _store(e, values, _grid(e, base, e.ir.mul(step, e.number(6)), step, 6))


def _loaded(e: Emitter, addresses):
    return [[e.load(address, _NARROW) for address in row] for row in addresses]


def _store(e: Emitter, values, addresses):
    for row, places in zip(values, addresses, strict=True):
        for value, address in zip(row, places, strict=True):
            e.store(value, address)


def _values(e: Emitter, address, size):
    """Eight numbers at ``address``; of one byte: halves, rounded down."""
    if size == _BYTES:
        return e.load(address, _NARROW)
    words = e.ir.zext(e.load(address, _OCTET), _WORDS)
    return e.ir.sitofp(e.ir.lshr(words, e.fill(1, _WORDS)), _NARROW)


def _input_inside(size: int):
    """Code writer: B' d B of a tile whose 6 x 6 pixels lie in the map."""

    def emit(e: Emitter, source, row, pixel, target, step, vectors):
        for k in _each_vector(e, vectors):
            places = _grid(e, _moved(e, source, k, size), row, pixel, 6)
            pixels = [[_values(e, address, size) for address in line] for line in places]
            _store_planes(e, _moved(e, target, k), step, _squared(e, pixels, _of_inputs))

    emit.__name__ = f"input_inside_{size}"
    return by_address(emit)


def _input_anywhere(size: int):
    """Code writer: the same from the 36 addresses at ``places``."""

    def emit(e: Emitter, places, target, step, vectors):
        at = [[e.load(e.at(places, 8 * (6 * i + j)), I64) for j in range(6)] for i in range(6)]
        for k in _each_vector(e, vectors):
            pixels = [
                [_values(e, _moved(e, address, k, size), size) for address in line] for line in at
            ]
            _store_planes(e, _moved(e, target, k), step, _squared(e, pixels, _of_inputs))

    emit.__name__ = f"input_anywhere_{size}"
    return by_address(emit)


_floats_inside, _bytes_inside = _input_inside(_BYTES), _input_inside(1)
_floats_anywhere, _bytes_anywhere = _input_anywhere(_BYTES), _input_anywhere(1)


@by_address
def _gradient(e: Emitter, source, row, pixel, target, step, vectors):
    """A dY A' of a tile of 4 x 4 outputs."""
    for k in _each_vector(e, vectors):
        pixels = _loaded(e, _grid(e, _moved(e, source, k), row, pixel, EDGE))
        _store_planes(e, _moved(e, target, k), step, _squared(e, pixels, _of_outputs))


@by_address
def _output(e: Emitter, source, step, target, row, pixel, vectors):
    """A' m A of a tile, to its 4 x 4 outputs."""
    for k in _each_vector(e, vectors):
        made = _squared(e, _loaded_planes(e, _moved(e, source, k), step), _to_outputs)
        _store(e, made, _grid(e, _moved(e, target, k), row, pixel, EDGE))


def _product(rows: int, adds: bool):
    """Code writer: c (rows x 16) = a (rows x count) b (count x 16), or ``c +=`` it."""

    def emit(e: Emitter, a, a_row, a_step, b, b_step, c, c_row, count):
        numbers = [e.number(row) for row in range(rows)]
        places = [e.ir.add(a, e.ir.mul(a_row, row)) for row in numbers]
        states = [e.fill(0.0, _WIDE) for _ in numbers] + [*places, b]
        with e.loop(count, states) as (_, now):
            right = e.load(now[-1], _WIDE)
            for row in range(rows):
                left = e.splat(e.load(now[rows + row], _F32), LANES)
                now[row] = _times_plus(e, left, right, now[row])
                now[rows + row] = e.ir.add(now[rows + row], a_step)
            now[-1] = e.ir.add(now[-1], b_step)
        for row, total in zip(numbers, states, strict=False):
            target = e.ir.add(c, e.ir.mul(c_row, row))
            e.store(e.ir.fadd(total, e.load(target, _WIDE)) if adds else total, target)

    emit.__name__ = f"product_{rows}"
    return by_address(emit)


_set_product, _add_product = _product(ROWS, adds=False), _product(4, adds=True)


@cached_kernel(inline="always")
def _transform_input(x, size, shape, tile, places, zero, target, step):
    """B' d B of ``tile``, the number of a tile of all images, at ``target``; padded with zeros.

    size: bytes of a number of ``x``, 4 or 1.
    """
    height, width, channels = shape[1], shape[2], shape[3]
    across, pixel, vectors = width // EDGE, size * channels, channels // _FEW
    image, place = divmod(tile, height // EDGE * across)
    i, j = divmod(place, across)
    top, left = EDGE * i - 1, EDGE * j - 1
    first = x + pixel * ((image * height + top) * width + left)
    if 0 < i < height // EDGE - 1 and 0 < j < across - 1:
        if size == 1:
            _bytes_inside(first, pixel * width, pixel, target, step, vectors)
        else:
            _floats_inside(first, pixel * width, pixel, target, step, vectors)
        return
    for r in range(6):
        for s in range(6):
            inside = 0 <= top + r < height and 0 <= left + s < width
            places[6 * r + s] = first + pixel * (r * width + s) if inside else zero
    if size == 1:
        _bytes_anywhere(places.ctypes.data, target, step, vectors)
    else:
        _floats_anywhere(places.ctypes.data, target, step, vectors)


@cached_kernel(inline="always")
def _corner(base, shape, tile):
    """Address of the first output of ``tile``, and bytes of a row and a pixel."""
    height, width, channels = shape[1], shape[2], shape[3]
    across, pixel = width // EDGE, _BYTES * channels
    image, place = divmod(tile, height // EDGE * across)
    i, j = divmod(place, across)
    at = (image * height + EDGE * i) * width + EDGE * j
    return base + pixel * at, pixel * width, pixel


@cached_kernel()
def convolve_kernel(first, last, x, kernel, out):
    """``out`` (N, H, W, Cout) of images first..last of ``x`` (N, H, W, Cin), padding 1.

    x: float32, or uint8, which stands for its half, rounded down.
    kernel: G g G' as (36, Cout / 16, Cin, 16).
    """
    shape, outputs = x.shape, out.shape[3]
    inputs, images = shape[3], shape[1] // EDGE * (shape[2] // EDGE)
    planes, sums = TILES * inputs + GAP, TILES * outputs + GAP
    block, made = np.empty(PLACES * planes, np.float32), np.empty(PLACES * sums, np.float32)
    places, zeros = np.empty(PLACES, np.int64), np.zeros(inputs, np.float32)
    at, to, right = block.ctypes.data, made.ctypes.data, kernel.ctypes.data
    for start in range(first * images, last * images, TILES):
        count = min(TILES, last * images - start)
        for t in range(count):
            _transform_input(
                x.ctypes.data, x.itemsize, shape, start + t, places, zeros.ctypes.data,
                at + _BYTES * t * inputs, _BYTES * planes,
            )  # fmt: skip
        for place in range(PLACES):
            for part in range(outputs // LANES):
                weights = right + _BYTES * LANES * inputs * (place * (outputs // LANES) + part)
                for t in range(0, count, ROWS):  # the last rows may be of no tile
                    _set_product(
                        at + _BYTES * (place * planes + t * inputs), _BYTES * inputs, _BYTES,
                        weights, _BYTES * LANES,
                        to + _BYTES * (place * sums + t * outputs + LANES * part),
                        _BYTES * outputs, inputs,
                    )  # fmt: skip
        for t in range(count):
            corner, row, pixel = _corner(out.ctypes.data, out.shape, start + t)
            _output(to + _BYTES * t * outputs, _BYTES * sums, corner, row, pixel, outputs // _FEW)


@cached_kernel()
def kernel_gradient_kernel(first, last, x, grad, sums):
    """``sums`` (PARTS, 36, Cin, Cout) += (A dY A') * (B' d B) over parts first..last of the batch.

    x (N, H, W, Cin) as of `convolve_kernel`, grad (N, H, W, Cout).
    """
    shape, outputs, inputs = x.shape, grad.shape[3], x.shape[3]
    images = shape[1] // EDGE * (shape[2] // EDGE)
    planes, steps = TILES * inputs + GAP, TILES * outputs + GAP
    block, made = np.empty(PLACES * planes, np.float32), np.empty(PLACES * steps, np.float32)
    places, zeros = np.empty(PLACES, np.int64), np.zeros(inputs, np.float32)
    at, to = block.ctypes.data, made.ctypes.data
    for share in range(first, last):
        begin, end = shape[0] * share // PARTS * images, shape[0] * (share + 1) // PARTS * images
        total = sums[share].ctypes.data
        for start in range(begin, end, TILES):
            count = min(TILES, end - start)
            for t in range(count):
                _transform_input(
                    x.ctypes.data, x.itemsize, shape, start + t, places, zeros.ctypes.data,
                    at + _BYTES * t * inputs, _BYTES * planes,
                )  # fmt: skip
                corner, row, pixel = _corner(grad.ctypes.data, grad.shape, start + t)
                _gradient(
                    corner, row, pixel, to + _BYTES * t * outputs, _BYTES * steps, outputs // _FEW
                )
            for place in range(PLACES):
                for part in range(0, outputs, LANES):
                    for channel in range(0, inputs, 4):
                        _add_product(
                            at + _BYTES * (place * planes + channel), _BYTES, _BYTES * inputs,
                            to + _BYTES * (place * steps + part), _BYTES * outputs,
                            total + _BYTES * ((place * inputs + channel) * outputs + part),
                            _BYTES * outputs, count,
                        )  # fmt: skip
