"""Codebooks and scales by the error of the sums."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.adq.calibration.codebooks import error, nearest, rounded, scaled, table


def layer(seed: int, channels: int = 6, size: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights whose channels differ in size, and the importance of each."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.rand(channels, 1, generator=generator, dtype=torch.float64) + 0.05
    weight = torch.randn(channels, size, generator=generator, dtype=torch.float64) * sizes
    return weight, torch.rand(channels, size, generator=generator, dtype=torch.float64)


@given(
    seed=st.integers(0, 1000),
    width=st.integers(2, 8),
    per_channel=st.booleans(),
    full=st.booleans(),
)
@settings(max_examples=15, derandomize=True)
def test_a_table_is_one_that_a_program_may_hold(seed, width, per_channel, full):
    weight, importance = layer(seed)
    found = table(weight, importance, width, 127, per_channel=per_channel, full=full)
    levels = found.values * 127
    half = 2 ** (width - 1)
    assert len(levels) == (2 * half if full else 2 * half - 1)
    assert found.zero in ((half - 1, half) if full else (half - 1,))
    torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-9)
    assert levels.abs().max().round() == 127
    assert levels[found.zero] == 0
    assert bool((levels.diff() >= 0).all())
    assert bool((found.scale > 0).all())
    assert per_channel or len(found.scale.unique()) == 1
    assert found.error == error(weight, importance, found.scale, found.values)


@pytest.mark.parametrize("width", [2, 3, 4])
def test_lloyd_beats_even_steps_and_channel_scales_beat_one(width):
    weight, importance = layer(3, channels=16)
    even = rounded(torch.arange(1 - 2 ** (width - 1), 2 ** (width - 1)).double(), 127)
    found = table(weight, importance, width, 127, per_channel=True)
    assert found.error < scaled(weight, importance, even, len(even) // 2, per_channel=True).error
    assert found.error < table(weight, importance, width, 127, per_channel=False).error


@pytest.mark.parametrize("width", [2, 3])
def test_a_level_more_lowers_the_error(width):
    weight, importance = layer(3, channels=16)
    tables = [
        table(weight, importance, width, 127, per_channel=True, full=full) for full in (False, True)
    ]
    assert tables[1].error < 0.9 * tables[0].error


def test_errors_of_unimportant_weights_do_not_count():
    weight, importance = layer(5)
    importance[:, 100:] = 0
    found = table(weight, importance, 3, 127, per_channel=True)
    plain = table(weight, torch.ones_like(importance), 3, 127, per_channel=True)
    assert found.error < error(weight, importance, plain.scale, plain.values)


def test_eight_bits_have_all_integers():
    weight, importance = layer(7)
    found = table(weight, importance, 8, 127, per_channel=True)
    assert (found.values * 127).round().tolist() == list(range(-127, 128))
    assert found.error < 2e-4
    more = table(weight, importance, 8, 127, per_channel=True, full=True)
    levels = (more.values * 127).round().long()
    assert len(levels) == 256
    assert levels.unique().tolist() == list(range(-127, 128))
    assert more.error == pytest.approx(found.error)


def test_the_scale_is_that_of_least_squares():
    weight, importance = layer(11, channels=1)
    values = rounded(torch.arange(-3, 4).double(), 127)
    found = scaled(weight, importance, values, 3, per_channel=True)
    for factor in (0.97, 0.99, 1.01, 1.03):
        assert error(weight, importance, found.scale * factor, values) >= found.error


def test_weights_of_zero_have_no_error():
    weight = torch.zeros(3, 50, dtype=torch.float64)
    found = table(weight, torch.ones_like(weight), 4, 127, per_channel=True)
    assert found.error == 0.0
    assert bool((nearest(weight / found.scale, found.values) == 0).all())
