"""Winograd's convolution against the direct one in float64, and where it may compute."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import tiny

from adqhw.adq.networks import winograd
from adqhw.adq.networks.geometry import Geometry
from adqhw.adq.quantizers.activation import ThresholdActivation
from adqhw.adq.tensors import corners_of, with_corners
from adqhw.adq.training import trainer

CLOSE = 3e-5
"""Of the largest number: float32 sums of products with factors up to 8 * 8."""


def drawn(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def last(x: torch.Tensor) -> torch.Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def all_three(convolve, data, weight, grad):
    """The sums, and both gradients of their product with ``grad``."""
    data, weight = data.detach().requires_grad_(), weight.detach().requires_grad_()
    sums = convolve(data, weight)
    return [sums, *torch.autograd.grad(sums, (data, weight), grad)]


def direct(data, weight):
    return F.conv2d(data, weight, padding=1)


@settings(max_examples=25, deadline=None)
@given(
    images=st.integers(1, 9),
    tiles=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    channels=st.tuples(st.sampled_from((16, 32, 48)), st.sampled_from((16, 32, 80))),
    first=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_sums_and_gradients_are_those_of_the_direct_convolution(
    images, tiles, channels, first, seed
):
    inputs, outputs = channels
    height, width = 4 * tiles[0], 4 * tiles[1]
    data = drawn(seed, images, inputs, height, width)
    data = data if first else last(data)  # maps and gradients may lie either way
    weight = drawn(seed + 1, outputs, inputs, 3, 3)
    grad = drawn(seed + 2, images, outputs, height, width)
    wanted = all_three(direct, data.double(), weight.double(), grad.double())
    made = all_three(winograd.convolve, data, weight, grad)
    for actual, expected in zip(made, wanted, strict=True):
        assert actual.dtype == torch.float32
        assert actual.shape == expected.shape
        off = (actual.double() - expected).abs().max() / expected.abs().max()
        assert off < CLOSE


def test_codes_are_read_from_the_corners_that_their_activation_keeps():
    corners = torch.randint(0, 31, (3, 8, 12, 32), generator=torch.Generator().manual_seed(0))
    codes = (corners // 2).permute(0, 3, 1, 2).float()
    weight, grad = drawn(1, 16, 32, 3, 3), last(drawn(2, 3, 16, 8, 12))
    plain = all_three(winograd.convolve, codes, weight, grad)
    known = all_three(
        lambda data, w: winograd.convolve(with_corners(data, corners.to(torch.uint8)), w),
        codes, weight, grad,
    )  # fmt: skip
    for a, b in zip(plain, known, strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("width", [1, 2, 4])
def test_activations_tell_their_codes_corners_and_nothing_else_does(width):
    activation = ThresholdActivation(width)
    activation.initialise(2.0)
    x = last(drawn(3, 2, 16, 4, 4)).requires_grad_()
    codes = activation.quantize(x).data
    corners = corners_of(codes)
    assert torch.equal((corners // 2).permute(0, 3, 1, 2).float(), codes)
    (codes * x).sum().backward()  # the corners have no gradient
    assert x.grad is not None
    for other in (codes + 1, codes[:1], torch.relu(codes), codes.detach()):
        assert corners_of(other) is None
    wide = ThresholdActivation(8)  # its corners do not fit in bytes
    assert corners_of(wide.quantize(x).data) is None
    assert corners_of(activation.quantize(x.contiguous()).data) is None


def test_small_integers_are_exact():
    # sums of codes times levels: every number in between is a multiple of 1/576 of few bits
    data = last(drawn(0, 2, 16, 8, 8).round())
    weight = (drawn(1, 16, 16, 3, 3) * 2).round()
    assert torch.equal(winograd.convolve(data, weight).round(), direct(data, weight))


def test_results_do_not_depend_on_the_number_of_threads():
    data, weight = last(drawn(0, 7, 32, 12, 8)), drawn(1, 32, 32, 3, 3)
    grad = last(drawn(2, 7, 32, 12, 8))
    before = torch.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(all_three(winograd.convolve, data, weight, grad))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert torch.equal(a, b)


def test_a_gradient_nobody_asks_for_is_not_computed():
    data, weight = last(drawn(0, 1, 16, 4, 4)), drawn(1, 16, 16, 3, 3).requires_grad_()
    winograd.convolve(data, weight).sum().backward()
    assert data.grad is None
    assert weight.grad is not None


@pytest.mark.parametrize(
    ("shape", "outputs", "changes", "fits"),
    [
        ((1, 16, 8, 8), 16, {}, True),
        ((1, 3, 8, 8), 16, {}, False),
        ((1, 16, 8, 8), 24, {}, False),
        ((1, 16, 8, 6), 16, {}, False),
        ((1, 272, 4, 4), 16, {}, False),
        ((1, 16, 8, 8), 16, {"stride": (2, 2)}, False),
        ((1, 16, 8, 8), 16, {"padding": (1, 1, 0, 0)}, False),
        ((1, 16, 8, 8), 16, {"dilation": (2, 2)}, False),
        ((1, 16, 8, 8), 16, {"groups": 16}, False),
        ((1, 16, 8, 8), 16, {"kernel": (5, 5)}, False),
    ],
)
def test_it_applies_to_plain_3x3_convolutions_of_whole_tiles_and_channels(
    shape, outputs, changes, fits
):
    geometry = Geometry(**{"kernel": (3, 3), "padding": (1, 1, 1, 1)} | changes)
    data = torch.zeros(shape)
    weight = torch.zeros(outputs, shape[1] // geometry.groups, *geometry.kernel)
    with winograd.allowed():
        assert winograd.applies(geometry, data, weight) == fits
        assert not winograd.applies(geometry, data.double(), weight.double())
        with torch.autocast("cpu", torch.bfloat16):
            assert not winograd.applies(geometry, data, weight)
        with winograd.allowed(False):
            assert not winograd.applies(geometry, data, weight)
    assert not winograd.applies(geometry, data, weight)


def test_training_steps_alone_use_it(tmp_path, monkeypatch):
    asked = []
    convolve = winograd.convolve
    monkeypatch.setattr(
        winograd, "convolve", lambda x, w: asked.append(torch.is_grad_enabled()) or convolve(x, w)
    )
    recipe = tiny("digits_resnet8_float", "model.width=16")
    trainer.train(recipe, tmp_path / "with")
    steps = len(asked)
    assert steps
    assert all(asked)  # not in evaluation
    trainer.train(tiny("digits_resnet8_float", "model.width=16", "train.winograd=false"),
                  tmp_path / "without")  # fmt: skip
    assert len(asked) == steps


class Losses(trainer.Observer):
    def __init__(self):
        self.losses = []

    def step(self, *, step, loss, lr):
        self.losses.append(loss)


def test_a_run_is_that_of_direct_convolutions_up_to_rounding(tmp_path):
    seen = []
    for way in ("true", "false"):
        recipe = tiny("digits_resnet8_float", "model.width=16", f"train.winograd={way}")
        trainer.train(recipe, tmp_path / way, observer=(heard := Losses()))
        seen.append(heard.losses)
    np.testing.assert_allclose(*seen, rtol=1e-3)
    assert seen[0] != seen[1]  # it was used
