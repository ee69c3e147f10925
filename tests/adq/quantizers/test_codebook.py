"""Codebooks: start, assignment, adaptation, freezing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.adq.quantizers.codebook import Codebook, adapt
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.quantizers.codebook_init import bin_means, initial_values
from adqhw.adq.quantizers.weight_quantizer import assign
from adqhw.spec.errors import InputError


def weights(count: int = 4000, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, generator=generator) * 0.1


def even(width: int) -> tuple[int, int]:
    """As many values on each side of zero."""
    return (2 ** (width - 1) - 1,) * 2


def reserved(**changes: object) -> CodebookConfig:
    """The rule of 2^b - 1 values, in which nothing else is switched on either."""
    off = {"levels": "reserved", "clip": False, "early_rounding": False, "dead": "keep"}
    return CodebookConfig(**{**off, "decay": 0.99, **changes})


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("init", ["mid", "edge", "tail"])
def test_start_is_sorted_with_an_exact_zero_in_the_middle(width, init):
    values = initial_values(weights(), even(width), init)
    assert len(values) == 2**width - 1
    assert values[len(values) // 2] == 0
    assert (values.diff() > 0).all()


def test_mid_rule_takes_the_medians_of_equal_mass_bins():
    weight = torch.arange(1, 1001).float()  # uniform on 1..1000, all positive
    values = initial_values(weight, even(3), "mid")
    expected = torch.quantile(weight, torch.tensor([1 / 6, 3 / 6, 5 / 6]))
    torch.testing.assert_close(values[4:], expected)
    torch.testing.assert_close(values[:3], -expected.flip(0))  # no negative weights: mirrored


def test_tail_rule_reaches_further_out_than_mid():
    assert (
        initial_values(weights(), even(4), "tail")[-1]
        > initial_values(weights(), even(4), "mid")[-1]
    )


def test_all_zero_weights_get_a_usable_codebook():
    book = Codebook(3, reserved())
    book.initialise(torch.zeros(4, 2, 3, 3))
    levels, step = book(torch.zeros(4, 2, 3, 3))
    assert step > 0
    assert (levels == 0).all()


def test_ties_go_to_the_lower_index():
    values = torch.tensor([-1.0, 0.0, 1.0])
    weight = torch.tensor([-0.5, 0.5, 0.500001, -0.499999])
    assert assign(weight, values).tolist() == [0, 1, 2, 1]


@given(seed=st.integers(0, 10_000), width=st.integers(2, 5))
@settings(max_examples=40)
def test_assignment_is_nearest(seed, width):
    weight = weights(200, seed)
    values = initial_values(weight, even(width))
    distance = (weight[:, None] - values).abs()
    chosen = distance.gather(1, assign(weight, values)[:, None])[:, 0]
    torch.testing.assert_close(chosen, distance.min(1).values, rtol=0, atol=1e-7)


def test_ema_step_is_a_convex_combination_of_value_and_bin_mean():
    weight, values = torch.tensor([0.9, 1.5, -2.0, 0.1]), torch.tensor([-1.0, 0.0, 1.0])
    moved = adapt(weight, values, 0.75)
    expected = torch.tensor([0.75 * -1.0 + 0.25 * -2.0, 0.0, 0.75 * 1.0 + 0.25 * 1.2])
    torch.testing.assert_close(moved, expected)


def test_empty_bins_stay():
    values = torch.tensor([-5.0, 0.0, 1.0])
    assert bin_means(torch.tensor([1.0, 1.2]), values)[0] == -5.0


@pytest.mark.parametrize("decay", [0.0, 0.9])
def test_fixed_point_meets_the_lloyd_condition(decay):
    weight = weights()
    values = initial_values(weight, even(3))
    for _ in range(600):
        values = adapt(weight, values, decay)
        assert (values.diff() > 0).all()
        assert values[3] == 0
    means = bin_means(weight, values)
    means[3] = 0  # pinned
    # every value is the centroid of its cell; 1e-3 of the spread, since EMA only approaches it
    torch.testing.assert_close(values, means, rtol=0, atol=1e-4)


def test_adaptation_lowers_the_error_to_the_published_limit():
    weight = weights(40_000)
    values = initial_values(weight, even(3))
    start = ((weight - values[assign(weight, values)]) ** 2).mean() / weight.var()
    for _ in range(1000):
        values = adapt(weight, values, 0.9)
    end = ((weight - values[assign(weight, values)]) ** 2).mean() / weight.var()
    assert abs(float(start) - 0.084) < 0.01  # docs/papers.md 1.4, Gauss, 3 bits: .084 -> .044
    assert abs(float(end) - 0.044) < 0.003


def test_tied_signs_stay_mirrored():
    book = Codebook(4, reserved(tie_sign=True, decay=0.5))
    weight = weights() + 0.02
    book.initialise(weight)
    for _ in range(5):
        book.update(weight)
    torch.testing.assert_close(book.values, -book.values.flip(0), rtol=0, atol=0)


def test_hand_counted_codebook():
    # one value a side, the median of its magnitudes: 0.9 and (0.1 + 0.5) / 2; the largest is
    # level 127, the other one 0.3 / 0.9 * 127 = 42.33; -0.5 lies below -0.45, 0.1 below 0.15
    weight = torch.tensor([-0.9, -0.5, -1.0, 0.1, 0.5]).view(5, 1, 1, 1)
    book = Codebook(2, reserved())
    book.initialise(weight)
    torch.testing.assert_close(book.values, torch.tensor([-0.9, 0.0, 0.3]))
    assert float(book.step) == pytest.approx(0.9 / 127)
    book.freeze()
    levels, step = book(weight)
    assert book.levels.tolist() == [-127, 0, 42]
    assert levels.flatten().tolist() == [-127, -127, -127, 0, 42]
    assert step == pytest.approx(0.0070866, rel=1e-4)
    torch.testing.assert_close(book.values, torch.tensor([-0.9, 0.0, 0.297638]))


@pytest.mark.parametrize(("level_width", "limit"), [(6, 31), (8, 127), (16, 32767)])
def test_freezing_gives_integer_levels(level_width, limit):
    book = Codebook(4, reserved(level_width=level_width))
    book.initialise(weights())
    book.freeze()
    assert torch.equal(book.levels, book.levels.round())
    assert book.levels.abs().max() == limit


def test_a_frozen_codebook_does_not_move():
    book = Codebook(3, reserved(decay=0.5))
    book.initialise(weights())
    book.freeze()
    before = book.values.clone()
    book.update(weights(seed=1))
    assert torch.equal(book.values, before)


def test_state_dict_restores_the_codebook_exactly():
    book, other = (Codebook(3, reserved()) for _ in range(2))
    book.initialise(weights())
    book.freeze()
    other.load_state_dict(book.state_dict())
    assert bool(other.frozen)
    assert torch.equal(other(weights())[0], book(weights())[0])


def test_gradient_is_the_identity_in_real_units():
    book = Codebook(3, reserved())
    weight = weights(50).requires_grad_()
    book.initialise(weight)
    levels, step = book(weight)
    (levels * step * torch.arange(50.0)).sum().backward()
    torch.testing.assert_close(weight.grad, torch.arange(50.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init": "best"}, "init must be one of"),
        ({"decay": 1.0}, "decay must be in"),
        ({"init_lloyd": -1}, "init_lloyd must be >= 0"),
        ({"level_width": 1}, "level_width must be in 2..16"),
    ],
)
def test_bad_configuration_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        CodebookConfig(**changes)


def test_bad_width_is_refused():
    with pytest.raises(InputError, match=r"width must be in 2\.\.8, not 9"):
        Codebook(9, reserved())


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("init", ["uniform", "random", "kmeans"])
def test_other_starts_are_sorted_too_and_depend_on_the_seed_alone(width, init):
    values = initial_values(weights(), even(width), init, seed=3)
    assert values[len(values) // 2] == 0
    assert (values.diff() > 0).all()
    assert torch.equal(values, initial_values(weights(), even(width), init, seed=3))
    other = initial_values(weights(), even(width), "random", seed=4)
    assert not torch.equal(other, initial_values(weights(), even(width), "random", seed=3))


def test_kmeans_start_meets_the_lloyd_condition_at_once():
    values = initial_values(weights(800), even(3), "kmeans")
    means = bin_means(weights(800), values)
    means[3] = 0
    torch.testing.assert_close(values, means)


@pytest.mark.parametrize("tie_sign", [False, True])
@given(seed=st.integers(0, 1000), width=st.integers(2, 4), ema=st.sampled_from(["mean", "count"]))
@settings(max_examples=20)
def test_adaptation_keeps_order_and_an_exact_zero(tie_sign, seed, width, ema):
    config = reserved(ema=ema, decay=0.8, init="random", seed=seed, tie_sign=tie_sign)
    book, latent = Codebook(width, config), weights(300, seed)
    book.initialise(latent)
    for step in range(12):
        book.update(latent + 0.02 * weights(300, seed + step))  # weights that move, as in training
        assert (book.values.diff() >= 0).all()
        assert book.values[len(book.values) // 2] == 0
    assert (book.levels.abs().max() - 127).abs() < 1e-4


def test_count_form_has_the_fixed_points_of_the_mean_form():
    latent, books = weights(), []
    for ema in ("mean", "count"):
        book = Codebook(3, reserved(ema=ema, decay=0.5, init_lloyd=400))
        book.initialise(latent)
        before = book.values.clone()
        for _ in range(5):
            book.update(latent)
        torch.testing.assert_close(book.values, before, rtol=0, atol=1e-6)
        books.append(book.values)
    torch.testing.assert_close(*books, rtol=0, atol=1e-6)


def test_count_form_is_vq_vaes_formula():
    book = Codebook(2, reserved(ema="count", decay=0.75))
    first, second = torch.tensor([1.0, 1.0, -1.0, -3.0]), torch.tensor([1.4, -2.0, -2.0, -2.0])
    book.initialise(first)
    assert book.counts.tolist() == [2, 0, 2]  # values -2, 0, 1: both negatives are nearest to -2
    book.update(second)
    counts = (0.75 * 2 + 0.25 * 3, 0.75 * 2 + 0.25)
    expected = [(0.75 * -4 + 0.25 * -6) / counts[0], 0, (0.75 * 2 + 0.25 * 1.4) / counts[1]]
    torch.testing.assert_close(book.values, torch.tensor(expected))


def test_period_and_off():
    latent = weights()
    slow, off = (Codebook(3, reserved(decay=0.5, **x)) for x in ({"ema_period": 3},
                                                                       {"ema": "off"}))  # fmt: skip
    slow.initialise(latent)
    off.initialise(latent)
    start, moves = slow.values.clone(), []
    for _ in range(6):
        before = slow.values.clone()
        slow.update(latent)
        off.update(latent)
        moves.append(not torch.equal(before, slow.values))
    assert moves == [False, False, True] * 2
    assert torch.equal(off.values, start)


@pytest.mark.parametrize("ema", ["mean", "count"])
def test_dead_values_split_the_fullest_bin(ema):
    config = reserved(ema=ema, decay=0.0, dead="split")
    book = Codebook(3, config)
    book.initialise(weights())
    with torch.no_grad():
        book.values.copy_(torch.tensor([-9.0, -8.0, -0.1, 0.0, 0.1, 8.0, 9.0]))
    for _ in range(8):
        book.update(weights())
    counts = torch.bincount(book.index(weights()), minlength=7)
    assert (counts > 0).all(), book.values
    assert (book.values.diff() > 0).all()
    assert book.values[3] == 0
