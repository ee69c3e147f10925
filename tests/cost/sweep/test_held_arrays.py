"""Arrays that hold weights in a sweep, and plain multipliers of other widths."""

import pytest
from cost_nets import small_net

from adqhw.commands.sizes import swept_arrays
from adqhw.cost.estimate.estimate import estimate
from adqhw.cost.sweep.arrays import Lanes, lanes_label, micro_label, multiplier_of
from adqhw.cost.sweep.designs import Grid, Workload
from adqhw.cost.sweep.store import Store
from adqhw.cost.sweep.sweeping import plan_sweep, run_plan, sweep
from adqhw.cost.technology.technology import load
from adqhw.rtl.program.fit import narrowest
from adqhw.spec.errors import ContractError, InputError

HELD = Lanes(4, 4, 8, 2, 2)
TABLE = load("literature45")


def test_a_swept_array_costs_what_its_estimate_says():
    """The storage of a sweep comes from a short cut; `estimate` plans the whole program."""
    net = small_net()
    grid = Grid(arrays=((4, 4), HELD), micros=("decode", "uniform", "uniform:4"),
                technologies=(TABLE,))  # fmt: skip
    designs = sweep([Workload(name="net", program=net)], grid)
    held = {"hold": 8, "fill": 2, "out_lanes": 2}
    assert [design.label for design in designs] == [
        f"net {micro} {array}"
        for array in ("4x4", "4x4 h8 f2 o2")
        for micro in ("decode", "uniform", "uniform:4")
    ]
    for design in designs:
        arch = design.estimate.arch
        size = {"rows": 4, "cols": 4, "micro": arch.micro, "multiply_width": arch.multiply_width}
        alone = estimate(net, narrowest(net, **size, **(held if arch.holds else {})), TABLE)
        assert design.estimate.cycles == alone.cycles
        assert design.estimate.energy == alone.energy
        row = design.row()
        assert (row["hold"], row["micro"]) == (arch.hold, micro_label(arch))
        assert lanes_label(design.baseline.arch) == lanes_label(arch)


def test_a_micro_architecture_that_holds_no_weights_is_refused_with_its_hold():
    grid = Grid(arrays=((4, 4), HELD), micros=("binned", "decode"), technologies=(TABLE,))
    store = Store()
    swept = run_plan(plan_sweep([Workload(name="net", program=small_net())], grid, store), store)
    assert list(swept.refused) == ["net on binned with hold 8"]
    assert len(swept.designs) == 3


def test_points_of_arrays_without_hold_keep_their_names():
    """(rows, cols) as before arrays that hold weights existed."""
    assert Lanes(4, 8).key == (4, 8)
    assert HELD.key == (4, 4, 8, 2, 2)


def test_every_way_to_hold_weights_and_one_without():
    assert list(swept_arrays("2x2,4x4", "1,4", "2", "1,2")) == [
        Lanes(2, 2), Lanes(2, 2, 4, 2, 1), Lanes(2, 2, 4, 2, 2),
        Lanes(4, 4), Lanes(4, 4, 4, 2, 1), Lanes(4, 4, 4, 2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("hold", "fill", "said"),
    [("1", "2", "--fill and --out-lanes must go with --hold"), ("x", "1", "--hold must be whole"),
     ("4,,8", "1", "comma separated"), ("-4", "1", "--hold must be whole")],
)  # fmt: skip
def test_ways_that_are_none_are_refused(hold: str, fill: str, said: str):
    with pytest.raises(InputError, match=said):
        list(swept_arrays("4x4", hold, fill, "1"))


@pytest.mark.parametrize("text", ["decode:4", "uniform:", "uniform:x", "uniform:444", "other"])
def test_multipliers_are_of_the_plain_one_only(text: str):
    with pytest.raises(InputError, match="Micro"):
        multiplier_of(text)


def test_a_size_that_no_program_changes_is_refused_before_anything_is_computed():
    grid = Grid(arrays=(Lanes(4, 4, 4, 3, 1),), technologies=(TABLE,))
    with pytest.raises((InputError, ContractError), match="fill"):
        grid.check_arrays()
