"""Operand streams: the beats of a layer give its sums; random twins keep the shape of the work."""

import numpy as np
import pytest
from cost_nets import small_net

from adqhw.gates.array.array_gates import beat_bits, recorded_sums
from adqhw.gates.array.streams import OperandStream, expected_sums, random_twin, recorded
from adqhw.rtl.layouts.payloads import beat_layout, sums_layout
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import InputError, golden
from adqhw.spec.program import INPUT

RNG = np.random.default_rng(5)
PROGRAM = small_net()
IMAGES = RNG.integers(0, 256, (1, 3, 8, 8)).astype(np.uint8)
TENSORS = {INPUT: IMAGES, **golden.run(PROGRAM, IMAGES, keep="all").tensors}
ARCH = narrowest(PROGRAM, rows=4, cols=3)
CODED = next(layer for layer in PROGRAM.layers if getattr(layer, "codebook", None) is not None)


def stream(most_beats: int | None = None) -> OperandStream:
    return recorded(ARCH, PROGRAM, CODED.name, TENSORS, most_beats=most_beats)


def test_a_whole_layer_has_all_its_macs_and_its_sums():
    """The sums are those of a plain convolution over the padded map."""
    found = stream()
    assert found.macs == PROGRAM.macs(CODED.name)
    source = np.empty((8, 10, 10), int)
    source[:] = CODED.pad_codes.reshape(-1, 1, 1)
    source[:, 1:-1, 1:-1] = TENSORS[CODED.input][0]
    windows = np.lib.stride_tricks.sliding_window_view(source, (3, 3), axis=(1, 2))[:, ::2, ::2]
    wanted = np.einsum("oikl,ihwkl->ohw", CODED.levels.astype(int), windows)
    sums = expected_sums(found, ARCH.acc_width)  # block by block of 3 channels, pixel by pixel
    pixels = wanted[0].size
    for block in range(-(-len(wanted) // 3)):
        channels = wanted[block * 3 : block * 3 + 3].reshape(-1, pixels)
        mine = sums[block * pixels : (block + 1) * pixels, : len(channels)]
        np.testing.assert_array_equal(mine, channels.T)


def test_a_short_stream_is_whole_sums_from_all_over_the_layer():
    whole, short = stream(), stream(most_beats=200)
    depth = int(np.flatnonzero(whole.last)[0]) + 1
    assert len(short) == 200 // depth * depth
    assert short.first.sum() == short.last.sum() == len(short) // depth
    assert short.channels.max() > 0  # not the first column block alone
    assert short.macs < whole.macs


def test_a_random_twin_keeps_framing_and_codebook():
    real = stream(most_beats=400)
    twin = random_twin(real, seed=1)
    np.testing.assert_array_equal(twin.last, real.last)
    assert twin.codebook == real.codebook
    assert twin.macs == len(real) * 4 * 3
    assert (twin.activations.max(), twin.weights.max()) == (15, 15)
    np.testing.assert_array_equal(twin.weights, random_twin(real, seed=1).weights)


def test_a_cumulated_sum_wraps_like_the_accumulator():
    twin = random_twin(stream(), seed=2)
    wide, narrow = expected_sums(twin, 32), expected_sums(twin, 8)
    np.testing.assert_array_equal(narrow, (wide + 128) % 256 - 128)


def test_beats_are_packed_as_the_layout_says():
    found = stream(most_beats=100)
    bits, layout = beat_bits(ARCH, found), beat_layout(ARCH)
    for row in (0, 35, len(found) - 1):
        word = sum(int(bit) << place for place, bit in enumerate(bits[row]))
        value = layout.from_bits(word)
        assert [value.activations[r] for r in range(4)] == found.activations[row].tolist()
        weights = [[value.weights[c][r] for r in range(4)] for c in range(3)]
        assert weights == found.weights[row].tolist()
        assert (value.first, value.last) == (found.first[row], found.last[row])


def test_recorded_bits_are_signed_sums():
    sums = [-1, 5, -(1 << (ARCH.acc_width - 1))]
    word = sums_layout(ARCH).const({"acc": sums, "channel": 0}).as_bits()
    bits = np.array([[word >> place & 1 for place in range(sums_layout(ARCH).size)]], np.uint8)
    assert recorded_sums(ARCH, bits).tolist() == [sums]


def test_a_layer_without_weights_is_refused():
    pool = next(layer.name for layer in PROGRAM.layers if "pool" in str(layer.kind))
    with pytest.raises(InputError, match="must have weights to be streamed"):
        recorded(ARCH, PROGRAM, pool, TENSORS)
