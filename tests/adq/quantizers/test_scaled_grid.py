"""Weight rules with a scale: forward, gradients against autograd and closed forms, export."""

import faithful
import numpy as np
import pytest
import torch
from networks import frozen_network, tiny_images
from programs import random_images

from adqhw.adq.export.compare import compare_codes
from adqhw.adq.export.export import export
from adqhw.adq.integers import integer
from adqhw.adq.quantizers.codebook import Codebook
from adqhw.adq.quantizers.codebook_config import CodebookConfig
from adqhw.adq.quantizers.methods import Method, weight_quantizer
from adqhw.rtl.program.fit import narrowest
from adqhw.spec import golden
from adqhw.spec.codebook import shift_factor
from adqhw.spec.errors import InputError
from adqhw.spec.layers import MacLayer

METHODS = [
    Method(weights="adq", per_channel=True),
    Method(weights="post"),
    Method(weights="post", per_channel=False),
    Method(weights="pot"),
    Method(weights="apot"),
    Method(weights="lsq"),
    Method(weights="lsq", per_channel=True),
    Method(weights="n2uq"),
]


def name(method: Method) -> str:
    return f"{method.weights}{'-channel' if method.channel_scale else ''}"


def weights(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 5, 3, 3, generator=generator) * 0.1


def quantizer(method: Method, width: int = 3):
    made = weight_quantizer(method, width, 6)
    made.initialise(weights())
    return made


@pytest.mark.parametrize("width", [2, 3, 4])
@pytest.mark.parametrize("method", METHODS, ids=name)
def test_every_weight_gets_the_nearest_value(method, width):
    made = quantizer(method, width)
    levels, step = made(weights())
    assert torch.equal(levels, made.levels[made.index(weights())])
    table = (made.levels * step if isinstance(step, float) else made.levels.view(1, -1)
             * step.view(-1, 1))  # fmt: skip
    centre = weights().mean() if method.weights == "apot" else 0.0
    shape = (6, 1, 45)
    distance = ((weights() - centre).view(shape) - table.reshape(-1, len(made.levels), 1)).abs()
    taken = (weights() - centre - levels * step).abs().view(6, 45)
    torch.testing.assert_close(taken, distance.min(1).values, atol=1e-6, rtol=0)


@pytest.mark.parametrize("method", METHODS, ids=name)
def test_freezing_rounds_and_training_sees_the_rounded_levels(method):
    made = quantizer(method, 4)
    made.freeze()
    levels, _ = made(weights())
    assert torch.equal(levels, levels.round())
    assert levels.abs().max() <= 128
    assert bool(made.frozen)


def slow_forward(weight, alpha, values):
    """LSQ with any grid by autograd: straight-through nearest of the clamped ratio."""
    ratio = (weight / alpha).clamp(values[0], values[-1])
    nearest = values[(ratio.detach()[..., None] - values).abs().argmin(-1)]
    return alpha * (ratio + (nearest - ratio).detach())


@pytest.mark.parametrize("method", [m for m in METHODS if m.weights in ("post", "pot", "lsq")],
                         ids=name)  # fmt: skip
def test_gradients_equal_lsqs_by_autograd(method):
    made = quantizer(method)
    grad = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(2))
    weight = weights().requires_grad_()
    levels, step = made(weight)
    (levels * step * grad).sum().backward()
    alpha = made.alpha.detach().clone().requires_grad_()
    latent = weights().requires_grad_()
    (slow_forward(latent, alpha, made.grid.values.float()) * grad).sum().backward()
    torch.testing.assert_close(weight.grad, latent.grad)
    count = 45 if method.channel_scale else 270
    factor = (count * float(made.grid.values[-1])) ** -0.5
    torch.testing.assert_close(made.alpha.grad, alpha.grad * factor)


def test_apot_gradients_are_those_of_its_repository():
    made = quantizer(Method(weights="apot"))
    with torch.no_grad():
        made.alpha.fill_(1.5)  # so that some weights lie outside
    grad = torch.randn(6, 5, 3, 3, generator=torch.Generator().manual_seed(2))
    weight = weights().requires_grad_()
    levels, step = made(weight)
    (levels * step * grad).sum().backward()
    torch.testing.assert_close(weight.grad, grad)  # CIFAR version: not clipped
    deviation = weights().std()
    ratio = (weights() - weights().mean()) / deviation / 1.5
    nearest = (levels.detach() * step) / deviation / 1.5
    pull = torch.where(ratio.abs() > 1, ratio.sign(), nearest - ratio)
    torch.testing.assert_close(made.alpha.grad, (pull * grad).sum() * deviation)


def test_lsq_starts_at_twice_the_mean_over_the_root():
    made = quantizer(Method(weights="lsq"))
    made.initialise(torch.tensor([1.0, -2.0, 6.0]).repeat(6, 1).view(6, 3, 1, 1))
    assert made.alpha.item() == pytest.approx(3.4641, rel=1e-5)  # mean 3, 2 * 3 / sqrt(3)
    assert made.levels.tolist() == [-4, -3, -2, -1, 0, 1, 2, 3]


def test_n2uq_scale_is_gamma_times_the_mean_magnitude_of_the_filter():
    made = quantizer(Method(weights="n2uq"), 3)
    filters = torch.tensor([[1.0, -3.0], [0.3, 0.0], [0.0, 0.0]]).view(3, 2, 1, 1)
    levels, step = made(filters)
    # means 2, 0.15 and (of nothing but zeros) 1, times (2^3 - 1) / 2^2, over 3 levels a side
    torch.testing.assert_close(step.flatten(), torch.tensor([3.5 / 3, 0.2625 / 3, 1.75 / 3]))
    # 1 / 1.167 is nearest to 1, 3 / 1.167 = 2.57 to 3, 0.3 / 0.0875 = 3.43 is clipped to 3
    assert levels.flatten().tolist() == [1, -3, 3, 0, 0, 0]
    assert not list(made.parameters())


def test_channel_scale_of_adq_is_the_channels_rms():
    weight = torch.tensor([[1.0, -7.0], [0.3, 0.4], [0.0, 0.0]]).view(3, 2, 1, 1)
    book = Codebook(3, CodebookConfig(), channels=3)
    book.initialise(weight)
    # sqrt((1 + 49) / 2), sqrt((0.09 + 0.16) / 2); a channel of zeros keeps its unit
    torch.testing.assert_close(book.scale.flatten(), torch.tensor([5.0, 0.353553, 1.0]))
    assert (book(weight)[0][2] == 0).all()


@pytest.mark.parametrize("width", [2, 4])
@pytest.mark.parametrize("method", METHODS, ids=name)
def test_export_computes_what_the_graph_computes(method, width):
    model = frozen_network(method=method, weight_width=width, shortcut="B")
    program = export(model)
    images = tiny_images(16, 5).numpy()
    expected = golden.run(program, images[:4], keep="all")
    actual = integer.run(program, images[:4], keep="all")
    for tensor, codes in expected.tensors.items():
        np.testing.assert_array_equal(actual.tensors[tensor], codes, err_msg=tensor)
    report = compare_codes(model, program, images)
    assert max(report.differing.values()) <= 1e-4, report.differing
    assert program.average_weight_bits == width


def test_lsqs_lowest_level_takes_the_code_of_minus_zero():
    program = export(frozen_network(method=Method(weights="lsq"), weight_width=2))
    layers = [x for x in program.layers if isinstance(x, MacLayer) and x.codebook]
    assert {layer.codebook.levels for layer in layers} == {(0, 1, -2, -1)}
    assert any((layer.weights == 2).any() for layer in layers)


def test_impossible_methods_are_refused():
    with pytest.raises(InputError, match=r"Method weights must be one of adq, .* or n2uq, not"):
        Method(weights="best")
    with pytest.raises(InputError, match="Scale of apot must be per layer"):
        Method(weights="apot", per_channel=True)


@pytest.mark.parametrize("rule", ["post", "pot"])
def test_exported_shift_grids_run_on_shift_add(rule):
    """Every codebook has the shift form, the array takes it, its order gives golden's logits."""
    program = export(frozen_network(method=Method(weights=rule), weight_width=4))
    factors = {shift_factor(x.codebook.levels) for x in program.layers
               if isinstance(x, MacLayer) and x.codebook}  # fmt: skip
    assert factors == {11 if rule == "post" else 1}
    narrowest(program, rows=4, cols=4, micro="shift_add")
    images = random_images(program, 2)
    expected = golden.run(program, images).logits
    actual = faithful.run(program, images, order="shift_add", rows=4).logits
    np.testing.assert_array_equal(actual, expected)
