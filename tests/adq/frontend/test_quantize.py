"""Users' modules from tracing to exact programs; the networks stand in tests/support/nets."""

import copy
import io

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from adqhw.adq.frontend.config import QuantizeConfig
from adqhw.adq.frontend.quantize import quantize
from adqhw.adq.quantizers.methods import Method
from adqhw.adq.tensors import Mode
from adqhw.spec.errors import InputError
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


@pytest.mark.parametrize("name", CASES)
def test_programs_are_exact_and_floats_are_the_users(name):
    model, images = made(name)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    network = quantize(model, images, QuantizeConfig(act_width=3, weight_width=3))
    with torch.no_grad(), network.evaluating(Mode.FLOAT):
        torch.testing.assert_close(network(images), model.eval()(images), rtol=1e-4, atol=1e-5)
    state = network.state_dict()
    for key, value in before.items():
        assert torch.equal(state[key], value), key
        assert torch.equal(model.state_dict()[key], value), key
    more = [key for key in state if key not in before]
    assert all(".quantizer." in key or ".output." in key for key in more), more
    train_some(network, images)
    assert_exact(network, network.export(), images[:3])


@pytest.mark.parametrize("name", ["branched", "functions", "dense"])
def test_streams_of_8_bits_are_read_as_they_are(name):
    model, images = made(name)
    network = quantize(model, images, QuantizeConfig(act_width=8))
    assert not any(name.endswith(".read") for name in network.units() if name != "input.read")
    train_some(network, images)
    assert_exact(network, network.export(), images[:3])


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


def test_float_weights_of_the_user_restart_the_codebooks():
    model, images = made("vgg")
    network = quantize(model, images)
    other, _ = made("vgg", seed=5)
    keys = network.load_state_dict(other.state_dict(), strict=False)
    assert not keys.unexpected_keys
    fresh = quantize(other, images)
    for name, conv in network.hidden().items():
        assert torch.equal(conv.quantizer.values, fresh.hidden()[name].quantizer.values)


def test_it_works_inside_a_users_module():
    class Whole(nn.Module):
        def __init__(self, network: nn.Module) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x).log_softmax(1)

    model, images = made("ds-cnn")
    whole = Whole(quantize(model, images)).train()
    optimizer = torch.optim.SGD(whole.parameters(), lr=0.1)
    F.nll_loss(whole(images), torch.zeros(len(images), dtype=torch.long)).backward()
    optimizer.step()
    whole.eval()
    assert not whole.network.training
    assert_exact(whole.network, whole.network.export(), images[:2])


def test_export_measures_all_norms_anew():
    model, images = made("pre-activation")
    network = quantize(model, images)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    program = network.export(images)
    after = network.state_dict()
    means = [name for name in after if name.endswith("running_mean")]
    assert len(means) == 3
    assert not any(torch.equal(after[name], before[name]) for name in means)
    assert_exact(network.eval(), program, images[:2])


def test_dropout_acts_in_training_only():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(64, 32), nn.Dropout(0.5), nn.ReLU(), nn.Linear(32, 3)
    )
    images = torch.randn(16, 1, 8, 8)
    network = quantize(model, images).train()
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))
    assert_exact(network, network.export(), images[:2])


class Clashing(nn.Module):
    """Modules called like attributes and methods of our network."""

    def __init__(self) -> None:
        super().__init__()
        self.mode, self.config = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)
        self.units, self.export = nn.Conv2d(4, 4, 3), nn.PReLU()
        self.input, self.nodes = nn.Conv2d(4, 4, 1), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.config(self.mode(x)))
        x = F.relu(self.input(self.export(self.units(x))))
        return self.nodes(F.max_pool2d(x, 2).flatten(1))


def test_names_of_ours_are_free_for_the_user():
    torch.manual_seed(0)
    model, images = Clashing(), torch.randn(8, 3, 8, 8)
    network = quantize(model, images)
    assert set(model.state_dict()) <= set(network.state_dict())
    train_some(network, images)
    network.load_state_dict(copy.deepcopy(network).state_dict())
    program = network.export()
    assert "input_2" in program.tensors
    assert_exact(network, program, images[:2])


class Entering(nn.Module):
    """The input read by pools and norms, padding apart, its shape changed, limits of any kind."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form
        self.norm, self.pad = nn.BatchNorm2d(1), nn.ZeroPad2d((0, 1, 2, 0))
        self.a, self.b = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 4, padding="same", dilation=(1, 2))
        self.fc = nn.LazyLinear(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.view(-1, 1, 8, 8)
        if self.form == "norm":
            x = self.norm(x)
        elif self.form == "pool":
            x = F.max_pool2d(F.avg_pool2d(x, 2, 1), 2, 1)
        elif self.form == "pad":
            x = self.pad(x)
        x = self.a(x).clamp(-0.5, 2.0)
        x = F.hardtanh(self.b(x), -0.3, 0.3)
        return torch.sigmoid(self.fc(F.max_pool2d(x, 2).flatten(1)))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")
@pytest.mark.parametrize("form", ["plain", "norm", "pool", "pad"])
def test_ways_into_a_network(form):
    torch.manual_seed(0)
    images = torch.randn(16, 64)
    model = Entering(form)
    model(images)
    uneven_norms(model)
    network = quantize(model, images)
    with torch.no_grad(), network.evaluating(Mode.FLOAT):
        torch.testing.assert_close(network(images), model.eval()(images), rtol=1e-4, atol=1e-5)
    train_some(network, images)
    program = network.export()
    assert program.input_shape == (1, 8, 8)
    assert_exact(network, program, images[:3])
    # what reads the input first has 8-bit weights and 8-bit codes
    assert program.layer("a").codebook is None
    assert program.tensor_format(program.layer("a").input).width == 8


RULES = [
    {"weights": "adq", "per_channel": True, "activations": "lsq"},
    {"weights": "lsq", "per_channel": True, "activations": "pact"},
    {"weights": "post", "activations": "n2uq-rprelu"},
    {"weights": "apot"},
    {"weights": "n2uq"},
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["weights"])
def test_every_rule_works_on_a_users_network(rule):
    model, images = made("vgg")
    network = quantize(model, images, QuantizeConfig(method=Method(**rule)))
    train_some(network, images)
    assert_exact(network, network.export(), images[:3])


def test_an_activation_without_integers_is_refused_at_export():
    model, images = made("vgg")
    network = quantize(model, images, QuantizeConfig(method=Method(activations="asq")))
    with pytest.raises(InputError, match=r"'features\.0\.output' must have one scale"):
        network.export()
