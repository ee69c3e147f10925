"""Programs and arithmetic to compare events with counters of the RTL; nothing of the cost model."""

from collections import Counter
from dataclasses import replace

import numpy as np
from programs import Builder

from adqhw.rtl.arch.arch import Arch
from adqhw.spec import LayerKind, Program, Requant, Skip, Threshold
from adqhw.spec.layers import MacLayer
from adqhw.spec.program import INPUT


def every_layer(*, shifts: bool = False, ungated: bool = False) -> Program:
    """Convolution, linear, grouped, depthwise, strided, 1x1, read activation, both pools, both
    kinds of residual, stored levels and codes. ungated: no weight is 0, so that lanes that have a
    weight are those that are live."""
    b = Builder(np.random.default_rng(4), (3, 4, 4), shifts=shifts)
    b.input_width = 4
    b.mac(4, stage="requant", weight_width=5, uniform=True, padding=1)
    stream = b.pool(LayerKind.MAX_POOL, 2, 1)
    b.read(3, shared=True)
    b.mac(4, weight_width=3, groups=4, padding=1, act_width=3)
    b.mac(6, kernel=1, weight_width=3, groups=2, stage="requant")
    b.mac(4, stage="requant", padding=1, skip=Skip(tensor=stream))
    b.mac(5, weight_width=2, stride=2, padding=1, act_width=2)
    b.mac(5, kernel=1, stage="requant", skip=Skip(tensor=b.last))
    b.pool(LayerKind.AVG_POOL, 2, 2)
    b.mac(4, 1, stage="requant", weight_width=4, uniform=True, linear=True, out="s32")
    program = b.build()
    if not ungated:
        return program
    layers = [
        replace(
            x, weights=np.where(np.asarray(x.weights) == 0, 1, x.weights).astype(x.weights.dtype)
        )
        if isinstance(x, MacLayer)
        else x
        for x in program.layers
    ]
    return replace(program, layers=tuple(layers))


def moved_layers() -> Program:
    """What version 2 of the contract adds: windows of unequal sides, an addition, concatenations
    by words and by codes, upsampling, signed codes that are read by sums."""
    b = Builder(np.random.default_rng(8), (3, 4, 3))
    b.input_width = 4
    left = b.mac(4, (1, 2), "requant", padding=(0, 1, 0, 0), stride=(2, 1), out="s4")
    right = b.mac(5, (2, 1), "requant", padding=(0, 0, 1, 0), stride=(2, 1), out="s4",
                  source=INPUT)  # fmt: skip
    b.concat(left, right, left)
    b.mac(4, 1, "requant", weight_width=3, out="s4")
    b.add(left, out="s4")
    b.upsample((1, 2))
    b.pool(LayerKind.MAX_POOL, (1, 2), (1, 2), (0, 1, 0, 0))
    b.pool(LayerKind.AVG_POOL, b.shape(b.last)[1:], 1)
    b.mac(4, 1, stage="requant", weight_width=4, uniform=True, linear=True, out="s32")
    return b.build()


def compared(program: Program, layer, arch: Arch, passes: list[Counter]) -> float:
    """Codes that the maxima compare: of words, those that hold a channel."""
    sources = layer.inputs if layer.kind is LayerKind.CONCAT else [layer.name] * len(passes)
    channels = [program.tensor_shape(name)[0] for name in sources]
    words = zip(channels, passes, strict=True)
    return sum(t["maxima"] * count / -(-count // arch.rows) for count, t in words)


def residual_of(layer) -> str:
    """The tensor that is read code by code."""
    skip = getattr(layer, "skip", None)
    if skip is not None:
        return skip.tensor
    return layer.name if layer.output is None else layer.input


def output_events(program: Program, layer, outputs: int) -> dict[str, float]:
    acc = program.acc_width(layer.name)
    match layer.output:
        case Threshold() as output:
            return {"compare_bit": outputs * output.tau.shape[1] * acc}
        case Requant() as output:
            multiplier = max(signed_bits(v) for v in output.multiplier.tolist())
            product, adds = multiplier * acc, 2
            if getattr(layer, "skip", None) is not None:
                skip = program.tensor_format(layer.skip.tensor).width
                product += signed_bits(output.skip_multiplier) * skip
                adds = 3
            added = outputs * adds * (multiplier + acc)
            return {"requant_multiply_bit2": outputs * product, "requant_add_bit": added}
    return {}


def signed_bits(value: int) -> int:
    return next(n for n in range(2, 64) if -(1 << n - 1) <= value < 1 << n - 1)


def stages(choices: int) -> int:
    return next(n for n in range(64) if 1 << n >= choices)


def tree_bits(lanes: int, width: int, acc: int) -> int:
    """Pairs of terms, stage by stage."""
    bits, terms = 0, [width] * lanes
    while len(terms) > 1:
        pairs = [min(max(a, b) + 1, acc) for a, b in zip(terms[::2], terms[1::2], strict=False)]
        bits += sum(pairs)
        terms = pairs + terms[2 * len(pairs) :]
    return bits


def has_factor(layer) -> int:
    """The odd part that levels share, 0 where all are powers of two."""
    odd = {abs(v) // (abs(v) & -abs(v)) for v in layer.codebook.levels if v}
    return max(odd - {1}, default=0)
