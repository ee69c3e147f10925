"""Formats against arithmetic done by hand and Python's big integers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.spec.errors import ContractError
from adqhw.spec.formats import IntFormat, freeze, twos_complement


@pytest.mark.parametrize(
    ("name", "low", "high", "dtype"),
    [("u1", 0, 1, "u1"), ("u8", 0, 255, "u1"), ("s8", -128, 127, "i1"), ("s9", -256, 255, "i2"),
     ("u32", 0, 2**32 - 1, "u4"), ("s64", -(2**63), 2**63 - 1, "i8")],
)  # fmt: skip
def test_names_ranges_and_dtypes(name, low, high, dtype):
    fmt = IntFormat.parse(name)
    assert (fmt.min, fmt.max, fmt.dtype, fmt.name) == (low, high, np.dtype(dtype), name)


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_holding_is_the_smallest_format(a, b):
    low, high = min(a, b), max(a, b)
    fmt = IntFormat.holding(low, high)
    assert fmt.contains(low, high)
    assert fmt.signed == (low < 0)
    if fmt.width > 1:
        assert not IntFormat(width=fmt.width - 1, signed=fmt.signed).contains(low, high)


@pytest.mark.parametrize("name", ["", "u0", "x8", "u64", "s65", "8", "u-1", "u 8", None])
def test_bad_names_are_refused(name):
    with pytest.raises(ContractError, match="Format"):
        IntFormat.parse(name)


def test_check_names_value_range_and_first_index():
    with pytest.raises(ContractError, match=r"Code must be in 0..15 \(u4\), not 16 at index \(1,"):
        IntFormat(width=4).check(np.array([[0, 15], [16, -1]]), "Code")
    with pytest.raises(ContractError, match="integer array, not dtype float64"):
        IntFormat(width=4).check(np.array([0.5]), "Code")


def test_freeze_copies_and_locks():
    source = np.arange(3)
    frozen = freeze(source, np.int64, "Values")
    source[0] = 7
    assert frozen.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        frozen[0] = 1
    with pytest.raises(ContractError, match="must fit int8"):
        freeze(np.array([128]), np.int8, "Values")


@given(width=st.integers(1, 63), above=st.integers(0, 1 << 62), seed=st.integers(0, 99))
def test_twos_complement_is_the_inverse_of_keeping_the_low_bits(width, above, seed):
    signed = IntFormat(width=width, signed=True)
    values = np.random.default_rng(seed).integers(signed.min, signed.max, 9, endpoint=True)
    values = np.concatenate([values, [signed.min, signed.max, 0]])
    low = values & ((1 << width) - 1)
    garbage = (above >> width) << width  # bits that are not of the field
    np.testing.assert_array_equal(twos_complement(low | garbage, width), values)
