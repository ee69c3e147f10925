"""Threshold activation against its defining count, exhaustively at small widths."""

import itertools

import numpy as np
import pytest

from adqhw.spec.activation import Threshold
from adqhw.spec.errors import ContractError


def test_every_two_bit_threshold_on_every_small_sum():
    sums = np.arange(-4, 5)
    for taus in itertools.combinations_with_replacement(range(-4, 6), 3):
        for sign in (-1, 1):
            stage = Threshold(tau=[taus], sign=[sign])
            expected = [sum(sign * int(acc) >= t for t in taus) for acc in sums]
            assert stage.apply(sums.reshape(-1, 1)).reshape(-1).tolist() == expected


def test_channels_have_their_own_rows_or_share_one():
    own = Threshold(tau=[[0], [10]], sign=[1, -1])
    assert own.apply(np.array([[5, 5], [-5, -10]])).tolist() == [[1, 0], [0, 1]]
    shared = Threshold(tau=[[0]], sign=[1])
    assert shared.apply(np.array([[5, -1], [0, 3]])).tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("tau", "sign", "message"),
    [
        ([[2, 1, 3]], [1], "non-decreasing, not 2 before 1 at channel 0, index 0"),
        ([[1, 2]], [1], "2\\^act_width - 1"),
        ([[1]], [0], "sign must be"),
        ([[1], [2]], [1], "tau \\(C, L\\)"),
        ([[0.5]], [1], "integer array"),
        (np.zeros((1, 511), int), [1], "act_width in 1..8"),
    ],
)
def test_bad_stages_are_refused(tau, sign, message):
    with pytest.raises(ContractError, match=message):
        Threshold(tau=tau, sign=sign)
