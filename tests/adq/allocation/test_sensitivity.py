"""Empirical Fisher sensitivity."""

import pytest
import torch
import torch.nn.functional as F
from networks import tiny_images, tiny_network

from adqhw.adq.allocation.sensitivity import BATCH, fisher, reconstruct, sensitivities
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.quantizers.methods import Method
from adqhw.adq.tensors import Mode
from adqhw.spec.errors import InputError


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_fisher_is_the_mean_of_squared_per_image_gradients(shortcut):
    model, images, labels = tiny_network(shortcut=shortcut), tiny_images(7), torch.arange(7) % 5
    weights = {name: conv.weight for name, conv in model.hidden().items()}
    expected = {name: torch.zeros_like(w) for name, w in weights.items()}
    for i in range(7):
        loss = F.cross_entropy(model(images[i : i + 1]), labels[i : i + 1])
        for name, g in zip(weights, torch.autograd.grad(loss, list(weights.values())), strict=True):
            expected[name] += g.square() / 7
    for name, information in fisher(model, images, labels).items():
        torch.testing.assert_close(information.float(), expected[name], rtol=1e-3, atol=1e-9)


def test_batches_do_not_matter():
    model, count = tiny_network(), BATCH + 3
    images, labels = tiny_images(count), torch.arange(count) % 5
    whole = fisher(model, images, labels)
    first, rest = fisher(model, images[:9], labels[:9]), fisher(model, images[9:], labels[9:])
    for name in whole:
        mixed = (first[name] * 9 + rest[name] * (count - 9)) / count
        torch.testing.assert_close(whole[name], mixed, rtol=1e-4, atol=1e-12)


def test_more_bits_cost_less_and_the_network_is_left_alone():
    model = tiny_network()
    model.train()
    model.set_mode(Mode.FAKEQUANT)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    table = sensitivities(model, tiny_images(8), torch.arange(8) % 5)
    assert list(table) == model.config.hidden_names()
    for costs in table.values():
        assert costs[2] > costs[3] > costs[4] > 0
    assert model.training
    assert model.mode is Mode.FAKEQUANT
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("levels", "expected"), [("reserved", {2: 0.1, 3: 0.0}), ("full", {2: 0.0})]
)
def test_hand_counted_error(levels, expected):
    # one value a side, 1.5 for ones and twos: every weight is off by 0.5, of a mean square of 2.5;
    # with 2^b levels the positive side has two values at 2 bits already
    model = tiny_network(codebook=CodebookConfig(levels=levels, early_rounding=False))
    weight = model.hidden()["layer3.0.conv2"].weight
    with torch.no_grad():
        weight.copy_(torch.tensor([1.0, 2.0]).repeat(weight.numel() // 2).view(weight.shape))
    widths = tuple(expected)
    table = sensitivities(model, tiny_images(2), torch.arange(2), widths=widths, kind="error")
    assert table["layer3.0.conv2"] == pytest.approx(expected)


def test_reconstruction_has_as_many_values_as_the_codebook():
    weight = torch.randn(2000, generator=torch.Generator().manual_seed(0))
    assert len(reconstruct(weight, 3).unique()) == 8
    fewer = Method(codebook=CodebookConfig(levels="reserved"))
    assert len(reconstruct(weight, 3, fewer).unique()) == 7


def test_the_measured_loss_is_that_of_the_network_with_one_layer_quantized():
    model = tiny_network()
    images, labels = tiny_images(70), torch.arange(70) % 5
    before = {name: value.clone() for name, value in model.state_dict().items()}
    table = sensitivities(model, images, labels, widths=(2, 4), kind="loss")
    assert list(table) == model.config.hidden_names()
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    with torch.no_grad(), model.evaluating(Mode.FLOAT):
        whole = F.cross_entropy(model(images), labels)
        weight = model.hidden()["layer2.0.conv1"].weight
        weight.copy_(reconstruct(weight, 2))
        alone = F.cross_entropy(model(images), labels)
    assert table["layer2.0.conv1"][2] == pytest.approx(float(alone - whole), abs=1e-6)
    assert abs(table["layer2.0.conv1"][4]) < abs(table["layer2.0.conv1"][2])
    with pytest.raises(InputError, match="as many labels, not 2 and 1"):
        sensitivities(tiny_network(), tiny_images(2), torch.zeros(1).long(), kind="loss")


def test_images_without_labels_are_refused():
    with pytest.raises(InputError, match="as many labels, not 2 and 1"):
        fisher(tiny_network(), tiny_images(2), torch.zeros(1, dtype=torch.long))
