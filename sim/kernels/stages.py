"""Output stages on a tile of sums: thresholds and requant, 32 lanes (a *run*) at a time.

A run is 32 consecutive int32 sums of a tile: 32 channels of one pixel, or 16 channels of two
pixels when a panel has 16 channels; parameters are stored for 32 lanes either way. Everything is
generic vector code: it computes the same on every processor.
"""

from llvmlite import ir

from ...spec.host.llvm import I8, I16, I32, I64, Emitter, by_address

RUN = 32
"""Lanes of a run."""

SEARCHED = 15
"""Number of thresholds (act_width 4) found by search: 19 operations instead of 30."""

_TOGETHER = 4
"""Runs whose counts are in registers while the thresholds pass by."""

_S8, _S16, _S32, _S64 = (ir.VectorType(kind, RUN) for kind in (I8, I16, I32, I64))


def _count(e: Emitter, kind: ir.VectorType, values, levels, tau):
    """Lane-wise number of thresholds reached by each vector of `values`."""
    size = kind.element.width // 8 * RUN
    counts = [e.fill(0, kind) for _ in values]
    with e.loop(levels, counts) as (level, current):
        row = e.load(e.ir.add(tau, e.ir.mul(level, e.number(size))), kind)
        for index, value in enumerate(values):
            reached = e.ir.zext(e.ir.icmp_signed(">=", value, row), kind)
            current[index] = e.ir.add(current[index], reached)
    return counts


def _search(e: Emitter, kind: ir.VectorType, values, tau):
    """The same for 15 sorted thresholds in 4 steps: each halves the candidates of every lane."""
    size = kind.element.width // 8 * RUN
    rows = [e.load(e.at(tau, level * size), kind) for level in range(SEARCHED)]
    counts = []
    for value in values:
        candidates, count, weight = rows, e.fill(0, kind), (SEARCHED + 1) // 2
        while weight:
            middle = weight - 1
            reached = e.ir.icmp_signed(">=", value, candidates[middle])
            upper, lower = candidates[weight:], candidates[:middle]
            candidates = [
                e.ir.select(reached, high, low) for high, low in zip(upper, lower, strict=True)
            ]
            step = e.ir.select(reached, e.fill(weight, kind), e.fill(0, kind))
            count, weight = e.ir.or_(count, step), weight // 2
        counts.append(count)
    return counts


def _write(e: Emitter, counts, flips, target) -> None:
    for run, count in enumerate(counts):
        e.store(e.ir.xor(e.ir.trunc(count, _S8), flips), e.at(target, run * RUN))


def _threshold(kind: ir.VectorType):
    """Code writer: codes = count of thresholds (rows of `kind`) reached, then flipped."""

    def emit(e: Emitter, sums, runs, levels, tau, flip, codes):
        """`flip` (32 bytes) is 2^width - 1 where the sign is negative: count -> complement."""
        groups = e.ir.sdiv(runs, e.number(_TOGETHER))
        flips = e.load(flip, _S8)
        with e.loop(groups, []) as (group, _):
            source = e.ir.add(sums, e.ir.mul(group, e.number(_TOGETHER * RUN * 4)))
            target = e.ir.add(codes, e.ir.mul(group, e.number(_TOGETHER * RUN)))
            values = []
            for run in range(_TOGETHER):
                value = e.load(e.at(source, run * RUN * 4), _S32)
                # 16 bits keep every comparison: all thresholds of the layer lie strictly inside
                values.append(_narrow(e, value, _S16) if kind is _S16 else value)
            searched = e.ir.icmp_signed("==", levels, e.number(SEARCHED))
            with e.ir.if_else(searched) as (then, otherwise):
                with then:
                    _write(e, _search(e, kind, values, tau), flips, target)
                with otherwise:
                    _write(e, _count(e, kind, values, levels, tau), flips, target)

    emit.__name__ = f"threshold_{kind.element.width}"
    return by_address(emit)


def _narrow(e: Emitter, value, kind: ir.VectorType):
    """Saturated to the narrower signed lanes of `kind`."""
    limit = 1 << (kind.element.width - 1)
    limited = e.clamp(value, e.fill(-limit, value.type), e.fill(limit - 1, value.type))
    return e.ir.trunc(limited, kind)


def _requant(out: ir.VectorType, residual: bool):
    """Code writer of contract section 5; bias and bounds are those of the stored code."""

    def emit(e: Emitter, sums, runs, multiplier, bias, skip, skip_multiplier, shift, low, high,
             codes):  # fmt: skip
        multipliers = e.ir.sext(e.load(multiplier, _S32), _S64)
        biases = e.load(bias, _S64)
        skips = e.ir.sext(e.splat(e.ir.trunc(skip_multiplier, I32), RUN), _S64)
        shifts = e.splat(shift, RUN)
        lows, highs = (e.splat(e.ir.trunc(v, I32), RUN) for v in (low, high))
        with e.loop(runs, []) as (run, _):
            place = e.ir.mul(run, e.number(RUN * 4))
            value = e.ir.sext(e.load(e.ir.add(sums, place), _S32), _S64)
            total = e.ir.add(e.ir.mul(value, multipliers), biases)
            if residual:
                operand = e.ir.sext(e.load(e.ir.add(skip, place), _S32), _S64)
                total = e.ir.add(total, e.ir.mul(operand, skips))
            # the output has at most 32 bits: saturate to int32 first, one instruction per vector
            code = _narrow(e, e.ir.ashr(total, shifts), _S32)
            stored = e.clamp(code, lows, highs)
            if out is not _S32:
                stored = e.ir.trunc(stored, out)
            size = RUN * out.element.width // 8
            e.store(stored, e.ir.add(codes, e.ir.mul(run, e.number(size))))

    emit.__name__ = f"requant_{out.element.width}_{residual}"
    return by_address(emit)


threshold_16, threshold_32 = _threshold(_S16), _threshold(_S32)
requant_bytes, requant_bytes_skip = _requant(_S8, False), _requant(_S8, True)
requant_words = _requant(_S32, True)
