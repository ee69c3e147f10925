"""One set of times: under every DRAM type the simulated memory and the cycle model agree."""

import pytest
from external_archs import small_arch
from programs import random_images
from random_nets import random_net
from simulators import soon_built, usable
from whole_networks import differences

from adqhw.cost.estimate.model import timings_of
from adqhw.cost.technology.dram_types import available_drams, load_dram
from adqhw.rtl.arch.external import External

pytestmark = [pytest.mark.simulator, pytest.mark.slow]

CLOCK_MHZ = 400.0


def test_a_network_under_every_type(tmp_path):
    """The same network in turn under each type's times: codes, cycles and beats of every layer."""
    net = random_net(22)
    arch = small_arch([net], (4, 4, 4, 2, 2), External())
    models = [load_dram(name).model(CLOCK_MHZ, arch.external) for name in available_drams()]
    cases = [(net, random_images(net, 1, seed=number)) for number in range(len(models))]
    tool = soon_built(usable("icarus"))
    assert not differences(cases, arch, tool, tmp_path, memory=lambda number: models[number])
    cycles = {sum(t.cycles for t in timings_of(arch, net, model).values()) for model in models}
    assert len(cycles) == len(models)
