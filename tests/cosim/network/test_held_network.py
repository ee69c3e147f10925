"""Whole networks on arrays that hold weights: codes, cycles, counters of every layer, exactly.

The many random ones run in Verilator: a build takes some 15 s of a core, a run of a network a few
hundredths of a second. Tables of 256 levels would make a build ten times as long: most arrays are
those of codebooks of at most 4 bits.
"""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from awkward_nets import awkward_net
from general_nets import general_net
from programs import every_kind, random_images, second_version
from random_nets import random_net
from simulators import soon_built, usable
from whole_networks import differences

from adqhw.cosim.compare.network_cosim import cosimulate_network
from adqhw.cosim.layer.harness import Pressure
from adqhw.rtl.arch.registry import micro as micro_of
from adqhw.rtl.arch.registry import names
from adqhw.rtl.program.fit import covering
from adqhw.spec import Program

pytestmark = pytest.mark.simulator

HOLDING = [name for name in names() if micro_of(name).held_column is not None]
SHAPES = (
    (1, 1, 2, 1, 1), (2, 2, 2, 2, 1), (2, 4, 3, 2, 2), (4, 2, 4, 1, 2), (4, 4, 4, 2, 2),
    (4, 4, 8, 4, 4), (8, 4, 5, 2, 4), (4, 8, 7, 4, 1), (8, 8, 8, 4, 2), (3, 6, 3, 3, 3),
    (6, 3, 6, 3, 1), (5, 5, 5, 5, 5), (2, 8, 16, 8, 2), (8, 2, 2, 2, 2), (1, 6, 6, 6, 1),
)  # fmt: skip
"""(rows, cols, hold, fill, out_lanes): groups smaller and larger than maps, ports of one column and
of all, output lanes from one to all."""
MOST_WEIGHTS = 5000


@pytest.fixture(scope="session")
def builds(tmp_path_factory):
    """One cache of compiled accelerators for all tests."""
    return tmp_path_factory.mktemp("held_networks")


def chosen_pressure(number: int) -> Pressure:
    """Every combination of stalls of the image stream and of the results."""
    idle, pause = [(0, 0), (120, 0), (0, 150), (90, 60)][number % 4]
    return Pressure(beat_idle=idle, output_pause=pause, seed=number + 1)


def array_of(nets: Sequence[Program], shape: tuple[int, ...], micro: str = "decode"):
    """The narrowest Arch of a shape on which all of `nets` run."""
    rows, cols, hold, fill, lanes = shape
    return covering(
        list(nets), rows=rows, cols=cols, micro=micro, hold=hold, fill=fill, out_lanes=lanes
    )


def nets_of(
    first: int,
    count: int,
    micro: str = "decode",
    makers: Sequence[Callable[..., Program]] = (random_net, general_net),
    codes: int = 8,
) -> list[Program]:
    """Networks of `makers` in turn; those whose weights are loaded soon. codes: most bits of the
    code of a level."""
    shifts = micro == "shift_add"
    made = (makers[i % len(makers)](i, shifts=shifts) for i in itertools.count(first))
    light = (n for n in made if weights_of(n) <= MOST_WEIGHTS and code_width(n) <= codes)
    return list(itertools.islice(light, count))


def code_width(net: Program) -> int:
    return max((layer.codebook.width for layer in net.mac_layers if layer.codebook), default=0)


def weights_of(net: Program) -> int:
    return sum(layer.weights.size for layer in net.mac_layers)


def wrong(nets: Sequence[Program], arch, simulator: str, builds, *, images: int = 1) -> list:
    """Tensors that differ in anything; the first image of each network also after a reset in the
    middle of it."""
    cases = [(net, random_images(net, images, seed=number)) for number, net in enumerate(nets)]
    tool = soon_built(usable(simulator))
    return differences(cases, arch, tool, builds, pressure=chosen_pressure, resets=True)


def test_every_kind_and_a_few_random_networks(builds):
    """Without stalls and with streams held back; a report has every layer, those that are chained
    and those that nobody reads included."""
    program = every_kind(1)
    nets = [program, second_version(), *nets_of(502, 2)]
    arch = array_of(nets, (4, 4, 4, 2, 2))
    assert not wrong(nets, arch, "icarus", builds)
    report = cosimulate_network(
        program, random_images(program, 1), arch, "icarus", build_dir=builds
    )
    assert report.passed
    assert [layer.name for layer in report.layers] == [layer.name for layer in program.layers]
    for layer in report.layers:
        assert layer.compared == np.prod(program.tensor_shape(layer.name))


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2 * len(SHAPES)))
def test_many_random_networks(part, builds):
    """420 in all, 14 on each of 30 arrays, three images each: two extreme ones, one at random."""
    micro = HOLDING[part % len(HOLDING)]
    makers = (random_net, awkward_net, general_net)
    nets = nets_of(5000 + 100 * part, 14, micro, makers, codes=8 if part % 10 == 7 else 4)
    arch = array_of(nets, SHAPES[(part + part // 15) % len(SHAPES)], micro)
    if micro == "uniform":  # digits of every width
        arch = replace(arch, multiply_width=2 + part % (arch.level_width - 1))
    assert not wrong(nets, arch, "verilator", builds, images=3)


@pytest.mark.slow
@pytest.mark.parametrize("micro", HOLDING)
def test_every_kind_on_every_micro_architecture(micro, builds):
    """In Verilator, on more rows than channels and on fewer."""
    shifts = micro == "shift_add"
    nets = [*[every_kind(2, shifts=shifts)] * 4, *[second_version(shifts=shifts)] * 4]
    for shape in ((16, 8, 16, 4, 4), (4, 8, 4, 4, 2)):
        assert not wrong(nets, array_of(nets, shape, micro), "verilator", builds)
