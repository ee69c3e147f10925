"""LSQ and PACT activations, ASQ's adaptive step: values, gradients, export."""

import numpy as np
import pytest
import torch
from networks import frozen_network, tiny_images, tiny_network

from adqhw.adq.export.compare import compare_codes
from adqhw.adq.export.export import export
from adqhw.adq.integers import integer
from adqhw.adq.networks.calibrate import start_fakequant
from adqhw.adq.quantizers.adaptive_step import AdaptiveStepActivation, adaptive_step
from adqhw.adq.quantizers.methods import Method, activation
from adqhw.adq.quantizers.uniform_activation import LsqActivation, PactActivation
from adqhw.adq.tensors import Mode
from adqhw.spec import golden
from adqhw.spec.errors import InputError


def maps(seed: int = 0) -> torch.Tensor:
    return torch.randn(4, 8, 3, 3, generator=torch.Generator().manual_seed(seed)) + 0.5


def in_fakequant(unit):
    unit.mode = Mode.FAKEQUANT
    return unit


def slow_round(x):
    return x + (torch.floor(x + 0.5) - x).detach()


@pytest.mark.parametrize("width", [1, 2, 4])
def test_lsq_equals_its_definition_by_autograd(width):
    unit = in_fakequant(LsqActivation(width))
    unit.initialise(1.7)
    grad, x = maps(1), maps().requires_grad_()
    signal = unit(x)
    (signal.data * signal.scale * grad).sum().backward()
    step, latent = unit.step.detach().clone().requires_grad_(), maps().requires_grad_()
    expected = step * slow_round((latent / step).clamp(0, unit.count))
    (expected * grad).sum().backward()
    torch.testing.assert_close(signal.data * signal.scale, expected)
    torch.testing.assert_close(x.grad, latent.grad)
    factor = (72 * unit.count) ** -0.5
    torch.testing.assert_close(unit.step.grad, step.grad * factor, rtol=1e-4, atol=1e-5)


def test_pact_equals_its_closed_form():
    unit = in_fakequant(PactActivation(2))
    unit.initialise(1.2)
    grad, x = maps(1), maps().requires_grad_()
    signal = unit(x)
    (signal.data * signal.scale * grad).sum().backward()
    inside = (maps() >= 0) & (maps() < 1.2)
    torch.testing.assert_close(x.grad, grad * inside)
    torch.testing.assert_close(unit.alpha.grad, grad[maps() >= 1.2].sum())
    torch.testing.assert_close(
        signal.data, torch.floor(maps().clamp(0, 1.2) / torch.tensor(0.4) + 0.5)
    )


@pytest.mark.parametrize("rule", ["lsq", "pact"])
def test_thresholds_are_where_the_code_rises(rule):
    unit = in_fakequant(activation(Method(activations=rule), 3, 8))
    unit.initialise(2.0)
    tau = unit.real_thresholds()
    assert unit.codes((tau + 1e-5).float()).tolist() == list(range(1, 8))
    assert unit.codes((tau - 1e-5).float()).tolist() == list(range(7))


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("rule", ["lsq", "pact"])
def test_uniform_activations_export_to_thresholds(rule, shortcut):
    model = frozen_network(method=Method(activations=rule), shortcut=shortcut, act_width=3)
    program, images = export(model), tiny_images(32, 5).numpy()
    expected = golden.run(program, images[:4], keep="all")
    actual = integer.run(program, images[:4], keep="all")
    for tensor, codes in expected.tensors.items():
        np.testing.assert_array_equal(actual.tensors[tensor], codes, err_msg=tensor)
    report = compare_codes(model, program, images)
    assert max(report.differing.values()) <= 1e-4, report.differing


def asq_inputs(dtype=torch.float64):
    generator = torch.Generator().manual_seed(7)
    x = torch.rand(3, 2, 4, 4, generator=generator, dtype=dtype) * 3
    beta = torch.tensor([0.7, 1.0, 1.6], dtype=dtype)
    return x, torch.tensor(0.3, dtype=dtype), beta


def test_asq_gradients_equal_the_closed_forms_of_the_released_code():
    x, step, beta = (t.requires_grad_() for t in asq_inputs())
    grad = torch.randn(x.shape, generator=torch.Generator().manual_seed(8), dtype=x.dtype)
    adaptive_step(x, step, beta, 7, grad_factor=0.25).backward(grad)
    ratio = x.detach() / (0.3 * beta.detach().view(3, 1, 1, 1))
    inside = ratio <= 7
    pull = torch.where(inside, torch.floor(ratio + 0.5) - ratio, 7.0)
    by_sample = (grad * pull).sum((1, 2, 3))
    torch.testing.assert_close(x.grad, grad * inside)
    torch.testing.assert_close(beta.grad, by_sample * 0.3)
    torch.testing.assert_close(step.grad, 0.25 * (by_sample * beta.detach()).sum())


@pytest.mark.parametrize("by_base", [False, True])
def test_asq_gradients_of_step_and_beta_equal_autograd_of_the_straight_through_form(by_base):
    ours, theirs = ([t.requires_grad_() for t in asq_inputs()] for _ in range(2))
    grad = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(8)).double()
    adaptive_step(*ours, 7, by_base=by_base).backward(grad)
    x, step, beta = theirs
    scale = step * beta.view(3, 1, 1, 1)
    values = slow_round((x / scale).clamp(0, 7)) * (step if by_base else scale)
    values.backward(grad)
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_asq_in_saturation_is_differentiable_and_equals_finite_differences():
    x = torch.full((2, 8, 2, 2), 50.0, dtype=torch.float64)  # all at code p: no rounding in play
    grad = torch.randn(2, 8, 2, 2, generator=torch.Generator().manual_seed(0)).double()

    def loss(step, beta):
        return (adaptive_step(x, step, beta, 3) * grad).sum()

    step = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    beta = torch.tensor([0.9, 1.3], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, (step, beta))


def test_the_adapter_passes_gradcheck_and_starts_near_one():
    torch.manual_seed(3)
    for channels in (4, 8, 16):
        unit = AdaptiveStepActivation(3, channels).double()
        assert (unit.squeeze is None) == (channels < 8)
        x = torch.rand(3, channels, 2, 2, dtype=torch.float64, requires_grad=True)
        assert (unit.beta(x) - 1).abs().max() < 0.1
        assert torch.autograd.gradcheck(unit.beta, (x,))


def test_asq_scales_each_sample_by_itself():
    torch.manual_seed(0)
    unit = in_fakequant(AdaptiveStepActivation(3, 8))
    unit.initialise(2.0)
    x = torch.relu(maps())
    together = unit(x)
    assert together.scale == 1.0
    for n in range(4):
        torch.testing.assert_close(unit(x[n : n + 1]).data, together.data[n : n + 1])


@pytest.mark.parametrize("rule", ["asq", "asq-base"])
def test_asq_trains_with_post_weights_and_refuses_export(rule):
    model = tiny_network(method=Method(weights="post", activations=rule), act_width=3)
    start_fakequant(model, [tiny_images(32)])
    model.train()
    model(tiny_images(8)).square().mean().backward()
    assert all(p.grad is not None for p in model.quantizer_parameters())
    model.eval()
    model.freeze_codebooks()
    with pytest.raises(InputError, match=r"'layer1\.0\.act1\.output' must have one scale"):
        export(model)
