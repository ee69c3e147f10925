"""Output stages in standard operators: thresholds as comparisons, requantization in exact numbers.

Arithmetic shifts do not exist in ONNX. A shift is a floor in float64 where every total stays below
2^53, else a division in int64 of totals made non-negative, since `Div` of integers truncates.
"""

import numpy as np

from ...spec.activation import Threshold
from ...spec.layers import MacLayer, PoolLayer, Skip
from ...spec.program import Program
from ...spec.requant import Requant
from .base import NUMPY, Dialect
from .graph import BOOL, DOUBLE, I32, I64, U8
from .parts import EXACT_DOUBLE

CHAIN = 4
"""Widest codes (bits) that are counted threshold by threshold; wider ones are searched.

A chain takes 2^width - 1 comparisons of whole maps, a search `width` with a look-up each: measured
in ONNX Runtime, 54 against 68 ns per code at 4 bits, 1,021 against 140 at 8.
"""


def requant(
    dialect: Dialect, layer: MacLayer | PoolLayer, acc: str, stage: Requant, skip: Skip | None
) -> None:
    """Tensor `layer.name` by contract section 5."""
    program, name = dialect.program, layer.name
    bounds = program.acc_bounds(name)
    around = (0, 0) if skip is None else _range(program, skip)
    kind = DOUBLE if _magnitude(stage, bounds, around) <= EXACT_DOUBLE else I64
    total = _total(dialect, name, acc, stage, kind)
    if skip is not None and stage.skip_multiplier:
        total = _with_skip(dialect, name, total, stage, skip, kind)
    low, high = stage.total_bounds(bounds, around)
    if stage.shift:
        total = _shifted(dialect, name, total, stage.shift, kind, low)
    within = stage.out.contains(low >> stage.shift, high >> stage.shift)
    dialect.finish(name, total, stage.out, saturates=not within)


def reach(program: Program, layer: MacLayer | PoolLayer, stage: Requant) -> tuple[int, int]:
    """Lowest and highest code that the layer can make."""
    around = (0, 0) if layer.skip is None else _range(program, layer.skip)
    totals = stage.total_bounds(program.acc_bounds(layer.name), around)
    low, high = (total >> stage.shift for total in totals)
    return max(low, stage.out.min), min(high, stage.out.max)


def _range(program: Program, skip: Skip) -> tuple[int, int]:
    fmt = program.tensor_format(skip.tensor)
    return fmt.min, fmt.max


def _magnitude(stage: Requant, acc: tuple[int, int], skip: tuple[int, int]) -> int:
    """Bound of every number on the way to a total, in any order."""
    product = int(np.abs(stage.multiplier).max()) * max(-acc[0], acc[1])
    residual = abs(stage.skip_multiplier) * max(-skip[0], skip[1])
    return product + residual + int(np.abs(stage.bias).max()) + (1 << stage.shift)


def _total(dialect: Dialect, name: str, acc: str, stage: Requant, kind: int) -> str:
    """`multiplier * acc + bias + half`."""
    graph = dialect.graph
    total = graph.cast(acc, kind)
    if (stage.multiplier != 1).any():
        factor = dialect.channelwise(f"{name}/multiplier", stage.multiplier, kind)
        total = graph.add("Mul", [total, factor], f"{name}/scaled")
    bias = stage.bias + ((1 << stage.shift) >> 1)
    if bias.any():
        label = f"{name}/bias_and_half" if stage.shift else f"{name}/bias"
        addend = dialect.channelwise(label, bias, kind)
        total = graph.add("Add", [total, addend], f"{name}/biased")
    return total


def _with_skip(
    dialect: Dialect, name: str, total: str, stage: Requant, skip: Skip, kind: int
) -> str:
    graph = dialect.graph
    codes = graph.cast(_skip_codes(dialect, name, skip), kind)
    factor = graph.constant(f"{name}/skip_multiplier", stage.skip_multiplier, NUMPY[kind])
    codes = graph.add("Mul", [codes, factor], f"{name}/skip_scaled")
    return graph.add("Add", [total, codes], f"{name}/total")


def _skip_codes(dialect: Dialect, name: str, skip: Skip) -> str:
    """Residual codes (N, C, H', W'): every `stride`-th pixel, channels of zeros around."""
    graph, source = dialect.graph, skip.tensor
    if skip.stride > 1:
        steps = [skip.stride] * 2
        bounds = {"starts": [0, 0], "ends": [1 << 30] * 2, "axes": [2, 3], "steps": steps}
        names = [graph.constant(f"{name}/skip_{k}", v, np.int64) for k, v in bounds.items()]
        source = graph.add("Slice", [source, *names], f"{name}/skip_taken")
    before = skip.channel_offset
    have, want = (dialect.program.tensor_shape(t)[0] for t in (skip.tensor, name))
    if have == want:
        return source
    around = [0, before, 0, 0, 0, want - have - before, 0, 0]
    pads = graph.constant(f"{name}/skip_pads", around, np.int64)
    return graph.add("Pad", [source, pads], f"{name}/skip_padded")


def _shifted(dialect: Dialect, name: str, total: str, shift: int, kind: int, low: int) -> str:
    """`total >> shift`, arithmetic, of totals of at least `low`."""
    graph = dialect.graph
    if kind == DOUBLE:
        scale = graph.constant(f"constant/2^-{shift}", 2.0**-shift, np.float64)
        total = graph.add("Mul", [total, scale], f"{name}/unrounded")
        return graph.add("Floor", [total], f"{name}/rounded")
    above = -(low >> shift) if low < 0 else 0
    if above:
        lift = graph.constant(f"{name}/lift", above << shift, np.int64)
        total = graph.add("Add", [total, lift], f"{name}/lifted")
    divisor = graph.constant(f"constant/{1 << shift}", 1 << shift, np.int64)
    total = graph.add("Div", [total, divisor], f"{name}/quotient")
    if above:
        back = graph.constant(f"{name}/lift_shifted", above, np.int64)
        total = graph.add("Sub", [total, back], f"{name}/rounded")
    return total


def count_thresholds(
    dialect: Dialect, name: str, acc: str, stage: Threshold, bounds: tuple[int, int]
) -> None:
    """uint8 codes `name` of sums `acc` in `bounds`: how many thresholds each reaches."""
    value = dialect.signed(name, acc, stage)
    most = max(-bounds[0], bounds[1])
    tau = np.clip(stage.tau, -most, most + 1)  # those out of reach stay so, and are exact numbers
    if stage.width <= CHAIN:
        _chain(dialect, name, value, tau)
    else:
        _search(dialect, name, value, tau)


def _chain(dialect: Dialect, name: str, value: str, tau: np.ndarray) -> None:
    """Each threshold that is reached replaces the code: they do not fall."""
    graph = dialect.graph
    code = graph.constant("constant/code0", 0, np.uint8)
    for position in range(tau.shape[1]):
        row = dialect.channelwise(f"{name}/tau{position}", tau[:, position], graph.types[value])
        reached = graph.add("GreaterOrEqual", [value, row], f"{name}/reached{position}", type=BOOL)
        more = graph.constant(f"constant/code{position + 1}", position + 1, np.uint8)
        last = position == tau.shape[1] - 1
        output = name if last else f"{name}/code{position}"
        code = graph.add("Where", [reached, more, code], output, type=U8)


def _search(dialect: Dialect, name: str, value: str, tau: np.ndarray) -> None:
    """Binary search: bit by bit, whether the threshold of the code so far is reached."""
    graph, kind = dialect.graph, dialect.graph.types[value]
    rows, count = tau.shape
    table = graph.constant(f"{name}/tau", tau.reshape(-1), NUMPY[kind])
    before = np.arange(rows, dtype=np.int64).reshape(-1, 1, 1) * count - 1
    base = graph.constant(f"{name}/tau_before", before, np.int32)
    half = (count + 1) // 2
    middle = dialect.channelwise(f"{name}/tau{half - 1}", tau[:, half - 1], kind)
    above = graph.constant(f"{name}/tau_half", before + half, np.int32)
    reached = graph.add("GreaterOrEqual", [value, middle], f"{name}/reached{half}", type=BOOL)
    place = graph.add("Where", [reached, above, base], f"{name}/place{half}", type=I32)
    while half > 1:
        half //= 2
        step = graph.constant(f"constant/step{half}", half, np.int32)
        ahead = graph.add("Add", [place, step], f"{name}/ahead{half}")
        border = graph.add("Gather", [table, ahead], f"{name}/border{half}")
        reached = graph.add("GreaterOrEqual", [value, border], f"{name}/reached{half}", type=BOOL)
        place = graph.add("Where", [reached, ahead, place], f"{name}/place{half}", type=I32)
    graph.cast(graph.add("Sub", [place, base], f"{name}/count"), U8, name)


def look_up_thresholds(dialect: Dialect, name: str, source: str, stage: Threshold) -> None:
    """uint8 codes `name` of codes of at most 8 bits: a table of all of them."""
    graph, fmt = dialect.graph, dialect.program.tensor_format(source)
    codes = np.arange(fmt.min, fmt.max + 1)
    rows = np.broadcast_to(codes, (1, stage.channels, len(codes)))
    table = graph.constant(f"{name}/table", stage.apply(rows)[0].reshape(-1), np.uint8)
    index = graph.cast(source, I32)
    first = np.arange(stage.channels).reshape(-1, 1, 1) * len(codes) - fmt.min
    if first.any():
        start = graph.constant(f"{name}/row", first, np.int32)
        index = graph.add("Add", [index, start], f"{name}/index")
    graph.add("Gather", [table, index], name, type=U8)
