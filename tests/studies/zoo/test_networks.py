"""Networks that the zoo's programs were made from and that are no recipe's."""

import importlib.util

import torch
from places import ROOT
from torch import nn


def module(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "zoo" / "networks" / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_mobilenet_of_full_width_has_the_paper_s_layers():
    """Without the classifier 2,223,872 weights, as torchvision's; maps are 32 / 16 wide."""
    net = module("mobilenet_v2").MobileNetV2(width=1.0)
    assert sum(p.numel() for p in net.parameters()) - sum(
        p.numel() for p in net.classifier.parameters()
    ) == 2_223_872  # fmt: skip
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    assert len(convolutions) == 52
    assert sum(layer.groups > 1 for layer in convolutions) == 17
    net.eval()
    x = torch.zeros(1, 3, 32, 32)
    assert net.last(net.blocks(net.first(x))).shape == (1, 1280, 2, 2)
    assert net(x).shape == (1, 10)
