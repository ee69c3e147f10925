"""Parts of a sum: exact in float32 each, and together the sum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.exchange.writers.parts import EXACT, reach, split
from adqhw.spec import IntFormat


@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1), width=st.integers(1, 31), signed=st.booleans(),
    depth=st.integers(1, 300), level_bits=st.integers(1, 16),
)  # fmt: skip
def test_parts_make_the_sum(seed, width, signed, depth, level_bits):
    rng = np.random.default_rng(seed)
    fmt = IntFormat(width=width, signed=signed)
    limit = 1 << (level_bits - 1)
    levels = rng.integers(-limit, limit, (3, depth, 1, 1))
    codes = rng.integers(fmt.min, fmt.max + 1, depth)
    check(levels, fmt, codes)


def check(levels, fmt, codes):
    found = split(levels, fmt)
    total = np.zeros(len(levels), object)
    for code_part in found.codes:
        digits = code_part.of(codes)
        assert digits.min() >= code_part.low
        assert digits.max() <= code_part.high
        for part in found.weights:
            values = part.of(levels)
            assert reach(values, code_part) <= EXACT
            sums = (values.reshape(len(levels), -1).astype(object) * digits).sum(axis=1)
            total = total + sums * (1 << (code_part.shift + part.shift))
    expected = (levels.reshape(len(levels), -1).astype(object) * codes).sum(axis=1)
    np.testing.assert_array_equal(total, expected)
    return found


@pytest.mark.parametrize(
    ("depth", "level", "name", "convolutions"),
    [
        (64 * 9, 7, "u4", 1),
        (512, 127, "u8", 1),
        (4608, 127, "u8", 2),
        (1 << 16, 1, "u8", 1),
        (1 << 17, 1, "u8", 2),
        (1, 1, "u24", 1),
        (1, 1, "u25", 2),
        (1, 1, "s24", 1),
        (1, 1, "s32", 2),
    ],
)
def test_as_few_convolutions_as_fit(depth, level, name, convolutions):
    fmt = IntFormat.parse(name)
    levels = np.full((1, depth), level)
    assert check(levels, fmt, np.full(depth, fmt.max)).convolutions == convolutions
