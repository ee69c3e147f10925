"""Random modules: the program is exact on every engine, whatever reads what."""

import pytest
import torch

from adqhw.adq.frontend.config import QuantizeConfig
from adqhw.adq.frontend.quantize import quantize
from tests.support.nets.random_modules import RandomNet
from tests.support.nets.traced import assert_exact, train_some, uneven_norms

QUICK = 6


def check(seed: int) -> None:
    torch.manual_seed(seed)
    model, images = RandomNet(seed), torch.randn(12, 3, 9, 9)
    uneven_norms(model)
    config = QuantizeConfig(act_width=(2, 3, 4, 8)[seed % 4], weight_width=2 + seed % 3)
    network = quantize(model, images, config)  # compares with the module in float
    train_some(network, images, 1)
    assert_exact(network, network.export(), images[:2])


@pytest.mark.parametrize("seed", range(QUICK))
def test_random_modules(seed):
    check(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(QUICK, 60))
def test_more_random_modules(seed):
    check(seed)
