"""Users' modules from tracing to exact programs; the networks stand in tests/support/nets."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from adqhw.adq.frontend.config import QuantizeConfig
from adqhw.adq.frontend.quantize import quantize
from adqhw.adq.tensors import Mode
from adqhw.spec.layers import LayerKind
from tests.support.nets import odd_modules as odd
from tests.support.nets import user_modules as user
from tests.support.nets.traced import assert_exact, train_some, uneven_norms

CASES = {
    "vgg": (user.Vgg, (1, 8, 8)),
    "branched": (user.BranchedResNet, (1, 8, 8)),
    "ds-cnn": (user.DsCnn, (1, 49, 10)),
    "mobilenet": (user.MobileNetV2, (3, 16, 16)),
    "squeezenet": (odd.SqueezeNet, (3, 31, 31)),
    "unet": (odd.UNet, (3, 8, 8)),
    "mlp": (odd.ResidualMlp, (20,)),
    "functions": (odd.Functions, (3, 8, 8)),
    "pre-activation": (odd.PreActivation, (3, 8, 8)),
    "dense": (odd.Dense, (3, 8, 8)),
}


def made(name: str, seed: int = 0, count: int = 16) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(seed)
    kind, shape = CASES[name]
    model = kind()
    uneven_norms(model)
    return model, torch.randn(count, *shape)


@pytest.mark.parametrize("act_width", [3, 8])
@pytest.mark.parametrize("name", CASES)
def test_programs_are_exact_on_every_engine(name, act_width):
    model, images = made(name)
    network = quantize(model, images, QuantizeConfig(act_width=act_width, weight_width=3))
    train_some(network, images)
    assert_exact(network, network.export(), images[:3])


@pytest.mark.parametrize("name", CASES)
def test_float_mode_is_the_users_network(name):
    model, images = made(name)
    network = quantize(model, images)
    with torch.no_grad(), network.evaluating(Mode.FLOAT):
        torch.testing.assert_close(network(images), model.eval()(images), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_the_users_parameter_names_are_in_the_state(name):
    model, images = made(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = quantize(model, images).state_dict()
    for key, value in before.items():
        torch.testing.assert_close(state[key], value, rtol=0, atol=0)
        assert torch.equal(model.state_dict()[key], value)
    more = [key for key in state if key not in before]
    assert all(".quantizer." in key or ".output." in key for key in more), more


def test_linear_bottlenecks_stay_signed():
    model, images = made("mobilenet")
    program = quantize(model, images).export()
    formats = {layer.name: program.tensor_format(layer.name).name for layer in program.layers}
    # the bottleneck of the first block, read by the second one's expansion through 4 signed bits
    assert formats["features.1.conv.1"] == "s8"
    assert formats["features.1.conv.1.read"] == "s4"
    assert formats["features.2.conv.0.0"] == "u4"
    assert program.layer("features.2.conv.0.0").input == "features.1.conv.1.read"
    # no ReLU that the user did not write: thresholds read the stream behind the first ReLU6 alone
    read = [layer.name for layer in program.layers if layer.kind is LayerKind.THRESHOLD]
    assert read == ["features.0.0.read"]


def test_concatenated_streams_have_one_step():
    model, images = made("branched")
    network = quantize(model, images)
    left, right = network.units()["left"], network.units()["right"]
    assert left.output.signed
    assert not right.output.signed  # behind a ReLU: it gets the signed step by a requantization
    assert network.units()["cat.part1"].output is left.output
    assert "cat.part1.output.step" not in network.state_dict()


def test_a_users_loop_trains():
    torch.manual_seed(0)
    labels = torch.arange(64) % 4
    images = torch.randn(64, 1, 8, 8) * 0.1
    for label in range(4):
        images[labels == label, :, label : label + 3] += 1.0
    network = quantize(user.Vgg(classes=4), images)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    before = network.units()["features.3"].quantizer.values.clone()
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(images), labels)
        loss.backward()
        optimizer.step()
    assert not torch.equal(network.units()["features.3"].quantizer.values, before)
    network.eval()
    program = network.export(images)
    assert float((network(images).argmax(1) == labels).float().mean()) > 0.9
    assert_exact(network, program, images[:4])


def test_copies_and_states_continue_bit_for_bit():
    model, images = made("branched")
    network = quantize(model, images)
    train_some(network, images)
    twin = copy.deepcopy(network)
    stream = io.BytesIO()
    torch.save(network.state_dict(), stream)
    stream.seek(0)
    other = quantize(model, images)
    other.load_state_dict(torch.load(stream))
    for network_now in (network, twin, other):
        torch.manual_seed(3)
        train_some(network_now, images)
    for key, value in network.state_dict().items():
        assert torch.equal(twin.state_dict()[key], value), key
        assert torch.equal(other.state_dict()[key], value), key


def test_codebooks_follow_changed_weights_only():
    model, images = made("vgg")
    network = quantize(model, images).train()
    quantizer = network.units()["features.3"].quantizer
    start = quantizer.values.clone()
    network(images)
    assert torch.equal(quantizer.values, start)
    with torch.no_grad():
        network.units()["features.3"].weight.mul_(1.5)
    network.eval()
    network(images)
    assert torch.equal(quantizer.values, start)
    network.train()
    network(images)
    moved = quantizer.values.clone()
    assert not torch.equal(moved, start)
    network(images)
    assert torch.equal(quantizer.values, moved)


def test_pixels_enter_as_floats_or_as_codes():
    torch.manual_seed(0)
    codes = torch.randint(0, 256, (16, 3, 8, 8), dtype=torch.uint8)
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3])
    real = (codes / 255 - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1)
    config = QuantizeConfig(mean=tuple(mean.tolist()), std=tuple(std.tolist()))
    model = odd.UNet()
    network = quantize(model, real, config).eval()
    assert torch.equal(network.encode(real), codes)
    torch.testing.assert_close(network(real), network(codes))
    other = quantize(model, codes, config).eval()
    # float images are exact places beside the codes while ranges are measured: equal but for that
    torch.testing.assert_close(other(codes), network(codes), rtol=0, atol=0.1)


def test_widths_per_layer():
    model, images = made("vgg")
    config = QuantizeConfig(weight_widths={"features.3": 2, "classifier.0": 5})
    network = quantize(model, images, config)
    program = network.export()
    widths = {layer.name: layer.weight_width for layer in program.mac_layers}
    assert widths == {
        "features.0": 8, "features.3": 2, "features.6": 4, "classifier.0": 5, "classifier.3": 8,
    }  # fmt: skip
    wider = network.with_weight_widths({"features.3": 6})
    assert wider.units()["features.3"].quantizer.width == 6
    torch.testing.assert_close(
        wider.units()["features.3"].weight, network.units()["features.3"].weight
    )
