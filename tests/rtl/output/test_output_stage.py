"""Output stage against the contract's functions: every write, chained write, result and cycle."""

import numpy as np
import pytest

from adqhw.rtl.arch.arch import Arch, RequantWidths
from adqhw.rtl.arch.storage import Storage
from adqhw.rtl.timing.held_timing import (
    STAGE_SETUP_CYCLES,
)
from adqhw.verify.stage_bench import Pressure, check, check_cycles, run_passes
from adqhw.verify.stage_model import Contents
from adqhw.verify.stage_passes import KINDS, random_pass

SIZES = {1: (3, 5), 2: (4, 4), 3: (6, 9), 4: (8, 8), 8: (8, 16)}
"""Rows and columns by output lanes."""
WAYS = [
    (kind, narrow, skip, results)
    for kind in KINDS
    for narrow, skip, results in ((0, 0, 0), (0, 1, 0), (1, 1, 0), (1, 0, 1))
    if kind != "maxima" or not (narrow or skip)
    if not skip or kind in ("requant", "chained")
]


def arch(lanes: int, **changes) -> Arch:
    rows, cols = SIZES[lanes]
    storage = Storage(activation_words=256, threshold_rows=60, requant_rows=60, code_width=8)
    widths = RequantWidths(
        multiplier_width=6, bias_width=14, shift_max=9, skip_multiplier_width=5, skip_width=9
    )
    values = {"acc_width": 12, "threshold_width": 2, "out_width": 20, "requant": widths}
    values |= {"hold": 4, "out_lanes": lanes, "storage": storage} | changes
    return Arch(rows=rows, cols=cols, **values)


@pytest.mark.parametrize("lanes", SIZES)
def test_passes_of_every_kind(lanes: int):
    """Each setup follows the end of the pass before it; groups come after any time."""
    a, rng = arch(lanes), np.random.default_rng(lanes)
    contents = Contents.random(a, rng)
    passes = [
        random_pass(a, rng, kind, narrow=narrow, skip=skip, results=results)
        for kind, narrow, skip, results in WAYS * (2 if lanes < 4 else 1)
    ]
    records = run_passes(a, contents, passes, Pressure(idle=0.4), seed=lanes)
    for one, record in zip(passes, records, strict=True):
        check(a, contents, one, record)
        check_cycles(a, contents, one, record)


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_results_that_are_not_taken_freeze_all(lanes: int):
    a, rng = arch(lanes), np.random.default_rng(lanes + 50)
    contents = Contents.random(a, rng)
    kinds = [kind for kind in KINDS if kind != "maxima"]
    passes = [
        random_pass(a, rng, kind, narrow=1, skip=int(kind in ("requant", "chained")), results=1)
        for kind in kinds
    ]
    records = run_passes(a, contents, passes, Pressure(idle=0.2, pause=0.6), seed=lanes)
    for one, record in zip(passes, records, strict=True):
        check(a, contents, one, record)


def test_groups_without_a_gap_are_drained_without_a_gap():
    """One chunk per cycle over groups, lines and blocks."""
    a, rng = arch(4), np.random.default_rng(9)
    contents = Contents.random(a, rng)
    one = random_pass(a, rng, "chained", narrow=0)
    while one.walk["blocks"] < 2 or len(one.groups) < 2:
        one = random_pass(a, rng, "chained", narrow=0)
    (record,) = run_passes(a, contents, [one])
    check(a, contents, one, record)
    check_cycles(a, contents, one, record)
    assert record.taken == [STAGE_SETUP_CYCLES + i for i in range(len(record.taken))]


def test_32_levels_are_counted_in_two_stages():
    a, rng = arch(2, threshold_width=5), np.random.default_rng(3)
    contents = Contents.random(a, rng, low=10)
    passes = [random_pass(a, rng, kind, narrow=0) for kind in ("threshold", "chained")]
    for one, record in zip(passes, run_passes(a, contents, passes), strict=True):
        check(a, contents, one, record)
        check_cycles(a, contents, one, record)


def test_the_contracts_widths_in_a_pass():
    """Factors of more than one part, results of 32 bits."""
    widths = RequantWidths(multiplier_width=32)
    a = arch(2, acc_width=32, out_width=32, requant=widths)
    rng = np.random.default_rng(4)
    contents = Contents.random(a, rng)
    contents.bias = rng.integers(-(1 << 55), 1 << 55, contents.bias.shape)
    passes = [random_pass(a, rng, "requant", narrow=1, skip=i % 2, results=1) for i in range(4)]
    for i, one in enumerate(passes):
        one.stage["shift"] = (47, 40, 36, 33)[i]
    for one, record in zip(passes, run_passes(a, contents, passes), strict=True):
        check(a, contents, one, record)
        check_cycles(a, contents, one, record)
