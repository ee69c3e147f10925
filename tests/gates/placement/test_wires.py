"""Placement, repeaters, clock tree, and the energy that they add, counted by hand."""

import json
from itertools import pairwise

import needs
import numpy as np
import pytest
from gate_oracle import oracle_switching, rows, small_netlist
from placed_library import chain, placed_library, written

from adqhw.gates.energy.energy import Assumptions, energies, gate_energy
from adqhw.gates.netlist.netlist import net_loads
from adqhw.gates.placement.buffers import buffers, choose_buffer, most_load_ff
from adqhw.gates.placement.clock_tree import clock_tree
from adqhw.gates.placement.footprints import from_areas
from adqhw.gates.placement.placer import PlaceOptions, pin_positions, place
from adqhw.gates.placement.steiner import steiner_lengths
from adqhw.gates.placement.wires import Placing, placed_wires, repeaters
from adqhw.gates.placement.wiring import wiring_of
from adqhw.spec import InputError

ASSUMED = Assumptions(slew_ns=0.25, period_ns=100.0)


def test_the_buffer_and_its_load():
    library = placed_library()
    assert buffers(library) == ["BUF"]
    assert most_load_ff(library, "BUF", "Y") == 40
    assert most_load_ff(library, "INV", "Y") == 10  # the end of its delay tables
    buffer = choose_buffer(library, 0.25)
    assert buffer.limit_ff == pytest.approx(20.0)  # 0.05 + 0.01 x 20 = 0.25 ns
    assert buffer.edge_fj(10.0) == pytest.approx((2 + 3) / 2)
    assert (buffer.input_ff, buffer.leakage_nw) == (1.0, 4.0)
    with pytest.raises(InputError, match="must have a buffer"):
        choose_buffer(library, 0.01)


def test_repeaters_of_a_heavy_net():
    """100 fF on an inverter that may drive 10: 5 buffers of 20 fF, whose 5 fF it drives."""
    library = placed_library()
    netlist = small_netlist(library)
    loads = np.array([0.0] * netlist.nets)
    loads[net := netlist.gates[1].pins["Y"]] = 100.0  # of the inverter
    loads[clock := netlist.clock] = 1000.0
    found = repeaters(netlist, library, loads, choose_buffer(library, 0.25))
    assert netlist.gates[1].cell == "INV"
    assert found.count[net] == 5
    assert found.driver_ff[net] == 5.0
    assert found.edge_fj[net] == pytest.approx(5 * (3 + 3) / 2)  # rise 1..2 over 0..10 fF: 3 at 20
    assert found.count.sum() == 5
    assert found.driver_ff[clock] == 1000.0


def test_a_tree_of_two_levels():
    """8 pins of 4 fF, two by two: 4 buffers; these 4 fF and 2 um: 1 buffer; 1 um from the root."""
    library = placed_library()
    x = np.array([0.0, 0, 1, 1, 0, 0, 1, 1])
    y = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
    buffer = choose_buffer(library, 0.25)
    found = clock_tree(x, y, np.full(8, 4.0), (0.5, -0.5), 0.5, buffer)
    # 32 fF of pins is over 20; either half is 16 and its wire 1 um, 0.5 fF
    assert (found.buffers, found.levels) == (3, 2)
    assert found.wire_um == pytest.approx(1 + 1 + 2 * 0.5 + 1)
    assert found.pins_ff == 3.0
    leaf, top = buffer.edge_fj(16.5), buffer.edge_fj(2 + 0.5)
    assert found.internal_fj == pytest.approx(2 * (2 * leaf + top))
    assert found.cycle_fj(2.0) == pytest.approx(found.internal_fj + (2.0 + 3.0) * 4)
    assert found.leakage_nw == 12.0


def test_a_tree_ends_however_long_its_wires_are():
    buffer = choose_buffer(placed_library(), 0.25)
    far = np.arange(12) * 1e4
    found = clock_tree(far, far, np.full(12, 1.0), (0.0, 0.0), 1.0, buffer)
    assert found.levels >= 2
    assert found.buffers >= found.wire_ff / buffer.limit_ff / 2
    nothing = clock_tree(far[:0], far[:0], far[:0], (0.0, 0.0), 1.0, buffer)
    assert nothing.cycle_fj(2.0) == 0


def test_placed_cells_lie_in_rows_and_do_not_overlap():
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    library = placed_library()
    netlist = chain(library, 20)
    wiring, footprints = wiring_of(netlist), from_areas(library, 2.0)
    found = place(wiring, footprints, PlaceOptions(utilization=0.6, effort=1))
    spans = sorted(
        (y, x, x + footprints.of(cell).width)
        for cell, x, y in zip(wiring.cells, found.x, found.y, strict=True)
    )
    assert all(y % 2 == 0 and x >= 0 and end <= found.width + 1e-9 for y, x, end in spans)
    for (y, _, end), (next_y, begin, _) in pairwise(spans):
        assert y != next_y or begin >= end - 1e-9
    area = sum(footprints.of(cell).width * 2 for cell in wiring.cells)
    assert area / (found.width * found.height) == pytest.approx(0.6, rel=0.15)
    on_edge = (found.port_x == 0) | (found.port_x == found.width)
    on_edge |= (found.port_y == 0) | (found.port_y == found.height)
    assert len(on_edge) == 2
    assert on_edge.all()
    x, y = pin_positions(wiring, footprints, found)
    random = np.random.default_rng(1)  # neighbours in the chain are nearer than by chance
    shuffled = random.permutation(len(x))
    by_chance = steiner_lengths(x[shuffled], y[shuffled], wiring.starts).sum()
    assert steiner_lengths(x, y, wiring.starts).sum() < 0.6 * by_chance


def test_what_a_placement_adds_to_the_energy(tmp_path):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    needs.package("sc-leflib", "pip install 'adqhw[place]'", module="sc_leflib")
    library = placed_library()
    lef, rc = written(tmp_path)
    netlist = small_netlist(library)
    switching = oracle_switching(netlist, library, rows(a=[1, 1, 0, 0, 1], b=[0, 1, 1, 0, 0]))
    wires = placed_wires(netlist, library, Placing(rc=rc, lef=(lef,)), 0.25, tmp_path)
    before = gate_energy(netlist, library, switching, ASSUMED)
    after = gate_energy(netlist, library, switching, ASSUMED, wires)
    assert wires.wire_um[netlist.clock] == 0
    assert wires.wire_ff == pytest.approx(0.2 * wires.wire_um)
    assert wires.delay_ns == pytest.approx(1.5 * 0.2 / 2 * 1e-6 * wires.wire_um**2)
    # 2 V: 1/2 V^2 = 2 fJ per fF and change; nothing needs a repeater
    assert wires.repeaters.count.sum() == 0
    added = 2 * float((wires.wire_ff * switching.toggles).sum())
    assert added > 0
    assert after.switching_fj - before.switching_fj == pytest.approx(added)
    assert wires.clock.buffers == 1  # for the only flip-flop
    tree = wires.clock.internal_fj + (wires.clock.wire_ff + 1.0) * 4
    assert after.clock_fj - before.clock_fj == pytest.approx(4 * tree)
    assert after.leakage_fj - before.leakage_fj == pytest.approx(4 * 4.0 * 100 * 1e-3)
    groups = energies(
        netlist, library, switching, ASSUMED, np.array([0, 1, 2]), 3, wires
    )  # flip-flop, inverter, NAND: the tree is the flip-flop's
    assert sum(one.total_fj for one in groups) == pytest.approx(after.total_fj)
    assert groups[1].clock_fj == groups[2].clock_fj == 0
    again = placed_wires(netlist, library, Placing(rc=rc, lef=(lef,)), 0.25, tmp_path)
    np.testing.assert_array_equal(again.wire_um, wires.wire_um)
    assert json.dumps(wires.to_dict())


def test_repeaters_are_in_the_energy(tmp_path):
    """Wires a thousand times as heavy: drivers see buffers, every change moves these as well."""
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    library = placed_library()
    rc = tmp_path / "rc.toml"
    rc.write_text('signal = ["m"]\nclock = ["m"]\n[layers.m]\nohm_per_um = 1\nff_per_um = 100\n')
    netlist = small_netlist(library)
    switching = oracle_switching(netlist, library, rows(a=[1, 1, 0, 0, 1], b=[0, 1, 1, 0, 0]))
    wires = placed_wires(netlist, library, Placing(rc=rc, row_um=2.0), 0.25, tmp_path)
    before = gate_energy(netlist, library, switching, ASSUMED)
    after = gate_energy(netlist, library, switching, ASSUMED, wires)
    assert wires.repeaters.count.sum() > 5
    assert (wires.repeaters.driver_ff <= np.maximum(net_loads(netlist, library), 20)).all()
    heavy = wires.wire_ff + wires.repeater_ff
    assert after.switching_fj - before.switching_fj == pytest.approx(
        2 * float((heavy * switching.toggles).sum())
    )
    inside = float((wires.repeaters.edge_fj * switching.toggles).sum())
    assert after.internal_fj > before.internal_fj + inside  # tables at heavier loads too


def test_cells_are_packed_denser_than_the_core_is_filled():
    """Shares where none is stated, and what names a kept placement."""
    assert [PlaceOptions(utilization=u).packed for u in (0.1, 0.65, 0.7, 0.9)] == [
        pytest.approx(0.2), 0.7, 0.7, 0.9,
    ]  # fmt: skip
    assert "density" not in PlaceOptions().to_dict()
    assert PlaceOptions(utilization=0.1).to_dict()["density"] == pytest.approx(0.2)
    assert PlaceOptions(utilization=0.1, density=0.3).to_dict()["density"] == 0.3


def test_a_core_that_is_nearly_empty():
    """20 inverters and flip-flops in 2 % of a core: they find their rows, near each other; spread
    over all of it their wires are longer."""
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    library = placed_library()
    wiring, footprints = wiring_of(chain(library, 20)), from_areas(library, 2.0)
    lengths = []
    for density in (0.02, None, 0.7):
        options = PlaceOptions(utilization=0.02, density=density, effort=1)
        found = place(wiring, footprints, options)
        x, y = pin_positions(wiring, footprints, found)
        lengths.append(steiner_lengths(x, y, wiring.starts).sum())
    assert lengths[0] > 1.2 * lengths[2]
    assert lengths[1] < lengths[0]


@pytest.mark.parametrize(
    "options",
    [
        {"utilization": 0.99}, {"utilization": 0.0}, {"effort": 0}, {"seed": -1},
        {"utilization": 0.5, "density": 0.4}, {"density": 0.99},
    ],
)  # fmt: skip
def test_options_that_are_refused(options):
    with pytest.raises(InputError, match="must be from"):
        PlaceOptions(**options)
