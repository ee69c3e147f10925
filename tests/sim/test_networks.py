"""The benchmark networks: true topologies, codes that are spread, exact in every mode."""

import numpy as np
import pytest

from adqhw.sim.networks import build
from adqhw.sim.runner import Runner
from adqhw.spec import MacLayer, golden
from adqhw.spec.errors import InputError
from adqhw.spec.networks import PUBLISHED, published

MACS = {
    # conv1 3*16*9*1024, stages 2*16*16*9*1024, (16+32)*32*9*256, (32+64)*64*9*64, classifier 640
    "resnet8-cifar": 12_239_488,
    "resnet20-cifar": 40_551_040,  # 40.55 M in the literature
    "resnet18": 1_814_073_344,  # torchvision states 1.814 G
    "resnet50": 4_089_184_256,  # torchvision states 4.089 G
    "mobilenet-v2": 300_774_272,  # the paper states 300 M
}
SLOW = {"resnet18", "resnet50", "mobilenet-v2"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in MACS],
)
def test_macs(name):
    program = build(name)
    macs = sum(program.macs(x.name) for x in program.layers if isinstance(x, MacLayer))
    assert macs == MACS[name]


@pytest.mark.parametrize("name", ["resnet8-cifar"])
def test_codes_are_spread_and_equal_golden(name):
    program = build(name, weight_width=3, act_width=3)
    images = np.random.default_rng(0).integers(0, 256, (3, *program.input_shape))
    expected = golden.run(program, images, "all")
    found = Runner(program, keep="all").run(images)
    for layer, codes in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[layer], codes, err_msg=layer)
        if layer.endswith(("conv1", "conv2", "act1")):
            assert 0.2 < np.mean(codes == 0) < 0.7, layer
            assert np.mean(codes == program.tensor_format(layer).max) < 0.1, layer


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_imagenet_equals_golden(name):
    program = build(name)
    images = np.random.default_rng(0).integers(0, 256, (1, *program.input_shape))
    expected = golden.run(program, images, "all")
    found = Runner(program, keep="all").run(images)
    for layer, codes in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[layer], codes, err_msg=layer)


@pytest.mark.slow
def test_resnet20_against_torch_and_golden():
    """Every code of every layer: 200 images against golden, 2000 against torch's integers."""
    from adqhw.adq.integers import integer

    program = build("resnet20-cifar")
    runner = Runner(program, keep="all")
    random = np.random.default_rng(1)
    for step in range(20):
        images = random.integers(0, 256, (100, *program.input_shape)).astype(np.uint8)
        found = runner.run(images)
        engines = [integer, golden] if step < 2 else [integer]
        for engine in engines:
            for layer, codes in engine.run(program, images, "all").tensors.items():
                np.testing.assert_array_equal(found.tensors[layer], codes, err_msg=layer)


@pytest.mark.parametrize(
    "name", ["resnet8-cifar", pytest.param("mobilenet-v2", marks=pytest.mark.slow)]
)
def test_layers_are_the_networks_nodes(name):
    program = build(name)
    size, nodes = published(name)
    assert program.input_shape == (3, size, size)
    for layer, node in zip(program.layers, nodes, strict=True):
        assert (layer.name, layer.input, layer.skip) == (node.name, node.source, node.skip)
        assert program.tensor_shape(layer.name) == (node.channels, *node.size)
        assert layer.kind is node.kind
        assert layer.taps == node.kernel[0] * node.kernel[1]
        if isinstance(layer, MacLayer):
            assert (layer.stride, layer.padding) == (node.stride, node.padding)
            assert layer.groups == node.groups
            assert layer.weights.size == node.weights
            assert (layer.codebook is not None) == node.coded
        assert node.stream in (None, program.tensor_format(layer.name))


def test_unknown_network():
    with pytest.raises(InputError, match=r"must be one of resnet8-cifar.*not 'vgg'"):
        build("vgg")
    assert "resnet34" in PUBLISHED
