"""Small networks with every layer kind that the array runs, for tests of the cost model."""

import numpy as np
from programs import Builder

from adqhw.spec import LayerKind, Program, Skip


def small_net(
    seed: int = 0,
    weight_width: int = 4,
    shape: tuple[int, int, int] = (3, 8, 8),
    **provenance: object,
) -> Program:
    """8-bit ends, read activations, a stride, an option-A shortcut and a pool; no max pooling."""
    b = Builder(np.random.default_rng(seed), shape)
    stream = b.mac(8, stage="requant", weight_width=8, uniform=True, padding=1)
    b.read(4)
    b.mac(16, weight_width=weight_width, act_width=4, padding=1, stride=2)
    skip = Skip(tensor=stream, stride=2, channel_offset=4)
    b.mac(16, stage="requant", weight_width=weight_width, padding=1, skip=skip)
    b.pool(LayerKind.AVG_POOL, 4, 4)
    b.mac(10, 1, stage="requant", weight_width=8, uniform=True, linear=True, out="s32")
    return b.build(**provenance)
