"""Toggles of a product table array: by hand, and registers against the golden sums."""

from dataclasses import replace

import numpy as np
import pytest
from cost_nets import small_net

from adqhw.gates.array.streams import expected_sums, random_twin, recorded
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.lanes.product_table import TABLE_TOGGLES, table_cycles
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import golden
from adqhw.spec.formats import twos_complement
from adqhw.spec.layers import MacLayer
from adqhw.spec.program import INPUT

PROGRAM = small_net()
LAYERS = [layer.name for layer in PROGRAM.layers if isinstance(layer, MacLayer)]
ARCH = narrowest(PROGRAM, rows=2, cols=3, micro="product_table")


def streams():
    images = np.random.default_rng(5).integers(0, 256, (1, 3, 8, 8)).astype(np.uint8)
    tensors = {INPUT: images, **golden.run(PROGRAM, images, keep="all").tensors}
    for name in LAYERS:
        real = recorded(ARCH, PROGRAM, name, tensors)
        yield from (real, random_twin(real, 3))


def test_accumulators_end_at_the_golden_sums():
    """Codes and levels, one digit and several: the digits are cut and shifted as in the array."""
    kinds = set()
    for stream in streams():
        cycles = table_cycles(ARCH, stream)
        ends = (np.flatnonzero(stream.last) + 1) * stream.work.beat_cycles - 1
        found = twos_complement(cycles.accumulators[ends], ARCH.acc_width)
        assert np.array_equal(found, expected_sums(stream, ARCH.acc_width)), stream.layer
        kinds.add((bool(stream.codebook), stream.work.act_digits, stream.work.level_digits > 1))
    assert {(True, 1, False), (False, 2, True)} <= kinds


def test_three_beats_by_hand():
    """Levels 0 3 1 -3, activations 5 5 6, codes 1 0 3: the second beat is gated, the word stays.

    5 -> 6: digit 0101 0110, 2 bits; words 0 15 5 -15 and 0 18 6 -18. 15 01111, 18 10010: 4 bits;
    5 00101, 6 00110: 2; -15 10001, -18 01110 in the lower 5 bits and the same sign: 5.
    Products 15 0 -18: 15 -> 0 4 bits, 0 -> -18 = ..101110 1 0 1 1 1 0 with signs.
    """
    arch = Arch(
        rows=1, cols=2, act_width=4, weight_width=2, level_width=3, acc_width=10, channels=1,
        micro="product_table",
    )  # fmt: skip
    stream = replace(
        next(streams()),
        activations=np.array([[5], [5], [6]]),
        weights=np.array([[[1], [0]], [[0], [0]], [[3], [0]]]),
        first=np.array([1, 0, 0]), last=np.array([0, 0, 1]), bypass=0,
        codebook=[{"code": c, "level": v} for c, v in enumerate((0, 3, 1, -3))],
        work=replace(next(streams()).work, act_digits=1, level_digits=1),
    )  # fmt: skip
    found = arch.lanes.toggles(arch, stream)
    assert tuple(found) == TABLE_TOGGLES == arch.lanes.toggle_names
    assert found["bus"] == 2 + 1 + 2  # activations; codes 01 -> 00 -> 11
    assert found["digit"] == 2
    assert found["word"] == 4 + 2 + 5
    assert found["reach"] == 2 * found["word"]
    assert found["field"] == found["code"] == 1  # 01, held, 11
    width = 3 + 4  # a level times a digit
    minus = bin(-18 & (1 << width) - 1).count("1")
    assert found["product"] == 4 + minus
    assert found["select"] == bin((15 ^ -18) & (1 << width) - 1).count("1")
    assert found["sum"] == 4 + bin(-18 & 1023).count("1")
    assert found["accumulator"] == bin((15 ^ -3) & 1023).count("1")  # 15, 15, -3


def test_standing_operands_move_nothing_but_the_sum():
    stream = next(s for s in streams() if s.codebook)
    beats = len(stream)
    still = replace(
        stream,
        activations=np.repeat(stream.activations[:1], beats, axis=0),
        weights=np.repeat(stream.weights[-1:], beats, axis=0),
    )
    found = ARCH.lanes.toggles(ARCH, still)
    moving = {name for name, count in found.items() if count}
    assert moving
    assert moving <= {"accumulator"}


@pytest.mark.parametrize("name", TABLE_TOGGLES)
def test_everything_moves_in_some_layer(name):
    assert sum(ARCH.lanes.toggles(ARCH, stream)[name] for stream in streams()) > 0
