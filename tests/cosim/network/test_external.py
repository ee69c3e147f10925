"""Whole networks with external memory: codes, cycles, beats of every layer, under many memories."""

import itertools

import numpy as np
import pytest
from awkward_nets import awkward_net
from external_archs import small_arch
from general_nets import general_net
from programs import random_images
from random_nets import random_net
from simulators import soon_built, usable
from whole_networks import differences

from adqhw.cosim.layer.harness import Pressure
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.arch.external import External
from adqhw.rtl.program.fit import check_storage
from adqhw.rtl.timing.dram import DramModel
from adqhw.spec import Program

pytestmark = pytest.mark.simulator


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """One cache of compiled accelerators for all tests."""
    return tmp_path_factory.mktemp("external_networks")


def a_memory(number: int) -> DramModel:
    rng = np.random.default_rng(number)
    return DramModel(
        latency=int(rng.integers(1, 60)),
        beat_cycles=int(rng.choice([1, 1, 2, 5])),
        row_bytes=int(rng.choice([128, 512, 2048])),
        row_miss=int(rng.integers(0, 30)),
    )


def a_pressure(number: int) -> Pressure:
    """Streams and memory as fast as they can be; only the memory stalls; everything does."""
    idle, pause, memory = [(0, 0, 0), (0, 0, 0), (0, 0, 90), (90, 60, 140)][number % 4]
    return Pressure(beat_idle=idle, output_pause=pause, memory_stall=memory, seed=number + 1)


def wrong(nets: list[Program], arch: Arch, simulator: str, builds) -> list:
    """Tensors that differ in anything; the first image of each network also after a reset in the
    middle of it."""
    cases = [(net, random_images(net, 2, seed=number)) for number, net in enumerate(nets)]
    tool, options = soon_built(usable(simulator)), {"pressure": a_pressure, "memory": a_memory}
    return differences(cases, arch, tool, builds, **options, resets=True)


def nets_of(first: int, count: int) -> list[Program]:
    """Networks of all kinds, in turn, whose codebooks have at most 4 bits: tables of 256 levels
    make a build ten times as long."""
    makers = (general_net, awkward_net, random_net)
    made = (makers[seed % 3](seed) for seed in itertools.count(first))
    return list(itertools.islice((net for net in made if narrow(net)), count))


def narrow(net: Program) -> bool:
    return all(layer.codebook is None or layer.codebook.width <= 4 for layer in net.mac_layers)


def test_random_networks(builds):
    """Weights, parameters and maps in turn, two images one after the other."""
    nets = [random_net(22), random_net(32), random_net(40)]
    arch = small_arch(nets, (4, 4, 4, 2, 2), External())
    plans = [check_storage(arch, net).outside for net in nets]
    assert any(plan.streamed for plan in plans)
    assert sum(bool(plan.maps) for plan in plans) >= 2
    assert not wrong(nets, arch, "icarus", builds)


SHAPES = (
    (4, 4, 4, 2, 2), (2, 4, 3, 2, 2), (8, 4, 5, 2, 4), (3, 6, 3, 3, 3), (4, 8, 7, 4, 1),
    (8, 8, 8, 4, 2), (1, 2, 2, 2, 1), (4, 2, 16, 1, 2),
)  # fmt: skip
EXTERNALS = (
    External(bus_width=32, burst_beats=4, outstanding=1), External(bus_width=64),
    External(bus_width=128, burst_beats=2, outstanding=8), External(bus_width=256, outstanding=2),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("part", range(16))
def test_many_random_networks(part, builds):
    """192 in all, 12 on each of 16 arrays; two images each."""
    nets = nets_of(7000 + 50 * part, 12)
    arch = small_arch(nets, SHAPES[part % 8], EXTERNALS[(part + part // 8) % 4])
    assert not wrong(nets, arch, "verilator", builds)
