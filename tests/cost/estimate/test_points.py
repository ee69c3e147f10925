"""Many design points at once: the same numbers as one by one, cycles to the last."""

import itertools

import numpy as np
import pytest
from cost_nets import small_net
from hypothesis import given
from hypothesis import strategies as st
from programs import random_images
from random_nets import random_net

from adqhw.cost.estimate.estimate import estimate, measure
from adqhw.cost.estimate.points import Points, estimate_points
from adqhw.cost.technology.technology import BAND_KEYS, load
from adqhw.rtl.arch.registry import names
from adqhw.rtl.program.fit import narrowest
from adqhw.rtl.timing.elementwise import bit_length, least, most, real, root, tree_add_bits
from adqhw.rtl.timing.network_cycles import network_cycles
from adqhw.rtl.timing.tiling import Tile, tiles
from adqhw.spec import InputError

SIZES = [*itertools.product((1, 2, 3, 8, 17), (1, 2, 5, 16)), (256, 256)]
TECHNOLOGIES = [load("unit"), load("literature45")]


def compare(program, micro, activity=None) -> None:
    """Every point against the estimate of its array alone."""
    points = Points.for_program(program, SIZES, micro)
    for costs in estimate_points(program, points, TECHNOLOGIES, activity=activity):
        for i, (rows, cols) in enumerate(SIZES):
            arch = narrowest(program, rows=rows, cols=cols, micro=micro)
            alone = estimate(program, arch, costs.technology, activity=activity)
            cycles = [model.cycles for model in network_cycles(arch, program)]
            assert [costs.input_cycles, *costs.layer_cycles[:, i]] == cycles
            assert costs.cycles[i] == alone.cycles
            for k, corner in enumerate(BAND_KEYS):
                energies = [getattr(x.energy.total, corner) for x in alone.layers]
                np.testing.assert_allclose(costs.layer_energy_pj[:, k, i], energies, rtol=1e-12)
                for part, band in alone.energy.parts.items():
                    found = costs.parts_pj[part][k, i]
                    assert found == pytest.approx(getattr(band, corner), rel=1e-12)
                assert costs.area_um2[k, i] == pytest.approx(getattr(alone.total_area, corner))


@pytest.mark.parametrize("micro", [m for m in names() if m != "shift_add"])
def test_points_equal_their_estimates_alone(micro):
    compare(small_net(), micro)


def test_points_equal_their_estimates_with_measured_activity():
    program = small_net(1)
    compare(program, "decode", measure(program, random_images(program, 2)))


@pytest.mark.parametrize("seed", range(4))
def test_points_equal_their_estimates_on_random_networks(seed):
    """Groups, pools of both kinds, residuals: whatever the generator makes."""
    compare(random_net(seed), ("decode", "bit_serial")[seed % 2])


def test_no_points_are_refused():
    with pytest.raises(InputError, match="at least one"):
        Points.for_program(small_net(), [])
    with pytest.raises(InputError, match="Arch rows must be"):
        Points.for_program(small_net(), [(2, 2), (0, 2)])


def test_elementwise_operations_are_those_of_numbers():
    values = np.array([0, 1, 2, 3, 7, 8, 255, 256])
    assert bit_length(values).tolist() == [int(v).bit_length() for v in values]
    assert least(values, 5).tolist() == [least(int(v), 5) for v in values]
    assert most(values, 5).tolist() == [most(int(v), 5) for v in values]
    assert root(real(values)).tolist() == [root(float(v)) for v in values]
    widths = np.array([3, 4, 5, 6, 7, 8, 9, 10])
    alone = [tree_add_bits(int(n), int(w), 12) for n, w in zip(values, widths, strict=True)]
    assert tree_add_bits(values, widths, 12).tolist() == alone
    assert tree_add_bits(4, 12, 24) == 2 * 13 + 14


@given(*[st.integers(1, 70)] * 4)
def test_a_layer_without_groups_is_one_tile(outputs, inputs, rows, cols):
    """The cycle model's arithmetic for it is the tiling of the hardware's plan."""
    blocks, input_blocks = -(-outputs // cols), -(-inputs // rows)
    whole = Tile(first=0, blocks=blocks, input_block=0, input_blocks=input_blocks)
    assert tiles(outputs, inputs, 1, rows=rows, cols=cols) == [whole]
