"""Networks of few cycles, for simulators that take long."""

import numpy as np
from programs import Builder

from adqhw.spec import LayerKind, Program


def small_net(*, shifts: bool = False) -> Program:
    """Pixels, thresholds, max pooling, logits. shifts: codebooks that `shift_add` takes."""
    b = Builder(np.random.default_rng(3), (3, 4, 4), shifts=shifts)
    b.mac(4, stage="requant", weight_width=6, uniform=True, padding=1)
    b.read(3)
    b.mac(5, weight_width=3, act_width=3)
    b.pool(LayerKind.MAX_POOL, 2, 1)
    b.mac(3, 1, stage="requant", weight_width=8, uniform=True, linear=True, out="s32")
    return b.build()
