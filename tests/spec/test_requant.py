"""Requantization against exact fractions, exhaustively at small widths."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.spec.errors import ContractError
from adqhw.spec.formats import IntFormat
from adqhw.spec.requant import Requant, round_shift


def oracle(multiplier, acc, skip_multiplier, skip, bias, shift, out):
    """Half up by its definition: floor(x + 1/2), on exact fractions; then clamp."""
    total = Fraction(multiplier * acc + skip_multiplier * skip + bias, 1 << shift)
    return max(out.min, min(out.max, math.floor(total + Fraction(1, 2))))


def test_all_small_operands():
    out = IntFormat(width=4, signed=True)
    acc = np.arange(-16, 16).reshape(-1, 1)
    for multiplier in range(-4, 5):
        for bias in (-5, -1, 0, 1, 2):
            for shift in range(4):
                stage = Requant(multiplier=[multiplier], bias=[bias], shift=shift, out=out)
                expected = [
                    oracle(multiplier, int(a), 0, 0, bias, shift, out) for a in acc.reshape(-1)
                ]
                assert stage.apply(acc).reshape(-1).tolist() == expected


def test_half_up_at_the_ties_the_contract_names():
    assert round_shift(np.array([-3, -1, 1, 3]), 1).tolist() == [-1, 0, 1, 2]
    assert round_shift(np.array([-3, 5]), 0).tolist() == [-3, 5]


@given(
    acc=st.integers(-(2**31), 2**31 - 1),
    multiplier=st.integers(-(2**23), 2**23 - 1),
    skip=st.integers(-128, 255),
    skip_multiplier=st.integers(-(2**31), 2**31 - 1),
    bias=st.integers(-(2**55), 2**55 - 1),
    shift=st.integers(0, 47),
    out=st.sampled_from(["u8", "s8", "s32", "u4"]).map(IntFormat.parse),
)
def test_wide_operands(acc, multiplier, skip, skip_multiplier, bias, shift, out):
    stage = Requant(
        multiplier=[multiplier], bias=[bias], shift=shift, out=out, skip_multiplier=skip_multiplier
    )
    expected = oracle(multiplier, acc, skip_multiplier, skip, bias, shift, out)
    assert int(stage.apply(np.array([[acc]]), np.array([[skip]]))[0, 0]) == expected
    low, high = stage.total_bounds((acc, acc), (skip, skip))
    exact = multiplier * acc + skip_multiplier * skip + bias + ((1 << shift) >> 1)
    assert low == high == exact


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"multiplier": [1 << 31]}, "multiplier must be in"),
        ({"bias": [1 << 55]}, "bias must be in"),
        ({"shift": 48}, "shift must be in 0..47"),
        ({"shift": -1}, "shift must be in 0..47"),
        ({"skip_multiplier": 1 << 31}, "skip_multiplier must fit s32"),
        ({"out": IntFormat(width=33)}, "must fit s32"),
        ({"bias": [0, 0]}, "multiplier \\(C,\\)"),
        ({"multiplier": [1.5]}, "integer array"),
    ],
)
def test_bad_stages_are_refused(change, message):
    good = {"multiplier": [1], "bias": [0], "shift": 0, "out": IntFormat(width=8)}
    with pytest.raises(ContractError, match=message):
        Requant(**{**good, **change})
