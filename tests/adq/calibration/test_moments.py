"""Windows and moments against torch's own."""

import pytest
import torch
import torch.nn.functional as F
from networks import tiny_images, tiny_network

from adqhw.adq.calibration.moments import measure, output_affine, windows
from adqhw.adq.calibration.walk import Walk, before_quantizer, set_unit_mode
from adqhw.adq.networks.config import ImagenetConfig
from adqhw.adq.networks.network import Network
from adqhw.adq.tensors import Mode


def convolution(name: str, **changes):
    return tiny_network(**changes).get_submodule(name)


@pytest.mark.parametrize("name", ["layer1.0.conv1", "layer2.0.conv1", "layer2.0.downsample"])
def test_windows_times_weights_are_the_sums(name):
    conv = convolution(name, shortcut="B")
    generator = torch.Generator().manual_seed(0)
    data = torch.rand(3, conv.weight.shape[1], 8, 8, generator=generator)
    sums = conv.convolve(data, conv.weight)
    rows, columns = torch.tensor([0, 1, 3, 2]), torch.tensor([0, 3, 1, 2])
    seen = windows(conv, data, rows, columns)
    found = seen[0] @ conv.weight.flatten(1).T
    expected = sums[:, :, rows, columns].permute(0, 2, 1).reshape(-1, len(conv.weight))
    torch.testing.assert_close(found, expected)


def test_groups_see_their_own_channels():
    torch.manual_seed(0)
    model = Network(ImagenetConfig(arch="mobilenet-v2", width=8, classes=3, image_size=32))
    conv = model.get_submodule("block1.0.depthwise")
    data = torch.rand(2, len(conv.weight), 6, 6)
    rows, columns = torch.tensor([0, 2]), torch.tensor([1, 2])
    seen = windows(conv, data, rows, columns)
    found = torch.einsum("gsn,gn->gs", seen, conv.weight.flatten(1))
    expected = conv.convolve(data, conv.weight)[:, :, rows, columns].permute(1, 0, 2).flatten(1)
    torch.testing.assert_close(found, expected)


def test_the_affine_is_that_of_the_batch_norm():
    conv = convolution("layer1.0.conv1").eval()
    sums = torch.randn(2, 4, 5, 5)
    slope, offset = output_affine(conv)
    found = sums * slope.view(1, -1, 1, 1) + offset.view(1, -1, 1, 1)
    torch.testing.assert_close(found.float(), conv.bn(sums))


@torch.no_grad()
def test_float_inputs_lack_nothing_and_all_windows_are_counted():
    model = tiny_network(shortcut="B")
    walk = Walk(model, [tiny_images(4), tiny_images(3, seed=1)])
    for node, unit in walk:
        inputs = walk.float_inputs(node)
        if node.name == "layer2.0.conv2":
            targets = [before_quantizer(unit, x, Mode.FLOAT) for x in inputs]
            found = measure(unit, inputs, targets, places=10_000, seed=0)
            columns = [F.unfold(x.data, 3, padding=1) for x, _ in inputs]
            flat = torch.cat([c.permute(0, 2, 1).reshape(-1, c.shape[1]) for c in columns])
            expected = flat.double().T @ flat.double() / len(flat)
            torch.testing.assert_close(found.inputs[0], expected, rtol=1e-4, atol=1e-6)
            assert float(found.errors.abs().max()) < 1e-5
            shifted = [target + 1.0 for target in targets]
            lacking = measure(unit, inputs, shifted, places=10_000, seed=0).errors
            assert float(lacking.abs().max()) > 0.1
            return
        set_unit_mode(unit, Mode.FLOAT)
        signals = [unit(*x) for x in inputs]
        walk.put(node, signals, signals)
