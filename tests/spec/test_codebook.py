"""Codebooks: order of codes, decoding, shift form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.spec.codebook import Codebook, encode, shift_factor
from adqhw.spec.errors import ContractError


def test_sign_magnitude_order_of_the_contract():
    codes, book = encode(np.array([2, 1, 0]), (-127, 0, 90), 1, 2)
    assert codes.tolist() == [1, 0, 3]
    assert book.levels == (0, 90, 0, -127)
    assert book == Codebook(levels=book.levels, width=2)
    assert book.decode(np.array([[0, 1], [3, 2]])).tolist() == [[0, 90], [-127, 0]]
    assert book.level_format.name == "s8"
    assert encode(0, (-1, 0, 1, 2, 3), 1, 3)[1].levels == (0, 1, 2, 3, 0, -1, 0, 0)


def test_the_lowest_of_two_complement_levels_takes_the_code_of_minus_zero():
    """LSQ's tables, 2 bits by hand: -2, -1, 0, 1 have codes 2, 3, 0, 1."""
    codes, book = encode(np.array([[0, 1], [2, 3]]), (-2, -1, 0, 1), 2, 2)
    assert codes.tolist() == [[2, 3], [0, 1]]
    assert book.levels == (0, 1, -2, -1)
    codes, book = encode(np.arange(8), range(-4, 4), 4, 3)
    assert codes.tolist() == [4, 7, 6, 5, 0, 1, 2, 3]
    assert book.levels == (0, 1, 2, 3, -4, -1, -2, -3)


@given(st.integers(2, 8), st.data())
def test_encoded_weights_decode_to_their_levels(width, data):
    half = 1 << (width - 1)
    above, below = data.draw(st.integers(0, half)), data.draw(st.integers(0, half - 1))
    if data.draw(st.booleans()):
        above, below = below, above
    levels = [*range(-3 * below, 0, 3), 0, *range(5, 5 * above + 1, 5)]
    ranks = np.arange(len(levels))
    codes, book = encode(ranks, levels, below, width)
    assert book.decode(codes).tolist() == levels
    assert len(set(codes.tolist())) == len(levels)
    assert (half in codes) == (half in (above, below))  # "minus zero" has a level only then


@pytest.mark.parametrize("levels", [(-2, -1, 0, 1, 2), (-3, -2, -1, 0, 1)])
def test_too_many_levels_of_a_sign_are_refused(levels):
    with pytest.raises(ContractError, match=r"at most 1 levels of one sign and 2 of the other"):
        encode(0, levels, levels.index(0), 2)


def test_code_outside_the_codebook_names_value_and_index():
    book = Codebook(levels=(0, 5, -5), width=2)
    with pytest.raises(ContractError, match=r"0..2 \(its codebook\), not 3 at index \(1,\)"):
        book.decode(np.array([0, 3]))
    with pytest.raises(ContractError, match=r"not -1 at index \(0,\)"):
        book.decode(np.array([-1]))


@pytest.mark.parametrize(
    ("levels", "width", "message"),
    [
        ((1, 2), 2, "code 0 must be 0"),
        ((0, 1, 2, 3, 4), 2, "1..4 levels"),
        ((0,), 9, "width must be in 2..8"),
        ((0, 40000), 2, "not 40000 at code 1"),
        ((0, 1.5), 2, "integer in"),
    ],
)
def test_bad_codebooks_are_refused(levels, width, message):
    with pytest.raises(ContractError, match=message):
        Codebook(levels=levels, width=width)


@pytest.mark.parametrize(
    ("levels", "factor"),
    [
        ((0,), 1),
        ((0, 1, -2, 64, -128), 1),
        ((0, 64, 44, -22, 11), 11),
        ((0, -45, 64, 90), 45),  # 90 is 45 * 2
        ((0, 3, 5), None),
        ((0, 64, 45, 23), None),  # POST rounded level by level
        ((0, 8, 9, -18, 0), 9),
    ],
)
def test_shift_form_has_one_odd_factor(levels, factor):
    assert shift_factor(levels) == factor
