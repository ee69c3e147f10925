"""Windows of layers: they tile an image's cycles, and hold the codes that each layer wrote."""

import numpy as np
import pytest
from programs import Builder, random_images
from simulators import usable

from adqhw.cosim.compare.windows import layer_window
from adqhw.cosim.network.network import Case, run_network
from adqhw.rtl.arch.arch import Arch
from adqhw.rtl.program.fit import check_storage, narrowest
from adqhw.rtl.program.run_cycles import run_cycles
from adqhw.spec import InputError
from adqhw.spec.program import Program


def made() -> tuple[Program, Arch]:
    b = Builder(np.random.default_rng(3), (2, 3, 3))
    b.mac(4, 3, stage="requant", uniform=True, weight_width=4, padding=1)
    b.read(4)
    b.mac(3, 3, stage="requant", weight_width=4, padding=1)
    program = b.build()
    return program, narrowest(program, rows=1, cols=2)


def test_windows_tile_the_cycles_of_an_image():
    program, arch = made()
    image, *layers = run_cycles(arch, program, check_storage(arch, program))
    start = image.cycles
    for layer in layers:
        assert layer_window(program, arch, layer.name) == (start, start + layer.cycles - 1)
        assert layer_window(program, arch, layer.name, (2, 3)) == (start + 2, start + 3)
        start += layer.cycles


@pytest.mark.parametrize("within", [(-1, 2), (3, 2), (0, 10**6)])
def test_cycles_that_the_layer_has_not_are_refused(within):
    program, arch = made()
    with pytest.raises(InputError, match=r"Window of layer .* must be within its cycles 0:"):
        layer_window(program, arch, program.layers[0].name, within)


@pytest.mark.simulator
@pytest.mark.slow
def test_codes_leave_inside_the_window(tmp_path):
    simulator, (program, arch) = usable("verilator"), made()
    case = Case(program=program, images=random_images(program, 1))
    ((traces,),) = run_network([case], arch, simulator, tmp_path).cases
    for layer in program.layers:
        first, last = layer_window(program, arch, layer.name)
        at = traces[layer.name].at_cycle
        assert first <= at.min() <= at.max() <= last
