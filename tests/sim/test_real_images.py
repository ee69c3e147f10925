"""The committed ResNet-20 program on real CIFAR-10 images: every code of every layer, every mode.

ADQHW_DATA names a folder with the official CIFAR-10 batches.
"""

import needs
import pytest
from identical import assert_identical
from modes import ORDERS, run_mode, supported_modes
from places import ROOT

from adqhw.adq.data import cifar10
from adqhw.adq.integers import integer
from adqhw.sim.runner import Runner
from adqhw.spec import golden
from adqhw.spec.program_file import load

ZOO = ROOT / "zoo" / "cifar10_resnet20_w4a4_2epochs.safetensors"
BATCH = 100

pytestmark = [pytest.mark.data, pytest.mark.slow]


@pytest.fixture(scope="module")
def program():
    return load(ZOO)


@pytest.fixture(scope="module")
def images():
    return cifar10.load("test", needs.cifar10()).images


def test_golden_and_the_orders_of_the_hardware(program, images):
    for start in range(0, 200, BATCH):
        batch = images[start : start + BATCH]
        expected = golden.run(program, batch, "all")
        for mode in supported_modes():
            assert_identical(expected, run_mode(mode, program, batch), program, batch, mode)


def test_the_whole_test_set(program, images):
    """2.9e9 codes: numba's plain modes and torch's integers."""
    plain = [mode for mode in supported_modes() if mode not in ORDERS]
    runners = {mode: Runner(program, simd=mode, keep="all") for mode in plain}
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        expected = integer.run(program, batch, "all")
        for mode, runner in runners.items():
            assert_identical(expected, runner.run(batch), program, batch, mode)
