"""ImageNet networks: torchvision's names load, exact on every engine."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision_twins import TwinMobileNet, TwinResNet

from adqhw.adq.allocation import sensitivity
from adqhw.adq.allocation.allocation import ties
from adqhw.adq.export.export import export
from adqhw.adq.integers import integer
from adqhw.adq.networks import calibrate, pretrained
from adqhw.adq.networks.config import ImagenetConfig
from adqhw.adq.networks.geometry import Geometry
from adqhw.adq.networks.layers import QuantConv2d
from adqhw.adq.networks.network import Network
from adqhw.sim import engine
from adqhw.spec import golden
from adqhw.spec.errors import InputError
from adqhw.spec.networks import IMAGENET

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
SIZE = 64
"""The last maps are then 2 x 2: batch norms of single positions would see a few numbers only."""
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50"])
def test_state_dicts_with_torchvisions_names_load_and_compute_the_same(name, tmp_path):
    torch.manual_seed(1)
    twin = TwinResNet(name, width=8, classes=7).eval()
    for module in twin.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    save_file(twin.state_dict(), tmp_path / "twin.safetensors")
    model = pretrained.load_pretrained(tmp_path / "twin.safetensors", image_size=64)
    assert (model.config.arch, model.config.width, model.config.classes) == (name, 8, 7)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        expected = twin((images / 255 - MEAN) / STD)
        found = model(images)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("name", "twin"), [
    ("resnet18", lambda: TwinResNet("resnet18")),
    ("resnet50", lambda: TwinResNet("resnet50")),
    ("mobilenet-v2", TwinMobileNet),
])  # fmt: skip
def test_every_published_tensor_has_its_place(name, twin, monkeypatch):
    model = without_numbers(monkeypatch, ImagenetConfig(arch=name, width=IMAGENET[name]))
    with torch.device("meta"):
        theirs = twin().state_dict()
    own = {n: t.shape for n, t in model.state_dict().items()}
    named = {pretrained.our_name(key): t.shape for key, t in theirs.items()}
    named.pop(None, None)  # num_batches_tracked
    assert len(named) == sum("num_batches_tracked" not in key for key in theirs)
    float_part = {n: s for n, s in own.items() if ".output." not in n and ".quantizer." not in n}
    float_part = {n: s for n, s in float_part.items() if "num_batches_tracked" not in n}
    assert named == float_part


def without_numbers(monkeypatch, config: ImagenetConfig) -> Network:
    """The network on the device that holds shapes only; codebooks cannot start from them."""
    monkeypatch.setattr(QuantConv2d, "initialise_codebook", lambda self: None)
    with torch.device("meta"):
        return Network(config)


def scenes(count: int) -> torch.Tensor:
    """Images (count, 3, SIZE, SIZE) with large structures of their own.

    Noise would look alike to deep layers, and batch norm amplify what little differs.
    """
    coarse = torch.rand(count, 3, 3, 3, generator=torch.Generator().manual_seed(count))
    smooth = torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8)


def tiny(arch: str) -> Network:
    """A quantized network after one training step, frozen; every codebook width occurs."""
    torch.manual_seed(0)
    config = ImagenetConfig(arch=arch, width=8, classes=3, image_size=SIZE, weight_width=3)
    names = config.hidden_names()
    widths = tuple((name, 2 + i % 3) for i, name in enumerate(names))
    model = Network(replace(config, weight_widths=widths))
    images = scenes(8)
    # ranges are measured on the float network, which must be one whose batch norms normalize
    calibrate.recalibrate_batch_norm(model, [images])
    calibrate.start_fakequant(model, [images])
    model.train()
    optimizer = torch.optim.SGD(model.weight_parameters(), lr=0.01)
    torch.nn.functional.cross_entropy(
        model(images), torch.tensor([0, 1, 2, 0, 1, 2, 0, 1])
    ).backward()
    assert all(p.grad is not None for p in model.weight_parameters())
    optimizer.step()
    model.update_codebooks()
    model.freeze_codebooks()
    return model.eval()


@pytest.mark.parametrize("arch", ["resnet18", "resnet50", "mobilenet-v2"])
def test_programs_are_exact_on_every_engine_and_equal_the_graph(arch):
    model = tiny(arch)
    program = export(model)
    images = scenes(2).numpy()
    expected = golden.run(program, images, "all")
    for run in (integer.run, engine.run):
        found = run(program, images, "all")
        for name, codes in expected.tensors.items():
            np.testing.assert_array_equal(found.tensors[name], codes, err_msg=name)
    with torch.no_grad():
        logits = model(torch.from_numpy(images)).numpy()
    np.testing.assert_array_equal(logits.argmax(1), expected.logits.argmax(1))
    model.load_program(program)
    with torch.no_grad():
        np.testing.assert_array_equal(model(torch.from_numpy(images)).numpy(), expected.logits)
    reads = [layer for layer in program.layers if layer.name.endswith(".act")]
    if arch == "mobilenet-v2":  # reads of signed streams: no code below 0 comes out above zero
        assert reads
        assert program.layer("block0.0.depthwise").groups == 8


def test_projections_share_the_width_of_their_block(monkeypatch):
    model = without_numbers(monkeypatch, ImagenetConfig(arch="resnet50", width=8))
    groups = {group[0]: group for group in ties(model)}
    assert groups["layer1.0.conv1"] == ("layer1.0.conv1", "layer1.0.downsample")
    assert groups["layer1.1.conv3"] == ("layer1.1.conv3",)


def test_sensitivity_of_depthwise_layers_equals_autograd():
    torch.manual_seed(0)
    config = ImagenetConfig(arch="mobilenet-v2", width=8, classes=3, image_size=32)
    model = Network(config).eval()
    images = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    labels = torch.tensor([0, 2])
    found = sensitivity.fisher(model, images, labels)["block1.0.depthwise"]
    squares = torch.zeros_like(found)
    weight = model.hidden()["block1.0.depthwise"].weight
    for image, label in zip(images, labels, strict=True):
        loss = torch.nn.functional.cross_entropy(model(image[None]), label[None])
        squares += torch.autograd.grad(loss, weight)[0].double().square()
    assert torch.allclose(found, squares / 2, rtol=1e-3, atol=1e-12)


def test_max_pool_of_shifted_maps_is_max_pool():
    x = torch.randn(2, 3, 9, 12)
    window = Geometry(kernel=(3, 3), stride=(2, 2), padding=(1, 1, 1, 1))
    assert torch.equal(window.largest_of_shifts(x), torch.nn.functional.max_pool2d(x, 3, 2, 1))


def test_bad_configurations_are_refused():
    with pytest.raises(InputError, match=r"Network must be one of resnet18, .* not 'resnet19'"):
        ImagenetConfig(arch="resnet19")
    with pytest.raises(InputError, match="Image size must be at least 32, not 16"):
        ImagenetConfig(image_size=16)
    with pytest.raises(InputError, match="must name a hidden layer, not 'conv1'"):
        ImagenetConfig(weight_widths=(("conv1", 3),))
