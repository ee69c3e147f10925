"""Random programs of users' networks: nodes of all kinds, on golden and numba."""

import numpy as np
import pytest
import torch

from adqhw.adq.frontend.config import QuantizeConfig
from adqhw.adq.frontend.quantize import traced
from adqhw.sim.networks import random_program
from adqhw.sim.runner import Runner
from adqhw.spec import golden
from adqhw.spec.layers import LayerKind
from tests.support.nets import odd_modules as odd
from tests.support.nets import user_modules as user

CASES = {
    "branched": (user.BranchedResNet, (1, 8, 8), {LayerKind.CONCAT}),
    "ds-cnn": (user.DsCnn, (1, 49, 10), {LayerKind.CONV}),
    "unet": (odd.UNet, (3, 8, 8), {LayerKind.UPSAMPLE}),
    "functions": (odd.Functions, (3, 8, 8), {LayerKind.THRESHOLD}),
}


@pytest.mark.parametrize("name", CASES)
def test_random_programs_of_users_networks(name):
    kind, shape, kinds = CASES[name]
    network = traced(kind(), torch.rand(2, *shape), QuantizeConfig())
    program = random_program(name, shape, network.nodes, seed=1)
    assert kinds <= {layer.kind for layer in program.layers}
    assert [layer.name for layer in program.layers] == [node.name for node in network.nodes]
    images = np.random.default_rng(0).integers(0, 256, (2, *shape))
    expected = golden.run(program, images, "all")
    found = Runner(program, keep="all").run(images)
    for layer, codes in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[layer], codes, err_msg=layer)
        if layer != program.layers[-1].name:
            assert codes.min() < codes.max(), layer
