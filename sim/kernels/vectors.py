"""Vector code that moves, converts and counts stored codes, by address.

Each function is one or a few instructions on 32 lanes (a run, see `stages.py`) or 64 bytes.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ...spec.host.llvm import I8, I32, I64, Emitter, by_address, by_tag
from .simd import Vnni512, cpu_features
from .stages import RUN

_S8, _S32 = (ir.VectorType(kind, RUN) for kind in (I8, I32))
_S64B = ir.VectorType(I8, 64)


def _copy(size: int):
    """Code writer: `size` bytes from `source` to `target`."""

    def emit(e: Emitter, target, source):
        e.store(e.load(source, ir.VectorType(I8, size)), target)

    emit.__name__ = f"copy_{size}"
    return by_address(emit)


copy_16, copy_32, copy_128 = (_copy(size) for size in (16, 32, 128))


@by_address
def widen(e: Emitter, target, source, offset, low, high):
    """32 stored bytes -> 32 int32 codes: source + offset in lanes low..high-1, 0 elsewhere."""
    codes = e.ir.zext(e.load(source, _S8), _S32)
    codes = e.ir.add(codes, e.splat(e.ir.trunc(offset, I32), RUN))
    lanes = ir.Constant(_S32, list(range(RUN)))
    first, end = (e.splat(e.ir.trunc(value, I32), RUN) for value in (low, high))
    inside = e.ir.and_(e.ir.icmp_signed(">=", lanes, first), e.ir.icmp_signed("<", lanes, end))
    e.store(e.ir.select(inside, codes, e.fill(0, _S32)), target)


@by_address
def copy_bytes(e: Emitter, target, source, count):
    """memcpy of `count` bytes."""
    pointers = [e.ir.inttoptr(value, I8.as_pointer()) for value in (target, source)]
    kinds = [pointer.type for pointer in pointers]
    copy = e.ir.module.declare_intrinsic("llvm.memcpy", [*kinds, I64])
    e.ir.call(copy, [*pointers, count, ir.Constant(ir.IntType(1), 0)])


@by_tag
def read_bytes(e: Emitter, tag, source, chunks, levels, tau, flip, table, target):
    """Codes of `chunks` x 64 stored u8 codes: a table (256 bytes) of a non-decreasing function.

    With VBMI the table is four registers; elsewhere the thresholds `tau` (64 equal bytes each)
    reached are counted and the count is complemented by `flip`.
    """
    permute = tag is Vnni512 and "avx512vbmi" in cpu_features()
    rows = [e.load(e.at(table, 64 * k), _S64B) for k in range(4)] if permute else []
    flips = e.splat(e.ir.trunc(flip, I8), 64)
    with e.loop(chunks, []) as (chunk, _):
        place = e.ir.mul(chunk, e.number(64))
        value = e.load(e.ir.add(source, place), _S64B)
        code = _permuted(e, value, rows) if permute else _counted(e, value, levels, tau, flips)
        e.store(code, e.ir.add(target, place))


def _permuted(e: Emitter, value, rows):
    name = "llvm.x86.avx512.vpermi2var.qi.512"
    low = e.call(name, _S64B, rows[0], value, rows[1])
    high = e.call(name, _S64B, rows[2], value, rows[3])
    upper = e.ir.icmp_signed("<", value, e.fill(0, _S64B))  # stored codes 128..255
    return e.ir.select(upper, high, low)


def _counted(e: Emitter, value, levels, tau, flips):
    counts = [e.fill(0, _S64B)]
    with e.loop(levels, counts) as (level, current):
        row = e.load(e.ir.add(tau, e.ir.mul(level, e.number(64))), _S64B)
        reached = e.ir.zext(e.ir.icmp_unsigned(">=", value, row), _S64B)
        current[0] = e.ir.add(current[0], reached)
    return e.ir.xor(counts[0], flips)


@by_address
def interleave(e: Emitter, target, plane_0, plane_1, plane_2, plane_3, offset):
    """16 pixels of four channels, one plane each -> 64 bytes, channels last, plus `offset`."""
    octets, kind = ir.VectorType(I8, 16), ir.VectorType(I32, 16)
    added = e.splat(e.ir.trunc(offset, I8), 16)
    planes = [
        e.ir.add(e.load(plane, octets), added) for plane in (plane_0, plane_1, plane_2, plane_3)
    ]
    pixels = e.fill(0, kind)
    for position, plane in enumerate(planes):
        moved = e.ir.shl(e.ir.zext(plane, kind), e.fill(8 * position, kind))
        pixels = e.ir.or_(pixels, moved)
    e.store(pixels, target)


@by_address
def largest(e: Emitter, target, source):
    """target = max(target, source) over 64 stored u8 codes."""
    values = [e.load(address, _S64B) for address in (target, source)]
    e.store(e.call("llvm.umax.v64i8", _S64B, *values), target)


@by_address
def accumulate(e: Emitter, sums, source):
    """sums += codes, 32 lanes int32 of 32 stored bytes."""
    value = e.ir.zext(e.load(source, _S8), _S32)
    e.store(e.ir.add(e.load(sums, _S32), value), sums)


@intrinsic
def load_code(context, address, element):
    """int64 code at `address`: a byte when `element` is 1, an int32 when it is 4."""

    def generate(target, builder, _signature, values):
        e = Emitter(builder)
        byte = e.ir.zext(e.load(values[0], I8), I64)
        is_byte = e.ir.icmp_signed("==", values[1], e.number(1))
        with e.ir.if_else(is_byte) as (then, other):
            with then:
                after_byte = e.ir.block
            with other:
                word = e.ir.sext(e.load(values[0], I32), I64)
                after_word = e.ir.block
        result = e.ir.phi(I64)
        result.add_incoming(byte, after_byte)
        result.add_incoming(word, after_word)
        return result

    return types.int64(types.int64, types.int64), generate


@intrinsic
def load_long(context, address):
    """int64 at `address`."""

    def generate(target, builder, _signature, values):
        return Emitter(builder).load(values[0], I64)

    return types.int64(types.int64), generate


@by_address
def store_byte(e: Emitter, address, value):
    e.store(e.ir.trunc(value, I8), address)


@by_address
def store_word(e: Emitter, address, value):
    e.store(e.ir.trunc(value, I32), address)


def _tally(kind: ir.VectorType):
    """Code writer: counts (32 x int32) += sign x (stored code != zero) over spaced pixels."""

    def emit(e: Emitter, counts, source, zero, pixels, step, sign):
        zeros = e.splat(e.ir.trunc(zero, kind.element), RUN)
        signs = e.splat(e.ir.trunc(sign, I32), RUN)
        total = [e.fill(0, _S32)]
        with e.loop(pixels, total) as (pixel, current):
            code = e.load(e.ir.add(source, e.ir.mul(pixel, step)), kind)
            hit = e.ir.zext(e.ir.icmp_unsigned("!=", code, zeros), _S32)
            current[0] = e.ir.add(current[0], hit)
        signed = e.ir.mul(total[0], signs)
        e.store(e.ir.add(e.load(counts, _S32), signed), counts)

    emit.__name__ = f"tally_{kind.element.width}"
    return by_address(emit)


tally_bytes, tally_words = _tally(_S8), _tally(_S32)


@by_address
def add_words(e: Emitter, target, source):
    """target += source, one run of int32."""
    e.store(e.ir.add(e.load(target, _S32), e.load(source, _S32)), target)


@by_address
def clear_words(e: Emitter, target):
    """target = 0, one run of int32."""
    e.store(e.fill(0, _S32), target)


@by_address
def meet(e: Emitter, gate, arrivals):
    """Count this thread at `gate` (int64) and spin until `arrivals` threads have come."""
    counter = e.ir.inttoptr(gate, I64.as_pointer())
    e.ir.atomic_rmw("add", counter, e.number(1), "seq_cst")
    waiting = e.ir.append_basic_block("waiting")
    after = e.ir.append_basic_block("met")
    e.ir.branch(waiting)
    e.ir.position_at_end(waiting)
    seen = e.ir.load_atomic(counter, "seq_cst", 8)
    e.ir.cbranch(e.ir.icmp_signed("<", seen, arrivals), waiting, after)
    e.ir.position_at_end(after)
