"""Packed weights and proven bounds, against brute force."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adqhw.sim.kernels import dot
from adqhw.sim.kernels.simd import Avx2, Portable, Vnni512
from adqhw.sim.lowering import operands
from adqhw.sim.lowering.layout import Place, arrange

BYTE = Place(shape=(4, 1, 1), element=1)
WIDE = Place(shape=(4, 1, 1), element=4)


@pytest.mark.parametrize(
    ("tag", "largest", "highest", "place", "form"),
    [
        (Vnni512(), 127, 255, BYTE, dot.BYTES),
        (Vnni512(), 128, 255, BYTE, dot.WORDS),
        (Avx2(), 127, 129, BYTE, dot.BYTES),  # 2 * 127 * 129 = 32766 fits 16 bits
        (Avx2(), 127, 130, BYTE, dot.WORDS),
        (Portable(), 1, 1, BYTE, dot.WORDS),
        (Vnni512(), 1, 1, WIDE, dot.WIDE),
    ],
)
def test_form(tag, largest, highest, place, form):
    levels = np.array([[largest, 0]])
    assert operands.choose_form(tag, levels, place, highest) == form


@given(seed=st.integers(0, 2**32 - 1), highest=st.integers(1, 128))
def test_16_bit_sums_never_saturate(seed, highest):
    """The worst codes for each lane, summed over each stretch that the kernel adds in 16 bits."""
    rng = np.random.default_rng(seed)
    segments, units = int(rng.integers(1, 4)), int(rng.integers(1, 30))
    packed = rng.integers(-128, 128, (1, segments * units, 16, 4)).astype(np.int8)
    together = operands.units_together(packed, segments, highest)
    assert 1 <= together <= units
    pairs = packed.astype(int).reshape(segments, units, 16, 2, 2)
    for start in range(0, units, together):
        part = pairs[:, start : start + together]
        if together > 1 or highest * 256 <= 32767:
            assert (np.maximum(part, 0).sum(axis=(1, 4)) * highest).max() <= 32767
            assert (np.minimum(part, 0).sum(axis=(1, 4)) * highest).min() >= -32768


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 6), st.integers(0, 4)), max_size=12))
def test_maps_alive_together_do_not_overlap(lives):
    places = [
        Place(shape=(size * 7, 3, 2), element=1, born=born, dies=born + length)
        for size, born, length in lives
    ]
    total = arrange(places, images=2)
    for i, a in enumerate(places):
        assert a.offset >= 0
        assert a.offset + 2 * a.image <= total
        for b in places[i + 1 :]:
            if a.born <= b.dies and b.born <= a.dies:
                apart = a.offset + 2 * a.image <= b.offset or b.offset + 2 * b.image <= a.offset
                assert apart
