"""The inner product of all convolutions: a tile of 8 pixels x 16 or 32 output channels.

A *unit* is four bytes of a map: four u8 codes, or one int32 code of a wide map. The pixels of a
tile lie `pixel_stride` bytes apart; a window is `segments` runs of `units` units, `segment_stride`
bytes apart. Weights are packed per unit and output channel (`operands.py`), in these forms:

BYTES  4 x int8, for u8 codes                 vpdpbusd, or vpmaddubsw where proven
WORDS  2 x int16 (codes 0, 2), 2 x int16 (codes 1, 3)   vpdpwssd, vpmaddwd or generic code
WIDE   1 x int32, for int32 codes

Sums are exact modulo 2^32, in any order, and the program proves that they fit 32 bits.
"""

from dataclasses import dataclass

from llvmlite import ir

from ...spec.host.llvm import I8, I16, I32, Emitter, by_tag
from .simd import Avx2, Portable, Vnni256, Vnni512

BYTES, WORDS, WIDE = range(3)
UNIT_BYTES = (4, 8, 4)
"""Bytes of packed weights per unit and output channel, by form."""

TILE = 8
"""Pixels of a tile: with two vectors of 16 channels, 16 sums hide the latency of vpdpbusd."""

_PIXELS = {Vnni512: TILE, Vnni256: 4, Avx2: 2, Portable: 4}
"""Pixels whose sums are in registers together (32 registers with AVX-512, else 16)."""


def _dot(form: int, vectors: int):
    """Code writer of one form and width (`vectors` x 16 output channels)."""

    def emit(e: Emitter, tag, codes, pixel_stride, segments, segment_stride, units, together,
             weights, first, sums):  # fmt: skip
        """`together`: units whose products are proven to fit 16 bits summed (AVX2 bytes only)."""
        if tag is Portable and form == BYTES:
            return  # needs an instruction: `operands.py` packs WORDS for this tag
        step = _Step(e, tag, form, tag().lanes)
        parts = vectors * 16 // step.lanes
        pixels = _PIXELS[tag] // (vectors if tag is Portable else 1)
        start = [e.load(e.at(first, part * step.lanes * 4), step.sums) for part in range(parts)]
        reduce = _short_sums if tag is Avx2 and form == BYTES else _long_sums
        for pixel in range(0, TILE, pixels):
            rows = [
                e.ir.add(codes, e.ir.mul(pixel_stride, e.number(pixel + row)))
                for row in range(0, pixels, 3)
            ]
            window = _Window(rows, pixel_stride, segments, segment_stride, units, weights, together)
            target = e.at(sums, pixel * parts * step.lanes * 4)
            reduce(e, step, window, [start[part] for _ in range(pixels) for part in range(parts)],
                   parts, target)  # fmt: skip

    emit.__name__ = f"dot_{form}_{vectors}"
    return by_tag(emit)


@dataclass(frozen=True)
class _Window:
    """Operands of a reduction: base addresses of every third pixel, geometry, packed weights."""

    rows: list[ir.Value]
    pixel_stride: ir.Value
    segments: ir.Value
    segment_stride: ir.Value
    units: ir.Value
    weights: ir.Value
    together: ir.Value

    def segment(self, e: Emitter, index, unit_bytes: int):
        """Bases of the pixels and of the weights in one segment."""
        moved = [e.ir.add(row, e.ir.mul(index, self.segment_stride)) for row in self.rows]
        packed = e.ir.mul(e.ir.mul(index, self.units), e.number(unit_bytes))
        return moved, e.ir.add(self.weights, packed)


def _long_sums(e: Emitter, step, window: _Window, total, parts: int, target) -> None:
    """Sums stay in registers of 32 bits from the first product to the last."""
    with e.loop(window.segments, total) as (segment, outer):
        rows, base = window.segment(e, segment, parts * step.bytes)
        with e.loop(window.units, outer) as (unit, inner):
            _unit(e, step, inner, rows, window.pixel_stride, unit, base, parts)
    for index, value in enumerate(total):
        e.store(value, e.at(target, index * step.lanes * 4))


def _short_sums(e: Emitter, step, window: _Window, total, parts: int, target) -> None:
    """AVX2: sums of 16 bits over `together` units, then added to 32-bit sums in memory.

    Widening after each vpmaddubsw would cost as many multiplications again.
    """
    for index, value in enumerate(total):
        e.store(value, e.at(target, index * step.lanes * 4))
    rounded = e.ir.sub(e.ir.add(window.units, window.together), e.number(1))
    groups = e.ir.sdiv(rounded, window.together)
    with e.loop(window.segments, []) as (segment, _):
        rows, base = window.segment(e, segment, parts * step.bytes)
        with e.loop(groups, []) as (group, _):
            first = e.ir.mul(group, window.together)
            left = e.ir.sub(window.units, first)
            fewer = e.ir.icmp_signed("<", left, window.together)
            count = e.ir.select(fewer, left, window.together)
            short = [e.fill(0, step.half) for _ in total]
            with e.loop(count, short) as (unit, inner):
                _unit(e, step, inner, rows, window.pixel_stride, e.ir.add(first, unit), base, parts)
            for index, value in enumerate(short):
                place = e.at(target, index * step.lanes * 4)
                widened = step.pairs(value, e.fill(1, step.half))
                e.store(e.ir.add(e.load(place, step.sums), widened), place)


def _unit(e: Emitter, step, sums, rows, pixel_stride, unit, base, parts: int) -> None:
    """Adds the products of one unit to `sums` (pixels x parts)."""
    address = e.ir.add(base, e.ir.mul(unit, e.number(parts * step.bytes)))
    weights = [step.weights(e.at(address, part * step.bytes)) for part in range(parts)]
    offset = e.ir.mul(unit, e.number(4))
    for pixel in range(len(sums) // parts):
        # one base per three pixels: x86 addresses base + {0, 1, 2} * stride for free
        row = e.ir.add(rows[pixel // 3], offset)
        row = e.ir.add(row, e.ir.mul(pixel_stride, e.number(pixel % 3)))
        codes = step.codes(e.splat(e.load(row, I32), step.lanes))
        for part in range(parts):
            index = pixel * parts + part
            sums[index] = step.add(sums[index], codes, weights[part])


class _Step:
    """sums += codes * weights for one unit: the part that depends on form and processor."""

    def __init__(self, e: Emitter, tag: type, form: int, lanes: int) -> None:
        self.e, self.tag, self.form, self.lanes = e, tag, form, lanes
        self.sums = ir.VectorType(I32, lanes)
        self.bytes = UNIT_BYTES[form] * lanes
        self.half = ir.VectorType(I16, 2 * lanes)

    def weights(self, address):
        """Vectors of one unit's weights."""
        if self.form in (BYTES, WIDE):
            return [self.e.load(address, self.sums)]
        size = self.bytes // 2
        return [self.e.load(self.e.at(address, half * size), self.half) for half in (0, 1)]

    def codes(self, unit):
        """The operands of `add` from the unit in each lane."""
        if self.form in (BYTES, WIDE):
            return [unit]
        mask = self.e.fill(0x00FF00FF, self.sums)
        shifted = self.e.ir.lshr(unit, self.e.fill(8, self.sums))
        return [
            self.e.ir.bitcast(self.e.ir.and_(part, mask), self.half) for part in (unit, shifted)
        ]

    def add(self, sums, codes, weights):
        match self.form:
            case _ if self.form == WIDE:
                return self.e.ir.add(sums, self.e.ir.mul(codes[0], weights[0]))
            case _ if self.form == BYTES:
                return self._add_bytes(sums, codes[0], weights[0])
            case _:
                for pair, levels in zip(codes, weights, strict=True):
                    sums = self._add_words(sums, pair, levels)
                return sums

    def _add_bytes(self, sums, codes, weights):
        if self.tag in (Vnni512, Vnni256):
            name = f"llvm.x86.avx512.vpdpbusd.{32 * self.lanes}"
            return self.e.call(name, self.sums, sums, codes, weights)
        octets = ir.VectorType(I8, 4 * self.lanes)
        codes, weights = (self.e.ir.bitcast(value, octets) for value in (codes, weights))
        products = self.e.call("llvm.x86.avx2.pmadd.ub.sw", self.half, codes, weights)
        return self.e.ir.add(sums, products)

    def _add_words(self, sums, codes, weights):
        if self.tag is Portable:
            return self._add_plain(sums, codes, weights)
        if self.tag in (Vnni512, Vnni256):
            name = f"llvm.x86.avx512.vpdpwssd.{32 * self.lanes}"
            operands = [self.e.ir.bitcast(value, self.sums) for value in (codes, weights)]
            return self.e.call(name, self.sums, sums, *operands)
        return self.e.ir.add(sums, self.pairs(codes, weights))

    def pairs(self, a, b):
        """Sums of products of neighbouring int16."""
        return self.e.call("llvm.x86.avx2.pmadd.wd", self.sums, a, b)

    def _add_plain(self, sums, codes, weights):
        """Generic code: the pair in each 32-bit lane is split into sign-extended halves."""
        codes, weights = (self.e.ir.bitcast(value, self.sums) for value in (codes, weights))
        sixteen = self.e.fill(16, self.sums)
        low = [self.e.ir.ashr(self.e.ir.shl(v, sixteen), sixteen) for v in (codes, weights)]
        high = [self.e.ir.ashr(v, sixteen) for v in (codes, weights)]
        sums = self.e.ir.add(sums, self.e.ir.mul(*low))
        return self.e.ir.add(sums, self.e.ir.mul(*high))


dot_bytes_1, dot_bytes_2 = _dot(BYTES, 1), _dot(BYTES, 2)
dot_words_1, dot_words_2 = _dot(WORDS, 1), _dot(WORDS, 2)
dot_wide_1, dot_wide_2 = _dot(WIDE, 1), _dot(WIDE, 2)
