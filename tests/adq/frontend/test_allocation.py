"""Sensitivities and allocation on a user's network, as on ours."""

import pytest
import torch
import torch.nn.functional as F

from adqhw.adq.allocation import allocation, sensitivity
from adqhw.adq.frontend.config import QuantizeConfig
from adqhw.adq.frontend.quantize import quantize
from adqhw.adq.tensors import Mode
from tests.support.nets import user_modules as user
from tests.support.nets.traced import assert_exact, uneven_norms


def made():
    torch.manual_seed(0)
    model = user.Vgg(width=4)
    uneven_norms(model)
    images, labels = torch.randn(12, 1, 8, 8), torch.arange(12) % 10
    return quantize(model, images), images, labels


def test_fisher_is_the_mean_of_squared_gradients_per_image():
    network, images, labels = made()
    found = sensitivity.fisher(network, images, labels)
    weights = {name: conv.weight for name, conv in network.hidden().items()}
    assert list(weights) == ["features.3", "features.6", "classifier.0"]
    totals = {name: torch.zeros_like(w, dtype=torch.float64) for name, w in weights.items()}
    with network.evaluating(Mode.FLOAT):
        for image, label in zip(images, labels, strict=True):
            loss = F.cross_entropy(network(image[None]), label[None])
            grads = torch.autograd.grad(loss, list(weights.values()))
            for total, grad in zip(totals.values(), grads, strict=True):
                total += grad.double().square() / len(images)
    for name, total in totals.items():
        torch.testing.assert_close(found[name], total, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("kind", ["fisher", "hessian", "error"])
def test_allocated_widths_fit_the_budget_and_export(kind):
    network, images, labels = made()
    table = sensitivity.sensitivities(network, images, labels, (2, 3, 4), kind)
    weights, groups = allocation.sizes(network), allocation.ties(network)
    chosen = allocation.allocate(table, weights, 3.0, groups)
    assert chosen.average <= 3.0
    again = quantize(user.Vgg(width=4), images, QuantizeConfig(weight_widths=chosen.widths))
    program = again.eval().export()
    widths = {layer.name: layer.weight_width for layer in program.mac_layers if layer.codebook}
    assert widths == chosen.widths
    assert_exact(again, program, images[:2])


def test_first_and_last_layer_are_fixed():
    network, _, _ = made()
    assert allocation.fixed_weights(network) == 4 * 9 + 32 * 10
