"""The network: names, modes, parameters, codebook life cycle, training."""

import pytest
import torch
import torch.nn.functional as F
from networks import TINY, frozen_network, tiny_images, tiny_network

from adqhw.adq.networks.calibrate import start_fakequant
from adqhw.adq.networks.config import CifarConfig
from adqhw.adq.networks.network import Network, residual
from adqhw.adq.tensors import Mode, Signal
from adqhw.spec.errors import InputError


@pytest.mark.parametrize(("depth", "convs"), [(8, 7), (20, 19), (32, 31), (44, 43), (56, 55)])
def test_depths_have_their_layers(depth, convs):
    model = Network(CifarConfig(depth=depth))
    assert sum(u.weight.dim() == 4 for u in model.units().values() if hasattr(u, "weight")) == convs


def test_resnet20_has_the_published_number_of_weights():
    model = Network(CifarConfig(depth=20))
    hidden = sum(conv.weight.numel() for conv in model.hidden().values())
    assert hidden == 6 * 2304 + 4608 + 5 * 9216 + 18432 + 5 * 36864
    float_parts = [*model.weight_parameters(), *model.scale_parameters()]
    assert sum(p.numel() for p in float_parts) == 269_722  # data/README: conv, bn, fc


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_parameter_groups_cover_everything_once(shortcut):
    model = tiny_network(shortcut=shortcut)
    groups = [
        *model.weight_parameters(),
        *model.scale_parameters(),
        *model.quantizer_parameters(),
    ]
    assert len({id(p) for p in groups}) == len(groups)
    assert {id(p) for p in groups} == {id(p) for p in model.parameters()}


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize("mode", [Mode.FLOAT, Mode.FAKEQUANT])
def test_every_parameter_gets_a_gradient(shortcut, mode):
    model = tiny_network(shortcut=shortcut)
    start_fakequant(model, [tiny_images(16)])
    model.set_mode(mode)
    model.train()
    F.cross_entropy(model(tiny_images(16, 1)), torch.arange(16) % 5).backward()
    names = {id(p) for p in model.quantizer_parameters()} if mode is Mode.FLOAT else set()
    for name, parameter in model.named_parameters():
        if id(parameter) in names:
            assert parameter.grad is None, name
        else:
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().sum() > 0, name


def test_option_a_shortcut_subsamples_and_pads():
    (node,) = (n for n in tiny_network().nodes if n.name == "layer2.0.conv2")
    x = torch.rand(1, 4, 8, 8)
    out = residual(Signal(x), node.skip, node.channels).real
    assert out.shape == (1, 8, 4, 4)
    assert torch.equal(out[:, 2:6], x[:, :, ::2, ::2])
    assert (out[:, :2] == 0).all()
    assert (out[:, 6:] == 0).all()


def train(seed: int, steps: int) -> tuple[list[float], Network]:
    model = tiny_network(seed)
    images, labels = tiny_images(20, 3), torch.arange(20) % 5
    start_fakequant(model, [images])
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        model.update_codebooks()
        losses.append(float(loss.detach()))
    return losses, model


def test_fakequant_training_overfits_one_batch():
    losses, _ = train(0, 80)
    assert losses[-1] < 0.1 * losses[0]


def test_the_same_seed_gives_the_same_bits():
    (first, a), (second, b) = train(1, 6), train(1, 6)
    assert first == second
    assert all(
        torch.equal(x, y)
        for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    )


def test_threads_do_not_change_the_quantizers():
    # convolutions may sum in another order; the quantizers' own sums may not
    model = tiny_network()
    start_fakequant(model, [tiny_images(16)])
    activation = model.get_submodule("layer1.0.act1.output")
    x = torch.randn(16, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    results = []
    threads = torch.get_num_threads()
    for count in (1, 2, 3):
        torch.set_num_threads(count)
        inputs = x.clone().requires_grad_()
        activation.zero_grad()
        (activation(inputs).data * x).sum().backward()
        results.append([inputs.grad, *(p.grad.clone() for p in activation.parameters())])
    torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_freezing_survives_the_state_dict():
    model = frozen_network(weight_width=3)
    other = Network(model.config)
    other.load_state_dict(model.state_dict())
    other.set_mode(Mode.FAKEQUANT)
    assert other.codebooks_frozen
    images = tiny_images(4)
    assert torch.equal(other.eval()(images), model.eval()(images))


def test_new_widths_keep_the_float_network():
    model = tiny_network()
    other = model.with_weight_widths({"layer1.0.conv1": 2, "layer3.0.conv2": 3})
    assert other.hidden()["layer1.0.conv1"].quantizer.width == 2
    assert other.hidden()["layer1.0.conv2"].quantizer.width == 4
    assert torch.equal(other(tiny_images(3)), model(tiny_images(3)))


def test_integer_mode_needs_a_program():
    with pytest.raises(InputError, match="load_program"):
        tiny_network().set_mode(Mode.INTEGER)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 9}, "Depth must be 2"),
        ({"shortcut": "C"}, "Shortcut must be 'A' or 'B'"),
        ({"widths": (4, 7, 16)}, "Widths must grow by even numbers"),
        ({"image_size": (8, 3)}, r"Image size must be at least 4, not \(8, 3\)"),
        ({"std": (1.0,)}, "one entry per input channel"),
        ({"mean": (0.5, 0.5, 127.0)}, "Mean must be in 0..1"),
        ({"weight_widths": (("layer9.0.conv1", 2),)}, "must name a hidden layer"),
    ],
)
def test_bad_configuration_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        CifarConfig(**{**TINY, **changes})
