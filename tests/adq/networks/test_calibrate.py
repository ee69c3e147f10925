"""Data-driven start of quantization."""

import pytest
import torch
from networks import tiny_images, tiny_network

from adqhw.adq.networks.calibrate import (
    calibrate,
    recalibrate_batch_norm,
    start_fakequant,
    upper_quantile,
)
from adqhw.adq.tensors import Mode, Signal
from adqhw.adq.training.calibrate import start_calibrated
from adqhw.spec.errors import InputError


def test_upper_quantile_is_a_value_that_occurs():
    values = torch.arange(1.0, 1001.0)[torch.randperm(1000)]
    assert upper_quantile(values, 0.999) == 999.0
    assert upper_quantile(values, 1.0) == 1000.0


def test_ranges_follow_the_float_network():
    model = tiny_network()
    images = tiny_images(16)
    calibrate(model, [images], act_quantile=1.0, stream_quantile=1.0)
    assert model.mode is Mode.FLOAT
    stream = model.conv1(Signal(images)).data
    torch.testing.assert_close(model.conv1.output.step * 255, stream.max())
    gain = model.get_submodule("layer1.0.act1.output").gain
    torch.testing.assert_close(2 / gain, stream.max())


def test_signed_streams_use_magnitudes():
    model = tiny_network(shortcut="B")
    calibrate(model, [tiny_images(16)], stream_quantile=1.0)
    projection = model.get_submodule("layer2.0.downsample")
    assert projection.output.high == 127
    seen = []
    hook = projection.bn.register_forward_hook(lambda m, i, out: seen.append(out))
    model(tiny_images(16))
    hook.remove()
    torch.testing.assert_close(projection.output.step * 127, seen[0].abs().max())


def test_batch_norm_statistics_become_averages_over_batches():
    model = tiny_network()
    batches = [tiny_images(8, seed) for seed in (1, 2, 3)]
    momentum = model.conv1.bn.momentum
    recalibrate_batch_norm(model, batches)
    pixels = [model.conv1.convolve(b, model.conv1.weight) for b in batches]
    expected = torch.stack([p.mean((0, 2, 3)) for p in pixels]).mean(0)
    torch.testing.assert_close(model.conv1.bn.running_mean, expected, rtol=1e-4, atol=1e-5)
    assert model.conv1.bn.momentum == momentum
    assert not model.training


def test_start_leaves_a_fakequant_network_near_the_float_one():
    model = tiny_network(act_width=6, weight_width=6)
    images = tiny_images(64)
    recalibrate_batch_norm(model, [images])
    expected = model(images)
    start_fakequant(model, [images])
    assert model.mode is Mode.FAKEQUANT
    actual = model(images)
    # 6-bit weights and activations: correlation, since every layer adds its own noise
    both = torch.stack([actual.flatten(), expected.flatten()]).detach()
    assert float(torch.corrcoef(both)[0, 1]) > 0.9


@pytest.mark.parametrize("function", [calibrate, recalibrate_batch_norm])
def test_no_images_are_refused(function):
    model = tiny_network()
    before = model.conv1.bn.momentum
    with pytest.raises(InputError, match="at least one batch"):
        function(model, [])
    assert model.conv1.bn.momentum == before


def test_a_calibrated_start_is_nearer_and_can_be_trained():
    images, others = tiny_images(64), tiny_images(64, seed=3)
    errors = []
    for start in (start_fakequant, start_calibrated):
        model = tiny_network(weight_width=3, act_width=3)
        with torch.no_grad(), model.evaluating(Mode.FLOAT):
            expected = model(others)
        weights = {name: conv.weight.clone() for name, conv in model.hidden().items()}
        start(model, [images[:32], images[32:]])
        assert model.mode is Mode.FAKEQUANT
        assert not model.codebooks_frozen
        for name, conv in model.hidden().items():
            assert torch.equal(conv.weight, weights[name])
            before = conv.quantizer.values.clone()
            conv.quantizer.update(conv.weight + 0.1)
            assert not torch.equal(conv.quantizer.values, before)
        with torch.no_grad(), model.evaluating():
            errors.append(float((model(others) - expected).square().mean()))
    assert errors[1] < 0.5 * errors[0]
