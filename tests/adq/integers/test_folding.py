"""Export arithmetic against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.adq.integers.folding import Affine, channel_bounds, fold_requant, fold_thresholds
from adqhw.spec.errors import InputError
from adqhw.spec.formats import IntFormat

U4, U8, S8 = IntFormat(width=4), IntFormat(width=8), IntFormat(width=8, signed=True)

# multiples of 1/64: products and sums below are exact in float64, so the oracle may compare ties
sixty_fourths = st.integers(-640, 640).map(lambda n: n / 64)


@given(
    slope=sixty_fourths,
    intercept=sixty_fourths,
    reals=st.lists(sixty_fourths, min_size=3, max_size=3).map(sorted),
)
@settings(max_examples=200)
def test_thresholds_fire_exactly_when_the_real_ones_do(slope, intercept, reals):
    affine = Affine(slope=np.array([slope]), intercept=np.array([intercept]))
    low, high = -40, 60
    folded = fold_thresholds(np.array(reals), affine, (np.array([low]), np.array([high])))
    acc = np.arange(low, high + 1)
    expected = [
        sum(Fraction(slope) * int(a) + Fraction(intercept) >= Fraction(t) for t in reals)
        for a in acc
    ]
    assert folded.apply(acc[None, None])[0, 0].tolist() == expected
    assert low - 1 <= -folded.tau.max() or folded.tau.max() <= high + 1


@pytest.mark.parametrize(("intercept", "code"), [(0.5, 1), (0.4999, 0)])
def test_a_constant_channel_fires_always_or_never(intercept, code):
    affine = Affine(slope=np.zeros(1), intercept=np.array([intercept]))
    folded = fold_thresholds(np.array([0.5]), affine, (np.array([-9]), np.array([9])))
    assert (folded.apply(np.arange(-9, 10)[None, None]) == code).all()


def test_a_vanishing_slope_overflows_nothing():
    affine = Affine(slope=np.array([1e-300, -1e-300]), intercept=np.array([0.0, 0.0]))
    folded = fold_thresholds(np.array([0.5]), affine, (np.array([-9, -9]), np.array([9, 9])))
    assert (folded.apply(np.tile(np.arange(-9, 10), (1, 2, 1))) == 0).all()


def test_requant_is_the_rounded_affine_map():
    rng = np.random.default_rng(0)
    affine = Affine(slope=rng.normal(size=5) / 500, intercept=rng.normal(size=5))
    folded = fold_requant(
        affine, step=0.02, out=U8, bounds=(-9000, 9000), skip=(0.03, U8), name="x"
    )
    acc, skip = rng.integers(-9000, 9000, (1, 5, 400)), rng.integers(0, 256, (1, 5, 400))
    real = (affine.slope[:, None] * acc + affine.intercept[:, None] + 0.03 * skip) / 0.02
    expected = np.clip(np.floor(real + 0.5), 0, 255)
    actual = folded.apply(acc, skip)
    # a multiplier of 24 bits is off by 2**-24 of the largest: a tie may fall the other way
    assert np.abs(actual - expected).max() <= 1
    assert (actual != expected).mean() < 2e-3


def test_the_largest_shift_that_fits_is_taken():
    affine = Affine(slope=np.array([1.0, -0.5]), intercept=np.zeros(2))
    folded = fold_requant(affine, step=1.0, out=U8, bounds=(-100, 100))
    assert folded.shift == 22  # 2**22 fits s24, 2**23 does not
    assert folded.multiplier.tolist() == [1 << 22, -(1 << 21)]
    narrow = fold_requant(affine, step=1.0, out=U8, bounds=(-100, 100), multiplier_width=8)
    assert narrow.shift == 6


def test_the_total_bounds_the_shift_too():
    affine = Affine(slope=np.array([2.0**-20]), intercept=np.zeros(1))
    wide = fold_requant(affine, step=1.0, out=U8, bounds=(0, 2**31 - 1))
    assert wide.total_bounds((0, 2**31 - 1))[1] < 2**61


def test_a_scale_beyond_the_multiplier_is_refused():
    affine = Affine(slope=np.array([1e9]), intercept=np.zeros(1))
    with pytest.raises(InputError, match=r"Layer 'c': scale must fit a multiplier of 24 bits"):
        fold_requant(affine, step=1.0, out=U8, bounds=(-1, 1), name="c")


def test_channel_bounds_are_reached():
    levels = np.array([[[[3]], [[-2]]], [[[-1]], [[0]]]])
    low, high = channel_bounds(levels, U4)
    assert (low.tolist(), high.tolist()) == ([-30, -15], [45, 0])
    low, high = channel_bounds(levels, S8)
    assert (low.tolist(), high.tolist()) == ([3 * -128 - 2 * 127, -127], [3 * 127 + 2 * 128, 128])
