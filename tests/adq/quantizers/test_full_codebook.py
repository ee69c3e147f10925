"""Codebooks of 2^b levels, and the switches of training that came with them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from adqhw.adq.networks.state_check import check_codebooks
from adqhw.adq.quantizers.codebook import Codebook, pushed
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.quantizers.codebook_init import squared_error, start
from adqhw.spec.errors import InputError


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def made(weight: torch.Tensor, width: int = 2, **changes: object) -> Codebook:
    book = Codebook(width, CodebookConfig(**changes))
    book.initialise(weight)
    return book


@given(seed=st.integers(0, 1000), width=st.integers(2, 5), shift=st.floats(-0.2, 0.2))
@settings(max_examples=25)
def test_the_start_has_every_level_and_the_side_of_the_smaller_error(seed, width, shift):
    weight = torch.randn(400, generator=torch.Generator().manual_seed(seed)) * 0.1 + shift
    found = start(weight, width, full=True, lloyd=3)
    half = 2 ** (width - 1)
    assert len(found.values) == 2 * half
    assert found.zero in (half - 1, half)
    assert found.values[found.zero] == 0
    assert (found.values.diff() >= 0).all()
    fewer = start(weight, width, full=False, lloyd=3)
    assert len(fewer.values) == 2 * half - 1
    mirrored = start(-weight, width, full=True, lloyd=3)
    errors = squared_error(weight, found.values), squared_error(-weight, mirrored.values)
    assert errors[0] == pytest.approx(errors[1], rel=1e-4)


def test_hand_counted_start_with_the_level_on_either_side():
    # one sign has one magnitude, 0.1; the other 0.4 (twice) and 1.0: its quantiles at a quarter
    # and three quarters are 0.4 and 0.7; with one value it would be the median, 0.4
    weight = column(0.4, 0.4, 1.0, -0.1)
    assert torch.allclose(made(weight).values, torch.tensor([-0.1, 0.0, 0.4, 0.7]))
    assert made(weight).zero == 1
    assert torch.allclose(made(-weight).values, torch.tensor([-0.7, -0.4, 0.0, 0.1]))
    assert made(-weight).zero == 2


def test_levels_are_integers_from_the_first_step_on():
    weight = torch.randn(500, generator=torch.Generator().manual_seed(1)).view(-1, 1, 1, 1)
    early, late = (
        made(weight, 3, level_width=4),
        made(weight, 3, level_width=4, early_rounding=False),
    )
    assert torch.equal(early.levels, early.levels.round())
    assert not torch.equal(late.levels, late.levels.round())
    torch.testing.assert_close(early.values, late.values)  # the average is not rounded
    late.freeze()
    torch.testing.assert_close(early.levels, late.levels)


def test_gradient_is_clipped_outside_the_outer_values():
    weight = column(0.4, 0.4, 1.0, -0.1, -0.2).requires_grad_()
    for clip, expected in ((True, [1.0, 1.0, 0.0, 1.0, 1.0]), (False, [1.0] * 5)):
        book = made(weight, clip=clip, early_rounding=False)
        with torch.no_grad():
            book._set(torch.tensor([-0.2, 0.0, 0.4, 0.7]), weight)
        weight.grad = None
        levels, step = book(weight)
        (levels * step).sum().backward()
        assert weight.grad.flatten().tolist() == pytest.approx(expected)


def test_values_are_learned_by_the_sum_of_their_weights_gradients():
    weight = column(0.4, 0.4, 1.0, -0.1)
    book = made(weight, level_gradient=True, ema="off", early_rounding=False)
    levels, step = book(weight)
    (levels * step * column(1.0, 2.0, 4.0, 8.0)).sum().backward()
    # -0.1 | 0 | 0.4 twice | 0.7, over sqrt(4) weights
    torch.testing.assert_close(book.push.grad, torch.tensor([8.0, 0.0, 3.0, 4.0]) / 2)
    with torch.no_grad():
        book.push -= 0.01 * book.push.grad
    book.update(weight)
    torch.testing.assert_close(book.values, torch.tensor([-0.14, 0.0, 0.385, 0.68]))
    assert not book.push.any()
    book.freeze()
    before = book.values.clone()
    with torch.no_grad():
        book.push += 1.0
    book.update(weight)
    assert torch.equal(book.values, before)
    assert not book.push.any()


def test_a_pushed_value_keeps_its_sign_and_the_order_holds():
    values = torch.tensor([-1.0, -0.2, 0.0, 0.1])
    moved = pushed(values, torch.tensor([0.0, 0.5, 3.0, -0.5]), zero=2)
    assert (moved.diff() > 0).all()
    assert moved[2] == 0
    torch.testing.assert_close(moved, torch.tensor([-1.0, 0.0, 0.0, 0.0]), rtol=0, atol=2e-6)


def test_decay_is_the_settings_then_the_runs_then_the_default():
    weight = column(0.4, 0.4, 1.0, -0.1)
    moved = column(0.5, 0.5, 1.0, -0.1)
    for own, given_, used in ((0.5, 0.9, 0.5), (None, 0.9, 0.9), (None, None, 0.99)):
        book = made(weight, decay=own)
        book.update(moved, given_)
        assert float(book.values[2]) == pytest.approx(used * 0.4 + (1 - used) * 0.5)


def test_a_dead_value_is_revived_on_its_side():
    weight = torch.cat([torch.linspace(-1, -0.1, 40), torch.linspace(0.1, 1, 40)]).view(-1, 1, 1, 1)
    book = made(weight, 3)
    far = book.values.clone()
    far[0 if book.zero == 4 else 7] = -50.0 if book.zero == 4 else 50.0
    book._set(far, weight)
    book.update(weight, 0.0)
    assert min(book.fit(weight).use) > 0 or book.fit(weight).use[book.zero] == 0
    assert book.values.abs().max() < 2


def test_fit_is_the_relative_error_and_the_use():
    weight = column(0.4, 0.4, 1.0, -0.1)
    fit = made(weight, early_rounding=False).fit(weight)
    assert fit.use == (1, 0, 2, 1)
    assert fit.error == pytest.approx(0.09 / 1.33)


def test_mirrored_values_need_an_odd_number():
    with pytest.raises(InputError, match="levels must be 'reserved'"):
        CodebookConfig(tie_sign=True)


def test_a_forged_place_of_zero_is_refused():
    book = made(column(0.4, 0.4, 1.0, -0.1), 2)
    state = {f"c.quantizer.{name}": tensor for name, tensor in book.state_dict().items()}
    check_codebooks(state, 8, "Checkpoint")
    for place, words in ((2, "zero at 2"), (9, "must be 1 or 2, not 9"), (-1, "must be 1 or 2")):
        state["c.quantizer.place"] = torch.tensor(place)
        with pytest.raises(InputError, match=words):
            check_codebooks(state, 8, "Checkpoint")
