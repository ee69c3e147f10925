"""Networks as lists of nodes: sizes by hand, published numbers of weights."""

import pytest

from adqhw.spec.errors import InputError
from adqhw.spec.layers import Skip
from adqhw.spec.networks import PUBLISHED, Node, cifar_resnet, imagenet, published
from adqhw.spec.windows import positions

WEIGHTS = {
    # convolutions and classifier, without batch norms and biases
    "resnet20-cifar": 432 + 6 * 2304 + 4608 + 5 * 9216 + 18432 + 5 * 36864 + 640,
    "resnet18": 11_689_512 - 1000 - 9600,  # torchvision: parameters, bias, 2 x 4800 of batch norms
    "resnet50": 25_557_032 - 1000 - 53_120,
    "mobilenet-v2": 3_504_872 - 1000 - 34_112,
}


def by_name(nodes: tuple[Node, ...]) -> dict[str, Node]:
    return {node.name: node for node in nodes}


@pytest.mark.parametrize("name", WEIGHTS)
def test_published_numbers_of_weights(name):
    assert sum(node.weights for node in published(name)[1]) == WEIGHTS[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_nodes_read_what_earlier_nodes_make(name):
    size, nodes = published(name)
    made = {"input": (3, (size, size))}
    for node in nodes:
        channels, extent = made[node.source]
        assert node.ins == channels, node.name
        window = node.kernel, node.stride, node.padding
        assert node.size == positions(node.name, extent, *window), node.name
        if node.skip is not None:
            channels, extent = made[node.skip.tensor]
            assert tuple(-(-side // node.skip.stride) for side in extent) == node.size
            assert channels + 2 * node.skip.channel_offset == node.channels
        made[node.name] = node.channels, node.size
    assert nodes[-1].name == "fc"


def test_cifar_shortcuts():
    a = by_name(cifar_resnet(blocks=1))
    assert a["layer1.0.conv2"].skip == Skip(tensor="conv1")
    assert a["layer2.0.conv2"].skip == Skip(tensor="layer1.0.conv2", stride=2, channel_offset=8)
    b = by_name(cifar_resnet(blocks=1, projected=True))
    assert b["layer1.0.conv2"].skip == a["layer1.0.conv2"].skip
    assert b["layer2.0.conv2"].skip == Skip(tensor="layer2.0.downsample")
    assert b["layer2.0.downsample"].weights == 16 * 32


def test_width_scales_mobilenet_by_torchvisions_rule():
    nodes = by_name(imagenet("mobilenet-v2", width=24, image_size=224, classes=10))
    assert nodes["conv1"].channels == 24
    assert nodes["block2.0.project"].channels == 24  # 0.75 * 32
    assert nodes["block1.0.project"].channels == 24  # 0.75 * 24 = 18: 16 is more than a tenth below
    assert nodes["last"].channels == 1280


def test_unknown_network():
    with pytest.raises(InputError, match=r"must be one of resnet8-cifar.*not 'vgg'"):
        published("vgg")
