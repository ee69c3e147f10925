"""Hex words against Python's own integers."""

import numpy as np
import pytest

from adqhw.rtl.layouts.hexfile import hex_lines


def test_fields_lie_from_the_low_end_up():
    lines = hex_lines([(np.array([[1, 2], [15, 0]]), 4), (np.array([5, -1]), 3)])
    assert [int(line, 16) for line in lines.split()] == [0x521, 0x70F]


@pytest.mark.parametrize("width", [1, 7, 8, 13, 32, 63])
def test_random_words_of_odd_widths(width: int):
    rng = np.random.default_rng(width)
    values = rng.integers(-(1 << (width - 1)), 1 << (width - 1), (20, 5))
    mask = (1 << width) - 1
    expected = [sum((int(v) & mask) << (i * width) for i, v in enumerate(word)) for word in values]
    lines = hex_lines([(values, width)]).split()
    assert [int(line, 16) for line in lines] == expected
    assert {len(line) for line in lines} == {-(-5 * width // 4)}  # a digit more is a warning


def test_a_value_too_large_for_its_field_is_not_cut():
    with pytest.raises(ValueError, match=r"must fit 4 bits, not 3\.\.16"):
        hex_lines([(np.array([3, 16]), 4)])
    with pytest.raises(ValueError, match=r"must fit 4 bits, not -9\.\.3"):
        hex_lines([(np.array([3, -9]), 4)])


def test_no_words_give_no_lines():
    assert hex_lines([(np.zeros((0, 3), np.int64), 4)]) == ""
