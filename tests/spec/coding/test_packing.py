"""Codebooks and packing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.spec.codebook import Codebook, shift_factor, sign_magnitude_levels
from adqhw.spec.coding.packing import pack, packed_bytes, unpack
from adqhw.spec.errors import ContractError


def test_sign_magnitude_order_of_the_contract():
    levels = sign_magnitude_levels((90,), (-127,), 2)
    assert levels == (0, 90, 0, -127)
    book = Codebook(levels=levels, width=2)
    assert book.decode(np.array([[0, 1], [3, 2]])).tolist() == [[0, 90], [-127, 0]]
    assert book.level_format.name == "s8"
    assert sign_magnitude_levels((1, 2, 3), (-1,), 3) == (0, 1, 2, 3, 0, -1, 0, 0)


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


@given(st.integers(1, 8), st.lists(st.integers(0, 255), max_size=40))
def test_packing_against_a_big_integer(width, values):
    codes = [value % (1 << width) for value in values]
    stream = sum(code << (i * width) for i, code in enumerate(codes))  # low code first
    size = packed_bytes(len(codes), width)
    packed = pack(np.array(codes, dtype=np.int64), width)
    assert packed.tobytes() == stream.to_bytes(size, "little")
    assert unpack(packed, width, len(codes)).tolist() == codes


def test_packing_refuses_wrong_sizes_and_dirty_tails():
    assert pack(np.array([1, 2, 3]), 3).tolist() == [0xD1, 0x00]  # contract section 8
    with pytest.raises(ContractError, match="must be 2 bytes"):
        unpack(np.zeros(3, np.uint8), 3, 3)
    with pytest.raises(ContractError, match="end in zero bits"):
        unpack(np.array([0, 0x80], np.uint8), 3, 3)


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
