"""Cycles of passes from their descriptors, against those of layers from their shapes."""

import numpy as np
from general_nets import general_net
from held_sizes import held_size
from random_nets import random_net

from adqhw.rtl.planning.step_cycles import plan_cycles
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.timing.held_cycles import held_cycles

COMPARED = (
    "name", "kind", "cycles", "beats", "drain_stalls", "word_stalls", "weight_words", "passes",
    "chunks",
)  # fmt: skip


def test_descriptors_and_shapes_take_the_same_cycles():
    for seed in range(40):
        program = general_net(seed) if seed % 2 else random_net(seed)
        arch = narrowest(program, **held_size(np.random.default_rng(seed)))
        plan = check_storage(arch, program)
        found, wanted = plan_cycles(arch, plan), held_cycles(arch, program)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            for name in COMPARED:
                assert getattr(one, name) == getattr(other, name), (seed, one.name, name)
