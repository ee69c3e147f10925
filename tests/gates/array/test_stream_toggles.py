"""Toggles of an operand stream: a tiny stream counted by hand, and each lane on its own."""

from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net

from adqhw.gates.array.streams import OperandStream, recorded
from adqhw.gates.array.structure import stream_cycles
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.toggles import TOGGLES
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.schedule import Schedule
from adqhw.spec import golden
from adqhw.spec.program import INPUT

ARCH = Arch(rows=1, cols=1, act_width=4, weight_width=2, level_width=3, acc_width=10, channels=1)


def one_lane(activations, weights, first, last, **changes) -> OperandStream:
    beats = len(activations)
    stream = OperandStream(
        layer="hand", operands="real",
        activations=np.array(activations).reshape(beats, 1),
        weights=np.array(weights).reshape(beats, 1, 1),
        channels=np.zeros(beats, int), first=np.array(first), last=np.array(last), macs=beats,
        act_width=4, weight_bits=2, level_width=3,
        codebook=[{"code": c, "level": v} for c, v in enumerate((0, 3, 1, -3))],
        bypass=0, work=Schedule(),
    )  # fmt: skip
    return replace(stream, **changes)


def test_four_beats_by_hand():
    """Codes 1 0 3 2 are levels 3 0 -3 1, activations 5 9 6 6; the second beat is gated.

    operand 5 5 6 6: 0101 -> 0110, 2 bits. level 011 011 101 001: 0, 2, 1.
    product 15 0 -18 6 in 7 bits: 0001111 0000000 1101110 0000110: 4, 5, 3.
    Two sums of two beats: accumulators 15 15 -18 -12.
    """
    found = ARCH.lanes.toggles(
        ARCH, one_lane([5, 9, 6, 6], [1, 0, 3, 2], [1, 0, 1, 0], [0, 1, 0, 1])
    )
    assert set(found) == set(TOGGLES)
    assert found["bus"] == (2 + 4 + 0) + (1 + 2 + 1)
    assert found["operand"] == 2
    assert found["level"] == 2 + 1
    # ones of the level 011 011 101 001 are 2 2 2 1, of the operand 0101 0101 0110 0110 always 2
    assert found["multiply"] == 2 * 2 + (2 + 1) * 2
    assert found["product"] == 4 + 5 + 3
    assert found["partial"] == 2 * 2 + 2 * 2 + 2 * 1
    assert found["sum"] == 4 + 8 + 6  # -18 and 6 with three more signs than in 7 bits
    # 15, 15, -18, -12: 0000001111, 0000001111, 1111101110, 1111110100
    assert found["accumulator"] == 0 + 6 + 3


def test_nothing_changes_nothing_toggles():
    found = ARCH.lanes.toggles(ARCH, one_lane([7] * 5, [0] * 5, [1, 0, 0, 0, 0], [0, 0, 0, 0, 1]))
    assert set(found.values()) == {0.0}


@pytest.mark.parametrize("work", [Schedule(), Schedule(act_digits=4, final_cycles=3)])
def test_cycles_are_those_of_the_schedule(work):
    stream = one_lane([1] * 4, [1] * 4, [1, 0, 1, 0], [0, 1, 0, 1], work=work)
    assert stream_cycles(stream) == 4 * work.beat_cycles + 2 * work.final_cycles


def test_lanes_add_up():
    """Of a real layer: what belongs to a lane is the sum over arrays that keep one lane each."""
    program = small_net()
    images = np.random.default_rng(5).integers(0, 256, (1, 3, 8, 8)).astype(np.uint8)
    tensors = {INPUT: images, **golden.run(program, images, keep="all").tensors}
    name = next(layer.name for layer in program.layers if getattr(layer, "codebook", None))
    arch = narrowest(program, rows=2, cols=3)
    stream = recorded(arch, program, name, tensors)
    whole = arch.lanes.toggles(arch, stream)
    parts = [
        arch.lanes.toggles(
            arch,
            replace(
                stream,
                activations=stream.activations[:, [r]],
                weights=stream.weights[:, [c]][..., [r]],
            ),
        )
        for r in range(2)
        for c in range(3)
    ]
    for key in ("operand", "level", "multiply", "product", "partial"):
        assert whole[key] == sum(part[key] for part in parts) > 0
