"""Whole networks, calibrated on random images, into programs that every engine computes alike."""

import numpy as np
import pytest
import torch
from networks import tiny_images, tiny_network

from adqhw.adq.calibration.calibrate import calibrate
from adqhw.adq.calibration.config import CalibrationConfig
from adqhw.adq.export.compare import compare_codes
from adqhw.adq.export.export import export
from adqhw.adq.integers import integer
from adqhw.adq.networks.calibrate import recalibrate_batch_norm, start_fakequant
from adqhw.adq.networks.config import ImagenetConfig
from adqhw.adq.networks.network import Network
from adqhw.adq.quantizers.methods import Method
from adqhw.adq.tensors import Mode, NotANumberError
from adqhw.sim import engine
from adqhw.spec import golden
from adqhw.spec.errors import InputError

ADQ = Method(per_channel=True)


def engines_agree(program, images):
    codes = images.numpy()
    results = [run(program, codes, keep="all") for run in (golden.run, engine.run, integer.run)]
    first = results[0]
    for other in results[1:]:
        for name, tensor in first.tensors.items():
            assert np.array_equal(tensor, other.tensors[name]), name
    return first.logits


@pytest.mark.parametrize(
    ("shortcut", "weights", "activations"),
    [("A", 8, 8), ("B", 8, 8), ("B", 4, 8), ("A", 4, 4), ("B", 2, 2)],
)
def test_programs_are_the_same_on_every_engine(shortcut, weights, activations):
    model = tiny_network(method=ADQ, shortcut=shortcut, weight_width=weights, act_width=activations)
    calibrate(model, [tiny_images(40)])
    program = export(model)
    images = tiny_images(6, seed=9)
    engines_agree(program, images)
    compared = compare_codes(model, program, images.numpy())
    assert set(compared.differing.values()) == {0.0}


def test_eight_bits_lose_next_to_nothing():
    model = tiny_network(method=ADQ, weight_width=8, act_width=8)
    report = calibrate(model, [tiny_images(64)])
    assert report.agreement >= 0.96
    assert min(layer.snr_db for layer in report.layers) > 30
    reads = [layer for layer in report.layers if layer.name.endswith("act1")]
    streams = {layer.name: layer for layer in report.layers}
    assert len(reads) == 3
    for read, before in zip(reads, ("conv1", "layer1.0.conv2", "layer2.0.conv2"), strict=True):
        # code for code: reading a stream at 8 bits adds no error
        assert read.end == pytest.approx(streams[before].end)
        assert read.snr_db == pytest.approx(streams[before].snr_db, abs=1e-6)


def logit_error(model: Network, float_logits: torch.Tensor, images: torch.Tensor) -> float:
    with torch.no_grad(), model.evaluating(Mode.FAKEQUANT):
        return float((model(images) - float_logits).square().mean())


@pytest.mark.parametrize("widths", [(4, 4), (2, 4)])
def test_it_is_nearer_to_the_float_network_than_plain_rounding(widths):
    images, others = tiny_images(96), tiny_images(64, seed=5)
    errors = []
    for plain in (True, False):
        model = tiny_network(
            method=Method() if plain else ADQ, weight_width=widths[0], act_width=widths[1]
        )
        with torch.no_grad(), model.evaluating(Mode.FLOAT):
            expected = model(others)
        if plain:
            start_fakequant(model, [images])
            model.freeze_codebooks()
        else:
            calibrate(model, [images])
        errors.append(logit_error(model, expected, others))
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize(
    ("rule", "activations"),
    [
        ("adq", "lsq"),
        ("lsq", "n2uq"),
        ("post", "pact"),
        ("pot", "n2uq-rprelu"),
        ("apot", "n2uq"),
        ("n2uq", "n2uq"),
    ],
)
def test_every_rule_that_has_a_program_can_be_calibrated(rule, activations):
    method = Method(weights=rule, activations=activations)
    model = tiny_network(method=method, weight_width=4, act_width=4)
    report = calibrate(model, [tiny_images(24)])
    assert report.agreement > 0.5
    engines_agree(export(model), tiny_images(3, seed=2))


def test_depthwise_and_signed_streams():
    torch.manual_seed(0)
    config = ImagenetConfig(
        arch="mobilenet-v2", width=8, classes=5, image_size=32, method=ADQ,
        weight_width=6, act_width=8,
    )  # fmt: skip
    model = Network(config).eval()
    images = tiny_images(12, size=32)
    recalibrate_batch_norm(model, [images])
    report = calibrate(model, [images])
    assert report.layers[-1].snr_db > 10
    engines_agree(export(model), images[:2])


def test_nearest_keeps_the_weights():
    model = tiny_network(method=ADQ)
    before = {name: conv.weight.clone() for name, conv in model.hidden().items()}
    calibrate(model, [tiny_images(16)], CalibrationConfig(rounding="nearest"))
    assert all(torch.equal(conv.weight, before[name]) for name, conv in model.hidden().items())
    assert model.codebooks_frozen


def test_the_result_does_not_depend_on_the_batches():
    digests = set()
    for size in (40, 13):
        model = tiny_network(method=ADQ)
        report = calibrate(model, list(tiny_images(40).split(40 if size == 40 else 16)))
        assert report.images == 40
        digests.add(export(model).digest)
    assert len(digests) == 1


def test_layers_are_told_in_order():
    model, told = tiny_network(method=ADQ), []
    report = calibrate(model, [tiny_images(8)], advance=told.append)
    assert told == [node.name for node in model.nodes] == [layer.name for layer in report.layers]


def test_what_cannot_be_calibrated_is_refused(monkeypatch):
    with pytest.raises(InputError, match="at least one image, not none"):
        calibrate(tiny_network(), [])
    with pytest.raises(InputError, match="must have"):
        calibrate(tiny_network(method=Method(activations="asq")), [tiny_images(4)])
    model = tiny_network(method=ADQ)
    with torch.no_grad():
        model.get_submodule("layer1.0.conv2").weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(NotANumberError, match=r"layer1\.0\.conv2"):
        calibrate(model, [tiny_images(4)])
    monkeypatch.setenv("ADQHW_MEMORY", "0.00001")
    with pytest.raises(InputError, match="calibration images must fit"):
        calibrate(tiny_network(), [tiny_images(4)])
