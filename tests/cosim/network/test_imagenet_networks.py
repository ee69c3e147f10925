"""ImageNet networks at 224 x 224 through external memory, whole: every code and every cycle."""

from pathlib import Path

import needs
import numpy as np
import pytest
from random_imagenet import RECIPES, pictures, random_program, small_memories
from simulators import usable

from adqhw.cosim.compare.network_cosim import cosimulate_network

pytestmark = [pytest.mark.data, pytest.mark.simulator, pytest.mark.slow]


@pytest.mark.parametrize("name", RECIPES)
def test_random_weights_at_224(name, tmp_path):
    """Bottlenecks and depthwise layers; weights, parameters and maps in turn."""
    folder = Path(needs.cifar10()) / "imagenet" / "pictures"
    if not folder.is_dir():
        needs.absent("data", f"ADQHW_DATA must have imagenet/pictures, not {folder.parent} without")
    usable("verilator")
    *calibrating, picture = pictures(folder)
    program = random_program(name, np.stack(calibrating))
    report = cosimulate_network(program, picture[None], small_memories(program), build_dir=tmp_path)
    assert report.passed
    macs = sum(program.macs(layer.name) for layer in program.mac_layers)
    cycles = sum(layer.cycles_rtl for layer in report.layers)
    assert macs / 256 / cycles >= {"resnet50": 0.85, "mobilenet-v2": 0.35}[name]
