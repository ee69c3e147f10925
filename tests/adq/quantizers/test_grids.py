"""Fixed grids: exact values, levels that fit, refusals."""

import itertools
import math

import pytest
import torch

from adqhw.adq.quantizers.grids import make_grid, post_magnitudes
from adqhw.spec.codebook import shift_factor
from adqhw.spec.errors import InputError


@pytest.mark.parametrize("width", range(2, 8))
def test_post_magnitudes_are_exact_powers_of_the_root_of_two(width):
    values = post_magnitudes(width).tolist()
    assert len(values) == 2 ** (width - 1) - 1  # the released code has one more: 2^b + 1 levels
    assert values[-1] == 1.0
    for small, large in itertools.pairwise(values):
        assert large / small == pytest.approx(math.sqrt(2), rel=1e-15)
    assert values[::-1][::2] == [2.0**-j for j in range(len(values[::2]))]  # even ones: exact


def test_post_grid_of_papers_md():
    values = make_grid("post", 4).values[8:]
    expected = [0.125, 0.17678, 0.25, 0.35355, 0.5, 0.70711, 1]
    torch.testing.assert_close(values, torch.tensor(expected).double(), atol=1e-5, rtol=0)
    assert make_grid("post", 4).levels[7:].tolist() == [0, 8, 11, 16, 22, 32, 44, 64]
    assert make_grid("post", 2).levels.tolist() == [-64, 0, 64]


@pytest.mark.parametrize("name", ["post", "pot", "apot", "uniform", "lsq"])
@pytest.mark.parametrize("width", [2, 3, 4])
def test_grids_fit_their_bits_and_their_levels(name, width):
    grid = make_grid(name, width)
    assert len(grid.values) == 2**width - (name != "lsq")
    assert (grid.values.diff() > 0).all()
    assert grid.values[len(grid.values) // 2] == 0
    assert -128 <= grid.levels.min() <= grid.levels.max() <= 127
    exact = torch.equal(grid.levels, grid.values * grid.top) or torch.allclose(
        grid.levels, grid.values * grid.top, rtol=1e-12, atol=0
    )
    assert exact == (name != "post" or width == 2)


def test_power_of_two_levels_are_powers_of_two():
    assert make_grid("pot", 4).levels[8:].tolist() == [1, 2, 4, 8, 16, 32, 64]
    assert make_grid("apot", 4).levels[8:].tolist() == [12, 24, 36, 48, 72, 96, 120]
    assert make_grid("apot", 5).levels[16:].tolist()[-3:] == [66, 72, 96]


@pytest.mark.parametrize(
    ("name", "width", "level_width", "factor"),
    [
        ("pot", 4, 8, 1),
        ("post", 2, 8, 1),
        ("post", 3, 8, 45),  # 64, 45, 32
        ("post", 4, 8, 11),  # 44, 22, 11: sqrt(2) * 8 is 11.3
        ("post", 5, 16, 181),  # sqrt(2) * 128 is 181.02
        ("post", 4, 16, 181),  # 2896 = 181 * 16
    ],
)
def test_pot_and_post_levels_have_the_shift_form(name, width, level_width, factor):
    """One odd factor, and the relative error of no level exceeds that of the factor."""
    grid = make_grid(name, width, level_width)
    assert shift_factor(tuple(int(v) for v in grid.levels)) == factor
    assert ((grid.levels / grid.top - grid.values).abs() <= 0.028 * grid.values.abs()).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("pot", 5), "level_width must keep the levels of pot at 5 bits apart, not be 8"),
        (("lsq", 8, 6), "level_width must keep"),
        (("apot", 6), r"APoT weight width must be in 2\.\.5"),
        (("best", 4), "Grid must be"),
        (("post", 9), r"Weight width must be in 2\.\.8"),
    ],
)
def test_bad_grids_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        make_grid(*arguments)
