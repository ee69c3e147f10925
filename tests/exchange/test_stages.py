"""Stages equal the function that they are made from, at every sum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.exchange.stages import requant_of, stage
from adqhw.exchange.steps import find
from adqhw.spec.activation import Threshold
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat
from adqhw.spec.requant import Requant

U8, S8 = IntFormat(width=8), IntFormat(width=8, signed=True)


def everywhere(low, high):
    """All sums of each channel, (C, K); shorter rows repeat their last."""
    count = int((high - low).max()) + 1
    return np.minimum(low[:, None] + np.arange(count), high[:, None])


def equal(found, function, low, high):
    sums = everywhere(low, high)
    codes = found.apply(sums.T[:, :, None])[:, :, 0].T
    return (codes == function(sums)).all()


def away(multiplier, shift, zero, fmt):
    """Half away from zero: the rounding of TFLite's last division."""

    def function(sums):
        product = sums * multiplier[:, None]
        magnitude = (np.abs(product) + (1 << (shift - 1))) >> shift
        return np.clip(np.sign(product) * magnitude + zero, fmt.min, fmt.max)

    return function


def even(scale, fmt):
    """Half to even, of a ratio of integers."""

    def function(sums):
        return np.clip(np.rint(sums / scale).astype(np.int64), fmt.min, fmt.max)

    return function


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.booleans())
@settings(max_examples=25, derandomize=True)
def test_any_rounding_is_found_exactly(seed, channels, positive):
    rng = np.random.default_rng(seed)
    multiplier = rng.integers(200, 4000, channels) * rng.choice([1, 1, 1, -1], channels)
    low, high = -rng.integers(1, 4000, channels), rng.integers(0, 4000, channels)
    zero = 0 if positive else int(rng.integers(20, 230))
    function = away(multiplier, int(rng.integers(8, 15)), zero, U8)
    assert equal(stage(function, low, high, U8, "Layer 'a'"), function, low, high)


def test_half_to_even_of_an_even_divisor_is_no_line():
    """Ties at 1, 3, 5 go up and down by turns: thresholds say it, a requant cannot."""
    low, high = np.array([-200]), np.array([200])
    found = stage(even(2, U8), low, high, U8, "Layer 'a'")
    assert isinstance(found, Threshold)
    assert equal(found, even(2, U8), low, high)


def test_half_away_from_zero_is_a_line_of_another_slope():
    """An average of 64 codes: the ties of both signs lie on one line that is steeper by little."""
    low, high = np.array([-128 * 64]), np.array([127 * 64])
    function = away(np.array([1]), 6, 0, S8)
    found = stage(function, low, high, S8, "Layer 'a'")
    assert isinstance(found, Requant)
    assert equal(found, function, low, high)


def test_wide_multipliers_are_taken_where_narrow_ones_do_not_do():
    """Slopes of 1 and 2^-12 in one layer, one shift for both, over sums of 20 bits."""
    multiplier = np.array([1 << 13, 3])
    low, high = np.array([0, 0]), np.array([255, 1 << 20])
    function = away(multiplier, 13, 0, U8)
    found = stage(function, low, high, U8, "Layer 'a'")
    assert isinstance(found, Requant)
    sums = np.stack([np.arange(256), np.linspace(0, 1 << 20, 256).astype(np.int64)])
    assert (function(sums) == found.apply(sums.T[:, :, None])[:, :, 0].T).all()


def test_constant_channels_and_ends_are_exact():
    low, high = np.array([-5, -5, -5]), np.array([5, 5, 5])

    def function(sums):
        return np.stack([np.zeros(sums.shape[1]), np.full(sums.shape[1], 255), sums[2] + 9]).astype(
            np.int64
        )

    assert equal(stage(function, low, high, U8, "a"), function, low, high)


def test_a_bent_signed_function_is_refused_with_its_channel():
    def bent(sums):
        return np.stack([sums[0], np.where(sums[1] > 3, 2 * sums[1], sums[1])])

    with pytest.raises(InputError, match="bent as in channel 1"):
        stage(bent, np.array([-9, -9]), np.array([9, 9]), S8, "Layer 'a'")


def test_a_function_that_is_not_monotone_is_refused_with_its_sum():
    def wavy(sums):
        return np.where(sums == 7, 0, sums)

    with pytest.raises(InputError, match=r"monotone, not code 0 at sum 7 of channel 0"):
        stage(wavy, np.array([0]), np.array([99]), U8, "Layer 'a'")


def test_codes_beyond_the_format_are_refused():
    with pytest.raises(InputError, match="u8"):
        stage(lambda sums: sums, np.array([0]), np.array([300]), U8, "Layer 'a'")


def test_no_requant_is_invented():
    """A staircase with one long step: no line has it."""
    steps = find(
        lambda sums: np.clip(sums - np.clip(sums - 10, 0, 30), 0, 255),
        np.array([0]),
        np.array([100]),
        U8,
        "a",
    )
    assert requant_of(steps) is None
